package mask

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"maps"
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// maxFuzzed limits the input of the fuzz targets, in bytes.
const maxFuzzed = 100

var encoderNames = slices.Sorted(maps.Keys(encoders))

// FuzzMask encodes a secret at random, with one or two encoders, as a whole or
// character by character, and checks that no decoder finds it in the masked text.
func FuzzMask(f *testing.F) {
	f.Add("s3cret-Password", "you sent: ", " (1)", uint64(0))
	f.Add("p/é\"<'> &+%\\x7f\U0001f511z", `{"m": "`, `"}`, uint64(1))
	f.Add(`C:\new\share\u0041`, `\`, `n`, uint64(2))
	f.Add("%41%2541&amp;amp;", "%", "25", uint64(3))
	f.Add("password", "Invalid username or ", ".", uint64(4))
	f.Add("''\"\"++", "'", "'", uint64(5))
	f.Add("004%", "%", "ww5", uint64(255)) // the hex after the first sign looks like an escape
	f.Fuzz(func(t *testing.T, secret, before, after string, seed uint64) {
		if !fit(secret) || len(secret)+len(before)+len(after) > maxFuzzed {
			t.Skip() // longer texts are slower and find nothing more
		}
		random := rand.New(rand.NewPCG(seed, 0))
		text := before + spell(secret, random) + after
		masked := NewMasker(setOf(secret)).Mask(text)
		if shown(masked, secret, 2) {
			t.Errorf("%q is shown\n in %q,\nmasked %q", secret, text, masked)
		}
	})
}

// A secret of at most this many bytes and backslashes never exceeds the limit of steps,
// unless it repeats itself.
const (
	maxPlain       = 64
	maxBackslashes = 4
)

// FuzzEncoders is FuzzMask without surrounding words, for the output of single encoders:
// nothing of the secret may remain, and the text is withheld only if the secret is weak,
// long or repetitive.
func FuzzEncoders(f *testing.F) {
	f.Add("s3cret-Password", uint8(0))
	f.Add("p/é\"<'> &+%\\x7f\U0001f511z", uint8(1))
	f.Fuzz(func(t *testing.T, secret string, which uint8) {
		if !fit(secret) || len(secret) > maxFuzzed {
			t.Skip()
		}
		name := encoderNames[int(which)%len(encoderNames)]
		weak := slices.ContainsFunc(needles(plainParts(secret)), func(n needle) bool { return n.weak })
		got := NewMasker(setOf(secret)).Mask("- " + encoders[name](secret) + " -")
		if got != Withheld && got != "- "+Masked+" -" {
			t.Errorf("%q by %s is masked as %q, want nothing else to remain", secret, name, got)
		}
		// A long secret that repeats itself may exceed the limit of steps, and one with
		// many backslashes has more readings than a position may have edges.
		plain := longestRun(secret) < 4 && len(secret) <= maxPlain && strings.Count(secret, `\`) <= maxBackslashes
		if got == Withheld && !weak && plain {
			t.Errorf("%q by %s is withheld", secret, name)
		}
	})
}

// FuzzDecode checks the limits of the lattice of random texts, and that a secret that a decoder
// finds in a text is masked.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`\u00e9\x41\101\U0001f511\ud83d\udd11\u{1f511}\n`, "%41%u0041%C3%A9", "&quot;&#34;&#x22;&amp;quot;", "YWxpY2U=", "61 6c", `\\\\\\`, "''", "\xff\u200b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 2*maxFuzzed {
			t.Skip()
		}
		work := 1<<20 + 64*len(text)
		l := newLattice(text, false, true, &work)
		for i := range len(text) {
			count := 0
			for e := l.at(i); e != nil; e = l.after(e) {
				if int(e.end) <= i || int(e.end) > len(text) || e.n > utf8.UTFMax {
					t.Fatalf("%q: an edge from %d to %d, %q", text, i, e.end, e.spells())
				}
				count++
			}
			if count > maxEdges {
				t.Fatalf("%q: %d edges at %d", text, count, i)
			}
		}
		for decoder, decode := range decoders {
			decoded := decode(text)
			if decoded == text || !fit(decoded) || work <= 0 {
				continue
			}
			// The output of a decoder must be found in its input.
			if got := NewMasker(setOf(decoded)).Mask(text); shown(got, decoded, 1) {
				t.Errorf("%q is %q by %s, masked %q", text, decoded, decoder, got)
			}
		}
	})
}

// fit reports whether a text is usable as a secret and is not part of the mask.
func fit(secret string) bool {
	folded := strings.ToLower(secret)
	return utf8.ValidString(secret) && len(secret) >= minPart && len(secret) <= 200 && !strings.Contains(secret, "\x00") &&
		!strings.Contains(strings.ToLower(Withheld+Masked+Masked+Masked), folded) && strings.TrimSpace(secret) == secret &&
		!strings.ContainsRune(secret, utf8.RuneError)
}

func longestRun(text string) int {
	longest, run := 0, 0
	for i := range len(text) {
		run++
		if i == 0 || text[i] != text[i-1] {
			run = 1
		}
		longest = max(longest, run)
	}
	return longest
}

// spell encodes a secret at random.
func spell(secret string, random *rand.Rand) string {
	encode := func(text string) string { return encoders[encoderNames[random.IntN(len(encoderNames))]](text) }
	switch random.IntN(3) {
	case 0:
		return encode(secret)
	case 1:
		return encode(encode(secret))
	default:
		return eachRune(secret, func(r rune) string { return encodeRune(r, random) })
	}
}

// encodeRune encodes a single character at random, with one or two encoders.
func encodeRune(r rune, random *rand.Rand) string {
	ways := []string{
		jsonOf(string(r), true), url.QueryEscape(string(r)), html.EscapeString(string(r)), trimQuotes(strconv.QuoteToASCII(string(r))),
		"&#" + strconv.Itoa(int(r)) + ";", eachByte(string(r), func(b byte) string { return "%" + strconv.FormatUint(uint64(b)|256, 16)[1:] }),
		`\u{` + strconv.FormatInt(int64(r), 16) + "}",
	}
	one := ways[random.IntN(len(ways))]
	if random.IntN(2) == 0 {
		return one
	}
	return []func(string) string{
		func(s string) string { return jsonOf(s, true) }, url.QueryEscape, html.EscapeString,
	}[random.IntN(3)](one)
}

// shown reports whether a masked text contains a secret after at most depth decodings.
func shown(masked, secret string, depth int) bool {
	return decodes(strings.ReplaceAll(masked, Masked, "\x00"), secret, depth)
}

func decodes(text, secret string, depth int) bool {
	if strings.Contains(text, secret) {
		return true
	}
	if depth == 0 {
		return false
	}
	for _, decode := range decoders {
		if decoded := decode(text); decoded != text && decodes(decoded, secret, depth-1) {
			return true
		}
	}
	return false
}

var (
	overflowing = regexp.MustCompile(`&#[xX]?0*[1-9a-fA-F][0-9a-fA-F]{7}`)
	percents    = regexp.MustCompile(`(%[0-9A-Fa-f]{2})+`)
	jsonEscape  = regexp.MustCompile(`(\\u[0-9A-Fa-f]{4})+|\\["\\/bfnrt]`)
	goEscape    = regexp.MustCompile(`(\\x[0-9A-Fa-f]{2})+|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8}|\\["\\abfnrtv]`)
	base64Runs  = regexp.MustCompile(`[A-Za-z0-9+/_-]{8,}`)
	hexRuns     = regexp.MustCompile(`[A-Fa-f0-9]{8,}`)
)

// decoders decode all that they can in a text.
var decoders = map[string]func(string) string{
	"HTML": func(s string) string {
		if overflowing.MatchString(s) {
			return s // package html keeps the low bits where a browser shows U+FFFD
		}
		return html.UnescapeString(s)
	},
	"URL": func(s string) string { return percents.ReplaceAllStringFunc(s, unescaped) },
	"form": func(s string) string {
		return percents.ReplaceAllStringFunc(strings.ReplaceAll(s, "+", " "), unescaped)
	},
	"JSON": func(s string) string {
		return jsonEscape.ReplaceAllStringFunc(s, func(escaped string) string {
			var decoded string
			if json.Unmarshal([]byte(`"`+escaped+`"`), &decoded) != nil {
				return escaped
			}
			return decoded
		})
	},
	"Go": func(s string) string {
		return goEscape.ReplaceAllStringFunc(s, func(escaped string) string {
			decoded, err := strconv.Unquote(`"` + escaped + `"`)
			if err != nil {
				return escaped
			}
			return decoded
		})
	},
	"Base64": func(s string) string {
		return base64Runs.ReplaceAllStringFunc(s, func(run string) string {
			all := ""
			run = strings.NewReplacer("-", "+", "_", "/").Replace(run)
			for phase := range 4 {
				digits := run[phase:]
				decoded, _ := base64.RawStdEncoding.DecodeString(digits[:len(digits)/4*4])
				rest, _ := base64.RawStdEncoding.DecodeString(digits[len(digits)/4*4:])
				all += string(decoded) + string(rest) + "\x00"
			}
			return all
		})
	},
	"hex": func(s string) string {
		return hexRuns.ReplaceAllStringFunc(s, func(run string) string {
			even, _ := hex.DecodeString(run[:len(run)/2*2])
			odd, _ := hex.DecodeString(run[1 : 1+(len(run)-1)/2*2])
			return string(even) + "\x00" + string(odd)
		})
	},
}

func unescaped(escaped string) string {
	decoded, err := url.PathUnescape(escaped)
	if err != nil {
		return escaped
	}
	return decoded
}
