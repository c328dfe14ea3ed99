package mask

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"session_exporter/secret"
)

// setOf returns a set of secrets.
func setOf(secrets ...string) *Secrets {
	set := new(Secrets)
	for _, text := range secrets {
		set.Add(secret.New(text))
	}
	return set
}

func TestMask(t *testing.T) {
	const strong = "s3cret-Password"
	for _, c := range []struct {
		name    string
		secrets []string
		text    string
		want    string
	}{
		{"no secrets", nil, "all of it", "all of it"},
		{"not there", []string{strong}, "all of it", "all of it"},
		{"whole text", []string{strong}, strong, Masked},
		{"twice, touching", []string{strong}, strong + strong + ", " + strong, Masked + Masked + ", " + Masked},
		{"prefix of another", []string{"s3cret-1", "s3cret-1-more"}, "s3cret-1-more, s3cret-1", Masked + ", " + Masked},
		{"signature of a JWT", []string{"eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.s1gnature-9"}, "sub a, sig s1gnature-9", "sub a, sig " + Masked},
		{"three parts of another token", []string{"abc.def.s1gnature-9"}, "v. s1gnature-9", "v. s1gnature-9"},
		{"other case", []string{strong}, "bad S3CRET-PASSWORD or s3cret-password", "bad " + Masked + " or " + Masked},
		{"other case, not ASCII", []string{"pässw0rd-é"}, "PÄSSW0RD-É", Masked},
		{"decomposed", []string{"pässw0rd-é"}, "a pa\u0308ssw0rd-e\u0301", "a " + Masked},
		{"ISO 8859-1", []string{"pässw0rd-é"}, "p\xe4ssw0rd-\xe9, p%E4ssw0rd-%e9, p\\xe4ssw0rd-\\xe9", Masked + ", " + Masked + ", " + Masked},
		{"UTF-8 read as ISO 8859-1", []string{"pässw0rd-é"}, "pÃ¤ssw0rd-Ã©", Masked},
		{"invisible characters", []string{strong}, "s3cret\u200b-Pass\\u00adword", Masked},
		{"JSON", []string{"a\"<bcdé/ 7\U0001f600"}, `a\"\u003cbcd\u00e9\/ 7\ud83d\uDE00`, Masked},
		{"JSON in JSON", []string{`a"b\c123é`}, `{"m": "x: a\\\"b\\\\c123\\u00e9"}`, `{"m": "x: ` + Masked + `"}`},
		{"JSON in a URL", []string{`a"b\c123é`}, `?m=a%5C%22b%5c%5Cc123%5cu00e9`, "?m=" + Masked},
		{"URL in JSON", []string{`a/b c1234+`}, `%u0061%2fb+c1234\u00252b`, Masked},
		{"URL twice", []string{`a/b c1234+`}, `a%252Fb%2Bc1234%25252b`, Masked},
		{"HTML", []string{`<a&b'c"4567`}, `&lt;a&amp;b&#039;c&quot;4567 &#60;a&#x26;b&apos;c&#X0022;4567`, Masked + " " + Masked},
		{"HTML twice", []string{`<a&b'c"4567`}, `&amp;lt;a&amp;amp;b&amp;#039;c&amp;quot;4567`, Masked},
		{"HTML with leading zeros", []string{"<a&b'c4567"}, `&#0000000000000060;a&#x00000000000026;b'c4567`, Masked},
		{"JavaScript", []string{"s3/cret\u00e9!"}, `s3\x2fcret\u{e9}\x21`, Masked},
		{"C, LDAP", []string{"s3/cret\u00e9!"}, `s3\057cret\303\251! s3\2fcret\c3\a9!`, Masked + " " + Masked},
		{"SQL", []string{"it's-s3cret"}, `it''s-s3cret`, Masked},
		{"secret that looks escaped", []string{`a%41\u0041&amp;`}, `a%41\u0041&amp; a%2541%5Cu0041%26amp;`, Masked + " " + Masked},
		{"after a backslash", []string{"n0where-s3cret"}, `DOMAIN\n0where-s3cret`, `DOMAIN\` + Masked},
		{"before what it would escape", []string{`s3cret-9\`}, `s3cret-9\" `, Masked + `" `},
		{"Basic", []string{strong}, "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("me:"+strong)), "Authorization: Basic " + Masked},
		{"Base64, escaped", []string{strong + "??>>"}, "x: " + url.QueryEscape(base64.StdEncoding.EncodeToString([]byte("~~~"+strong+"??>>"))), "x: " + Masked},
		{"Base64, in lines", []string{strong}, "x: " + strings.Join(strings.SplitAfter(base64.StdEncoding.EncodeToString([]byte("~~~"+strong)), "c"), `\r\n`), "x: " + Masked},
		{"Base64 of Base64", []string{strong}, base64.URLEncoding.EncodeToString([]byte("a " + base64.StdEncoding.EncodeToString([]byte(strong)))), Masked},
		{"hex", []string{strong}, strings.ToUpper(hex.EncodeToString([]byte(strong))) + ".", Masked + "."},
		{"inside hex", []string{strong}, "0x" + hex.EncodeToString([]byte("me:"+strong+"\n")), "0x" + Masked},
		{"cut off", []string{strong}, "you sent s3cret-P", "you sent " + Masked},
		{"cut off at an escape", []string{"s3cret12é"}, `you sent s3cret12\u00`, "you sent " + Masked + `\u00`},
		{"cut off with an ellipsis", []string{strong}, "you sent 's3cret-Pa...', 's3cret-Pas…'", "you sent '" + Masked + "...', '" + Masked + "…'"},
		{"cut off at a long escape", []string{"s3cret12é"}, `you sent s3cret12&#x26;&#x23;&#x78;&#x65`, "you sent " + Masked + "&#x26;&#x23;&#x78;&#x65"},
		{"cut off in quotation marks", []string{"s3cret12é-7"}, `{"m": "s3cret12é", 's3cret12\u00', "x \"s3cret12\"", <p>s3cret12</p>`, `{"m": "` + Masked + `", '` + Masked + `\u00', "x \"` + Masked + `\"", <p>` + Masked + `</p>`},
		{"cut off in Base64", []string{`s3cret12é"7`}, base64.StdEncoding.EncodeToString([]byte(`s3cret12\u0`)), Masked},
		{"username of a pair", []string{"Basic " + base64.StdEncoding.EncodeToString([]byte("monitor1:hunter-22"))}, `no user "monitor1"`, `no user "monitor1"`},
		{"not ASCII, in upper case, by bytes", []string{"s3cret-é"}, `S3CRET-\xc3\x89`, Masked},
		{"cut off in an address", []string{"https://a.test/sessions/5e551on-1d-7"}, `not at "https://a.test/sessions", but at 'https://a.test/sessions/5e551on-1'`, `not at "https://a.test/sessions", but at '` + Masked + `'`},
		{"cut off early", []string{strong}, "you sent s3cret-", "you sent s3cret-"},
		{"escapes next to it", []string{strong}, `%22` + strong + `%22 \n` + strong + `\n &#034;` + strong + `&quot;`, `%22` + Masked + `%22 \n` + Masked + `\n &#034;` + Masked + `&quot;`},

		{"spaces as line breaks", []string{"two words-1"}, "two\r\nwords-1, two\\r\\nwords-1, two\twords-1, two  words-1, two&#10;  words-1, two\u2028words-1", strings.Repeat(Masked+", ", 5) + Masked},
		{"NUL is not a space", []string{"two words-1"}, "two\x00words-1", "two\x00words-1"},

		{"short", []string{"pw-1"}, "you sent pw-1", Withheld},
		{"short, absent", []string{"pw-1"}, "you sent pw-2", "you sent pw-2"},
		{"ordinary word", []string{"password"}, "Invalid username or password", Withheld},
		{"ordinary word, capitalized", []string{"password"}, "Password expired", Withheld},
		{"ordinary words", []string{"INVALID_CREDENTIALS"}, "error: INVALID_CREDENTIALS", Withheld},
		{"part of a longer word", []string{"pass#123"}, "the pass#1234 of", Withheld},
		{"part of a longer word, at its end", []string{"123#pass"}, "é123#pass", Withheld},
		{"part of a longer word, escaped", []string{"pass#123"}, "the pass#123%34", Withheld},
		{"weak in Base64", []string{"password"}, "Basic " + base64.StdEncoding.EncodeToString([]byte("me:password")), "Basic " + Masked},
		{"three characters, alone", []string{"abc"}, "you sent 'abc'", Withheld},
		{"three characters, in a word", []string{"abc"}, "you sent abcd", "you sent abcd"},
		{"a word in another case", []string{"INVALID_credentials1"}, "error: invalid_credentials1", "error: " + Masked},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := NewMasker(setOf(c.secrets...)).Mask(c.text); got != c.want {
				t.Errorf("Mask(%q)\n got %q,\nwant %q", c.text, got, c.want)
			}
		})
	}
}

