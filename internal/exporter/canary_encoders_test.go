//go:build !race

package exporter

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
)

// An encoder encodes a text in another form.
type encoder struct {
	name   string
	encode func(string) string
}

// singles are the encoders that appliances use.
var singles = []encoder{
	{"plain", func(s string) string { return s }},
	{"json", func(s string) string { return quotedJSON(s, true) }},
	{"json without html", func(s string) string { return quotedJSON(s, false) }},
	{"php json", func(s string) string { return strings.ReplaceAll(escapeUTF16(s, `\u%04x`), "/", `\/`) }},
	{"python json", func(s string) string { return escapeUTF16(s, `\u%04x`) }},
	{".net json", func(s string) string {
		return regexp.MustCompile(`[^A-Za-z0-9 ./\\_-]|\\`).ReplaceAllStringFunc(s, func(c string) string {
			var b strings.Builder
			for _, unit := range utf16.Encode([]rune(c)) {
				fmt.Fprintf(&b, `\u%04X`, unit)
			}
			return b.String()
		})
	}},
	{"python repr", strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace},
	{"python bytes", func(s string) string { return escapeBytes(strings.ReplaceAll(s, `\`, `\\`), `\x%02x`) }},
	{"query", url.QueryEscape},
	{"path", url.PathEscape},
	{"lower percent", func(s string) string {
		return regexp.MustCompile(`%..`).ReplaceAllStringFunc(url.QueryEscape(s), strings.ToLower)
	}},
	{"all percent", func(s string) string { return eachByte(s, "%%%02X") }},
	{"html", html.EscapeString},
	{"php html", strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#039;", "é", "&eacute;").Replace},
	{"all entities", func(s string) string {
		var b strings.Builder
		for _, r := range s {
			fmt.Fprintf(&b, "&#x%x;", r)
		}
		return b.String()
	}},
	{"quote", func(s string) string { return inside(strconv.Quote(s)) }},
	{"quote ascii", func(s string) string { return inside(strconv.QuoteToASCII(s)) }},
	{"base64", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }},
	{"base64 at 1", func(s string) string { return base64.URLEncoding.EncodeToString([]byte("u" + s + " is bad")) }},
	{"base64 at 2", func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte("u:" + s + " is bad")) }},
	{"raw base64", func(s string) string { return base64.RawStdEncoding.EncodeToString([]byte("me:" + s)) }},
	{"hex", func(s string) string { return hex.EncodeToString([]byte(s)) }},
	{"HEX", func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte("u:" + s))) }},
	{"upper case", strings.ToUpper},
	{"in two lines", func(s string) string { return strings.ReplaceAll(s, " ", "\r\n") }},
	{"sql", strings.NewReplacer(`'`, `''`, `"`, `""`).Replace},
	{"mixed", func(s string) string {
		ways := []func(string) string{url.QueryEscape, html.EscapeString, func(s string) string { return eachByte(s, `\x%02x`) }, func(s string) string { return quotedJSON(s, true) }}
		var b strings.Builder
		for i, r := range []rune(s) {
			b.WriteString(ways[i%len(ways)](string(r)))
		}
		return b.String()
	}},
}

// allEncoders returns the encoders, alone and chained.
func allEncoders() []encoder {
	all := slices.Clone(singles)
	for _, first := range singles[1:] {
		for _, second := range singles[1:] {
			if second.name == "upper case" {
				continue // its output cannot be decoded as Base64 again
			}
			all = append(all, encoder{first.name + ", " + second.name, func(s string) string { return second.encode(first.encode(s)) }})
		}
	}
	return all
}

func quotedJSON(s string, escapeHTML bool) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(escapeHTML)
	_ = e.Encode(s) // a string can always be encoded
	return inside(strings.TrimSuffix(b.String(), "\n"))
}

func inside(quoted string) string { return quoted[1 : len(quoted)-1] }

func eachByte(s, format string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, format, s[i])
	}
	return b.String()
}

func escapeBytes(s, format string) string {
	var b strings.Builder
	for i := range len(s) {
		if s[i] < 0x80 {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, format, s[i])
		}
	}
	return b.String()
}

