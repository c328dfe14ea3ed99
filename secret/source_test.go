package secret_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"session_exporter/internal/boundedfile"
	"session_exporter/secret"
)

func TestSecretSourceRead(t *testing.T) {
	for _, c := range []struct {
		name, content, want string
		err                 string
	}{
		{name: "no newline", content: "a", want: "a"},
		{name: "newline", content: "a\n", want: "a"},
		{name: "carriage return", content: "a\r\n", want: "a"},
		{name: "several", content: "a\n\r\n\n", want: "a"},
		{name: "spaces", content: " a \n", want: " a "},
		{name: "byte order mark", content: "\ufeffa\r\n", want: "a"},
		{name: "empty", content: "", err: "it is empty"},
		{name: "only newlines", content: "\r\n\n", err: "it is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := secret.Source{File: file}.Read()
			if c.err != "" {
				if want := `reading the secret from file "` + file + `": ` + c.err; err == nil || err.Error() != want || !errors.Is(err, secret.ErrEmpty) {
					t.Fatalf("error is %v, want %s", err, want)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if got.Reveal() != c.want {
				t.Errorf("got %q, want %q", got.Reveal(), c.want)
			}
		})
	}
}

func TestSecretSourceWithoutFile(t *testing.T) {
	t.Setenv("CONFIG_TEST_PASSWORD", "b\r\n")
	t.Setenv("CONFIG_TEST_EMPTY", "")
	for _, c := range []struct {
		name   string
		source secret.Source
		want   string
		err    string
	}{
		{name: "inline", source: secret.Source{Inline: secret.New("a\n")}, want: "a"},
		{name: "inline, carriage return", source: secret.Source{Inline: secret.New("a\r\n\n")}, want: "a"},
		{name: "environment", source: secret.Source{Env: "CONFIG_TEST_PASSWORD"}, want: "b"},
		{name: "empty inline", source: secret.Source{Inline: secret.New("")}, err: "reading the secret from the configuration: it is empty"},
		{name: "nothing", err: "reading the secret from the configuration: it is empty"},
		{
			name: "empty environment", source: secret.Source{Env: "CONFIG_TEST_EMPTY"},
			err: "reading the secret from environment variable CONFIG_TEST_EMPTY: it is empty",
		},
		{
			name: "unset environment", source: secret.Source{Env: "CONFIG_TEST_UNSET"},
			err: "reading the secret from environment variable CONFIG_TEST_UNSET: it is empty",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.source.Read()
			switch {
			case c.err == "" && err != nil:
				t.Fatal(err)
			case c.err != "" && (err == nil || err.Error() != c.err || !errors.Is(err, secret.ErrEmpty)):
				t.Fatalf("error is %v, want %s", err, c.err)
			case got.Reveal() != c.want:
				t.Errorf("got %q, want %q", got.Reveal(), c.want)
			}
			if !c.source.ModTime().IsZero() {
				t.Error("ModTime is not zero")
			}
		})
	}
}

// A note below the password, such as "rotated in May", is rejected.
func TestSecretOfSeveralLines(t *testing.T) {
	const text = "pw-1\nrotated in May\n"
	file := filepath.Join(t.TempDir(), "secret")
	t.Setenv("CONFIG_TEST_LINES", "pw-1\r\nrotated in May")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, source := range []secret.Source{{File: file}, {Env: "CONFIG_TEST_LINES"}} {
		got, err := source.Read()
		if want := "reading the secret from " + source.String() + ": it has more than one line; leave only the secret, on the first line"; err == nil || err.Error() != want || !got.IsZero() {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
	if got, err := (secret.Source{File: file, Lines: true}).Read(); err != nil || got.Reveal() != strings.TrimSuffix(text, "\n") {
		t.Errorf("a key in PEM format: %v", err)
	}
}

// After a reload, the same source holds the same text at another address in memory.
func TestSameSource(t *testing.T) {
	inline := func(text string) secret.Source { return secret.Source{Inline: secret.New(text)} }
	if !inline("a").Same(inline("a")) || !secret.FromFile("f", new(boundedfile.Reader)).Same(secret.Source{File: "f"}) {
		t.Error("the same source differs")
	}
	for _, other := range []secret.Source{inline("b"), {File: "a"}, {Env: "a"}, {}} {
		if inline("a").Same(other) {
			t.Errorf("the inline source a is the same as another source (%s)", other)
		}
	}
}

// check-config must not accept a secret that the exporter refuses to send.
func TestSecretThatIsNotText(t *testing.T) {
	for content, want := range map[string]string{
		"pw\x00-1\n":         "it contains a NUL character",
		"pw-\xff\n":          "it is not UTF-8",
		"\xff\xfep\x00w\x00": "it is not UTF-8", // UTF-16
		"\xff\xfe\n\x00":     "it is not UTF-8", // and has more than one line
	} {
		source := secret.Source{File: filepath.Join(t.TempDir(), "secret")}
		if err := os.WriteFile(source.File, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := source.Read()
		if want := "reading the secret from " + source.String() + ": " + want; err == nil || err.Error() != want || !got.IsZero() {
			t.Errorf("%q: error is %v, want %s", content, err, want)
		}
	}
}

func TestSecretSourceVanished(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	source := secret.Source{File: file}
	if err := os.WriteFile(file, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	changed := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := os.Chtimes(file, time.Time{}, changed); err != nil {
		t.Fatal(err)
	}
	if got := source.ModTime(); !got.Equal(changed) {
		t.Errorf("changed %v, want %v", got, changed)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	got, err := source.Read()
	if want := `reading the secret from file "` + file + `": no such file or directory`; err == nil || err.Error() != want || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v, want %s", err, want)
	}
	if !got.IsZero() || !source.ModTime().IsZero() {
		t.Errorf("a vanished file still has a secret, or the modification time %v", source.ModTime())
	}
}
