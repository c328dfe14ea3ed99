package report

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCut(t *testing.T) {
	for _, tc := range []struct {
		text  string
		width int
		want  string
	}{
		{"hcx-site-a", 10, "hcx-site-a"},
		{"hcx-site-a", 9, "hcx-site…"},
		{"hcx-site-a", 1, "…"},
		{"", 5, ""},
		{"東京都", 6, "東京都"},
		{"東京都", 5, "東京…"},
		{"東京都", 4, "東…"}, // half of a wide character does not fit
		{"Zu\u0308rich", 6, "Zu\u0308rich"},
		{"Zu\u0308rich", 3, "Zu\u0308…"},
		{"ｶﾅ", 2, "ｶﾅ"}, // half width
		{"🚀🚀", 3, "🚀…"},
	} {
		got := cut(tc.text, tc.width)
		if got != tc.want || columns(got) > tc.width {
			t.Errorf("cut(%q, %d) = %q, %d columns; want %q", tc.text, tc.width, got, columns(got), tc.want)
		}
	}
}

// TestTableFits checks that no line wraps on terminals with at least 51 columns, the width of
// the narrowest table with these results.
func TestTableFits(t *testing.T) {
	for width := 1; width < 200; width++ {
		for line := range strings.Lines(style{width: width}.table(mixed())) {
			if got := columns(strings.TrimSuffix(line, "\n")); got > max(width, 51) {
				t.Errorf("%d columns on a terminal of %d: %q", got, width, line)
			}
		}
	}
}

// TestStyleWithoutTerminal checks that a file and a buffer are never treated as terminals.
func TestStyleWithoutTerminal(t *testing.T) {
	t.Setenv("TERM", "xterm-256color")
	t.Setenv("NO_COLOR", "")
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	for color, want := range map[string]style{"auto": {}, "never": {}, "always": {colors: true}} {
		if a, b := styleFor(file, color), styleFor(&bytes.Buffer{}, color); a != want || b != want {
			t.Errorf("%s: %+v and %+v, want %+v", color, a, b, want)
		}
	}
}
