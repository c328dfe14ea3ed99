package page

import (
	"slices"
	"testing"
)

// Quoted text is isolated, so that a right-to-left name reverses nothing around it.
func TestSegments(t *testing.T) {
	for text, want := range map[string][]segment{
		`Logged in as "monitor".`:      {{`Logged in as "monitor".`, false}},
		`Logged in as "مدير" (401 X).`: {{`Logged in as "`, false}, {"مدير", true}, {`" (401 X).`, false}},
		`"ä" and "b\"c".`:              {{`"`, false}, {"ä", true}, {`" and "`, false}, {`b\"c`, true}, {`".`, false}},
		`größe "`:                      {{`größe "`, false}},
		"":                             {{"", false}},
	} {
		if got := segments(text); !slices.Equal(got, want) {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}

// Characters that reverse text are replaced; those that scripts need are kept.
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