// encoders encode a text as servers do when they quote it.
var encoders = map[string]func(string) string{
	"plain":             func(s string) string { return s },
	"JSON":              func(s string) string { return jsonOf(s, true) },
	"JSON without HTML": func(s string) string { return jsonOf(s, false) },
	"PHP's json_encode": func(s string) string {
		return eachRune(s, func(r rune) string {
			if r == '/' {
				return `\/`
			}
			return trimQuotes(strconv.QuoteToASCII(string(r)))
		})
	},
	"System.Text.Json": func(s string) string {
		return utf16Escapes(s, " !#$%()*,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_abcdefghijklmnopqrstuvwxyz{|}~")
	},
	"JavaScriptEncoder": func(s string) string {
		return lowerEscapes(utf16Escapes(s, " ,-.0123456789:ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"))
	},
	"Quote":        func(s string) string { return trimQuotes(strconv.Quote(s)) },
	"QuoteToASCII": func(s string) string { return trimQuotes(strconv.QuoteToASCII(s)) },
	"Python's repr": func(s string) string {
		return strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`, "\t", `\t`, "\x01", `\x01`).Replace(s)
	},
	"QueryEscape": url.QueryEscape,
	"PathEscape":  url.PathEscape,
	"HttpUtility": func(s string) string { return lowerEscapes(url.QueryEscape(s)) },
	"percent, all": func(s string) string {
		return eachByte(s, func(b byte) string { return "%" + strconv.FormatUint(uint64(b)|256, 16)[1:] })
	},
	"EscapeString":     html.EscapeString,
	"htmlspecialchars": strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#039;").Replace,
	"entities, all": func(s string) string {
		return eachRune(s, func(r rune) string { return "&#" + strconv.Itoa(int(r)) + ";" })
	},
	"hex entities, all": func(s string) string {
		return eachRune(s, func(r rune) string { return "&#x0" + strconv.FormatInt(int64(r), 16) + ";" })
	},
	"Base64":             func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"Base64, one before": func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte("a" + s)) },
	"Base64, two before": func(s string) string { return base64.RawStdEncoding.EncodeToString([]byte("ab" + s + "cd")) },
	"hex":                func(s string) string { return hex.EncodeToString([]byte(s)) },
	"HEX":                func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) },
	"hex escapes, all": func(s string) string {
		return eachByte(s, func(b byte) string { return `\x` + strconv.FormatUint(uint64(b)|256, 16)[1:] })
	},
	"JavaScript's escape": func(s string) string {
		return strings.ReplaceAll(utf16Escapes(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@*_+-./"), `\u`, "%u")
	},
}

func jsonOf(s string, escapeHTML bool) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(escapeHTML)
	_ = encoder.Encode(s) // a string can always be encoded
	return trimQuotes(strings.TrimSuffix(b.String(), "\n"))
}

func trimQuotes(quoted string) string { return quoted[1 : len(quoted)-1] }

func eachByte(s string, f func(byte) string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteString(f(s[i]))
	}
	return b.String()
}

func eachRune(s string, f func(rune) string) string {
	var b strings.Builder
	for _, r := range s {
		b.WriteString(f(r))
	}
	return b.String()
}

// utf16Escapes escapes all characters but the plain ones, as .NET and Java do.
func utf16Escapes(s, plain string) string {
	return eachRune(s, func(r rune) string {
		if strings.ContainsRune(plain, r) {
			return string(r)
		}
		var b strings.Builder
		for _, unit := range utf16.Encode([]rune{r}) {
			b.WriteString(`\u` + strings.ToUpper(strconv.FormatUint(uint64(unit)|0x10000, 16)[1:]))
		}
		return b.String()
	})
}

var anEscape = regexp.MustCompile(`(%|\\u00)[0-9A-F]{2}`)

// lowerEscapes converts the digits of escapes to lower case, as .NET does.
func lowerEscapes(escaped string) string {
	return anEscape.ReplaceAllStringFunc(escaped, strings.ToLower)
}

// If the password is part of the username, a text with it is withheld, because a mask would
// reveal it.
func TestPasswordLikeUsername(t *testing.T) {
	masker := NewMasker(setOf("Monitor1@lab", "other-s3cret")).Named("monitor1@lab.local")
	for text, want := range map[string]string{
		"no user monitor1@lab.local": Withheld,
		"bad monitor1@lab":           Withheld,
		"bad other-s3cret":           "bad " + Masked,
		"no user":                    "no user",
	} {
		if got := masker.Mask(text); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// A short secret in a name is a coincidence, and so is the beginning of a secret: neither is
// masked.
func TestMaskName(t *testing.T) {
	masker := NewMasker(setOf("monitor", "auditor-9"))
	for name, want := range map[string]string{"monitor": "monitor", "x auditor-9": "x " + Masked, "auditor-99": Withheld, "Auditor": "Auditor"} {
		if got := masker.MaskName(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// A hostile text is masked, cut, or withheld if searching it takes too long.
func TestHostileTexts(t *testing.T) {
	masker := NewMasker(setOf(`\\\\\\\\\\\\`, "aaaaaaaaaaaaaaab", "s3cret-Password"))
	for _, piece := range []string{`\`, `\\\\\\\\\\\\\\\\x`, "%25", "%", "&", "&amp;", "&#", "&#x00", `\u{`, `\u00`, "''", "+", "a", "A\\u0041%41", "4141", "QUFB", "\xff", "é", "=", "%5c", "&#92;", `\134`} {
		text := strings.Repeat(piece, 1<<20/len(piece))
		got := masker.Mask(text)
		if got != Withheld && got != text[:maxText] && !strings.Contains(got, Masked) {
			t.Errorf("%.40q: got %.40q, want it withheld, cut or masked", text, got)
		}
	}
}

// A UUID is searched only for secrets that have only characters of UUIDs.
func TestMaskID(t *testing.T) {
	var set Secrets
	set.Add(secret.New("0f5d1a2b-7c3e-4d5f-8a9b-1c2d3e4f5a6b"), secret.New("ca87-42d4"), secret.New("pass/word-1"))
	m := NewMasker(&set)
	for id, want := range map[string]string{
		"4636e751-aa87-42d4-a7fc-809b31fbbd82": "4636e751-aa87-42d4-a7fc-809b31fbbd82",
		"0F5D1A2B-7C3E-4D5F-8A9B-1C2D3E4F5A6B": Masked,
		"4636e751-CA87-42D4-a7fc-809b31fbbd82": "4636e751-" + Masked + "-a7fc-809b31fbbd82",
		"op-pass%2fword-1":                     "op-" + Masked,
	} {
		if got := m.MaskID(id); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { m.MaskID("4636e751-aa87-42d4-a7fc-809b31fbbd82") }); n != 0 {
		t.Errorf("masking a UUID takes %v allocations, want none", n)
	}
}
