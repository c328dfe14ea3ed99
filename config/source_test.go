package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"session_exporter/config"
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
		{name: "inner", content: "a\nb\r\nc\n", want: "a\nb\r\nc"},
		{name: "spaces", content: "\n a \n", want: "\n a "},
		{name: "no text", content: "a\x00\xff", want: "a\x00\xff"},
		{name: "empty", content: "", err: "it is empty"},
		{name: "only newlines", content: "\r\n\n", err: "it is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := config.SecretSource{File: file}.Read()
			if c.err != "" {
				if want := `reading the secret from file "` + file + `": ` + c.err; err == nil || err.Error() != want || !errors.Is(err, config.ErrSecretEmpty) {
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

func TestSecretSourceElsewhere(t *testing.T) {
	t.Setenv("CONFIG_TEST_PASSWORD", "b\n")
	t.Setenv("CONFIG_TEST_EMPTY", "")
	for _, c := range []struct {
		name   string
		source config.SecretSource
		want   string
		err    string
	}{
		{name: "inline", source: inline("a\n"), want: "a\n"},
		{name: "environment", source: config.SecretSource{Env: "CONFIG_TEST_PASSWORD"}, want: "b\n"},
		{name: "empty inline", source: inline(""), err: "reading the secret from the configuration: it is empty"},
		{name: "nothing", err: "reading the secret from the configuration: it is empty"},
		{
			name: "empty environment", source: config.SecretSource{Env: "CONFIG_TEST_EMPTY"},
			err: "reading the secret from environment variable CONFIG_TEST_EMPTY: it is empty",
		},
		{
			name: "unset environment", source: config.SecretSource{Env: "CONFIG_TEST_UNSET"},
			err: "reading the secret from environment variable CONFIG_TEST_UNSET: it is empty",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.source.Read()
			switch {
			case c.err == "" && err != nil:
				t.Fatal(err)
			case c.err != "" && (err == nil || err.Error() != c.err || !errors.Is(err, config.ErrSecretEmpty)):
				t.Fatalf("error is %v, want %s", err, c.err)
			case got.Reveal() != c.want:
				t.Errorf("got %q, want %q", got.Reveal(), c.want)
			}
			if !c.source.Changed().IsZero() {
				t.Error("it has a time of change")
			}
		})
	}
}

func TestSecretSourceVanished(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	source := config.SecretSource{File: file}
	if err := os.WriteFile(file, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	changed := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := os.Chtimes(file, time.Time{}, changed); err != nil {
		t.Fatal(err)
	}
	if got := source.Changed(); !got.Equal(changed) {
		t.Errorf("changed %v, want %v", got, changed)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	got, err := source.Read()
	if want := `reading the secret from file "` + file + `": no such file or directory`; err == nil || err.Error() != want || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v, want %s", err, want)
	}
	if !got.IsZero() || !source.Changed().IsZero() {
		t.Errorf("a vanished file has a secret, or changed %v", source.Changed())
	}
}
