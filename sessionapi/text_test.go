package sessionapi

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// A cleaned text is valid UTF-8 in one line, without invisible characters.
func TestClean(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"plain", "alice@vsphere.local", "alice@vsphere.local"},
		{"empty", "", ""},
		{"not ASCII", "Jürgen Ødegård 管理者", "Jürgen Ødegård 管理者"},
		{"emoji", "ok ✅", "ok ✅"},
		{"spaces around it", "  alice \n", "alice"},
		{"lines", "one\r\ntwo\tthree", "one  two three"},
		{"NUL and DEL", "a\x00b\x7fc", "a b c"},
		{"ANSI colors", "\x1b[31mred\x1b[0m", "[31mred [0m"},
		{"C1 controls", "a\u009b31mb", "a 31mb"},
		{"bidi override", "user\u202etxt.exe", "usertxt.exe"},
		{"bidi isolates", "a\u2066b\u2069c", "abc"},
		{"zero width", "al\u200bi\ufeffce", "alice"},
		{"line separators", "a\u2028b\u2029c", "a b c"},
		{"tag characters", "a\U000e0041b", "ab"},
		{"invalid UTF-8", "a\xff\xfeb", "a\ufffd\ufffdb"},
		{"half a character", "a\xe2\x82", "a\ufffd\ufffd"},
		{"surrogate", "a\xed\xa0\x80", "a\ufffd\ufffd\ufffd"},
		{"of the maximum length", strings.Repeat("a", 20), strings.Repeat("a", 20)},
		{"too long", strings.Repeat("a", 21), strings.Repeat("a", 20) + "…"},
		{"of the maximum length in characters", strings.Repeat("ü", 20), strings.Repeat("ü", 20)},
		{"too long in characters", strings.Repeat("ü", 21), strings.Repeat("ü", 20) + "…"},
		{"a cut after a space", strings.Repeat("a ", 11), strings.Repeat("a ", 10) + "…"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := CleanText(c.text, 20); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func FuzzClean(f *testing.F) {
	for _, seed := range []string{"", "alice", "\x1b[31m", "a\u202eb", "\xff", strings.Repeat("ü", 200), " \u200b "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := CleanText(text, MaxName)
		switch {
		case !utf8.ValidString(got):
			t.Errorf("%q is not UTF-8", got)
		case utf8.RuneCountInString(got) > MaxName+1:
			t.Errorf("%q is too long", got)
		case strings.TrimSpace(got) != got:
			t.Errorf("%q has leading or trailing spaces", got)
		case strings.ContainsFunc(got, func(r rune) bool {
			return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
		}):
			t.Errorf("%q has invisible characters", got)
		case len(text) <= MaxName && CleanText(got, MaxName) != got:
			t.Errorf("%q is not clean yet", got)
		}
	})
}