func escapeUTF16(s, format string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r < 0x80:
			b.WriteRune(r)
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, format, unit)
			}
		}
	}
	return b.String()
}

// The beginning and the end of each secret. Neither may be shown.
const (
	canaryHead = "c4nary-"
	canaryTail = "-kan4rie"
)

// canaryOf returns a secret of one of two kinds: with all characters that encoders escape,
// or with only letters, digits and hyphens.
func canaryOf(name string, plain bool) string {
	if plain {
		return canaryHead + name + "-0123456789abcdefghijklmnopqrstuvwxyz" + canaryTail
	}
	return canaryHead + name + `/é "<'&%+\ 7` + canaryTail
}

var (
	escapes   = regexp.MustCompile(`%[0-9A-Fa-f]{2}|\\[xX][0-9A-Fa-f]{2}|\\[uU][0-9A-Fa-f]{4}|\\[\\"/']`)
	digitRuns = regexp.MustCompile(`[A-Za-z0-9+/_-]{8,}`)
	hexRuns   = regexp.MustCompile(`[0-9A-Fa-f]{12,}`)
)

// canaryIn decodes a text repeatedly, and returns the surroundings of the first canaryHead or
// canaryTail in it, empty if it has none. depth is how many layers of Base64 or hex are decoded.
func canaryIn(text string, depth int) string {
	for range 5 {
		text = strings.ReplaceAll(text, "<secret>", "\x00")
		for _, part := range []string{canaryHead, canaryTail} {
			if at := strings.Index(strings.ToLower(text), part); at >= 0 {
				lower := strings.ToLower(text)
				return fmt.Sprintf("%q", lower[max(at-60, 0):min(at+80, len(lower))])
			}
		}
		if depth > 0 {
			if where := canaryInDigits(text, depth-1); where != "" {
				return where
			}
		}
		decoded := unescaped(text)
		if decoded == text {
			return ""
		}
		text = decoded
	}
	return ""
}

// unescaped decodes each escape once.
func unescaped(text string) string {
	text = html.UnescapeString(text)
	if strings.ContainsAny(text, `%\`) {
		text = escapes.ReplaceAllStringFunc(text, func(e string) string {
			switch {
			case len(e) == 2:
				return e[1:]
			case len(e) == 6:
				unit, _ := strconv.ParseUint(e[2:], 16, 32)
				return string(rune(unit))
			default:
				value, _ := strconv.ParseUint(e[len(e)-2:], 16, 8)
				return string([]byte{byte(value)})
			}
		})
	}
	return text
}

func canaryInDigits(text string, depth int) string {
	for _, run := range digitRuns.FindAllString(text, -1) {
		run = strings.NewReplacer("-", "+", "_", "/").Replace(run)
		for phase := range 4 {
			digits := run[phase:]
			decoded, _ := base64.RawStdEncoding.DecodeString(digits[:len(digits)/4*4])
			if where := canaryIn(string(decoded), depth); where != "" {
				return where
			}
		}
	}
	for _, run := range hexRuns.FindAllString(text, -1) {
		for phase := range 2 {
			digits := run[phase:]
			decoded, _ := hex.DecodeString(digits[:len(digits)/2*2])
			if where := canaryIn(string(decoded), depth); where != "" {
				return where
			}
		}
	}
	return ""
}

// The search finds a secret in the output of each encoder and of each pair of encoders.
func TestCanaryIn(t *testing.T) {
	for _, e := range allEncoders() {
		for _, plain := range []bool{false, true} {
			if text := `{"m": "` + e.encode(canaryOf("x", plain)) + `"}`; canaryIn(text, 2) == "" {
				t.Errorf("%s: not found in %s", e.name, text)
			}
		}
	}
	if where := canaryIn("nothing: 0123456789abcdef <secret>", 2); where != "" {
		t.Error(where)
	}
}
