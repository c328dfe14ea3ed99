package golden

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// recorder records the failure of a test.
type recorder struct {
	testing.TB
	failure string
}

func (*recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) { r.failure = fmt.Sprintf(format, args...) }

func TestCheck(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("a\nb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	differs := func(line int, got, want string) string {
		return fmt.Sprintf("%s: line %d differs; run go test with -update and read the difference\n got %q\nwant %q", file, line, got, want)
	}
	for text, want := range map[string]string{
		"a\nb\n":    "",
		"a\nc\n":    differs(2, "c\n", "b\n"),
		"a\nb":      differs(2, "b", "b\n"),
		"a\nb\nc\n": differs(3, "c\n", ""),
		"a\n":       differs(2, "", "b\n"),
		"":          differs(1, "", "a\n"),
	} {
		r := &recorder{TB: t}
		Check(r, file, []byte(text))
		if r.failure != want {
			t.Errorf("%q: %s\nwant %s", text, r.failure, want)
		}
	}
}
