package page

import (
	"slices"
	"testing"
)

// Quoted text is isolated, so that a right-to-left name does not reverse the text around it.
// Keys of the configuration are code, but backticks within quoted text are not.
func TestSegments(t *testing.T) {
	plain := func(text string) segment { return segment{Text: text} }
	foreign := func(text string) segment { return segment{Text: text, Foreign: true} }
	code := func(text string) segment { return segment{Text: text, Code: true} }
	for text, want := range map[string][]segment{
		`Logged in as "monitor".`:      {plain(`Logged in as "monitor".`)},
		`Logged in as "مدير" (401 X).`: {plain(`Logged in as "`), foreign("مدير"), plain(`" (401 X).`)},
		`"ä" and "b\"c".`:              {plain(`"`), foreign("ä"), plain(`" and "`), foreign(`b\"c`), plain(`".`)},
		`größe "`:                      {plain(`größe "`)},
		"Set `timeout` of \"`a`\".":    {plain("Set "), code("timeout"), plain(" of \"`a`\".")},
		"`ä` and \"`ä\" `":             {plain(""), code("ä"), plain(" and \""), foreign("`ä"), plain("\" `")},
		"":                             {plain("")},
	} {
		if got := segments(text); !slices.Equal(got, want) {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}

// Characters that change the direction of text are replaced. Those that a writing system needs
// are kept.
func TestShown(t *testing.T) {
	for text, want := range map[string]string{
		"plain": "plain", "موقع": "موقع", "می\u200cخواهم": "می\u200cخواهم",
		"a\u202eb": "a\ufffdb", "\u2066a\u2069": "\ufffda\ufffd", "a\u200fb\u061c": "a\ufffdb\ufffd",
	} {
		if got := shown(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
