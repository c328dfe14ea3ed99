package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// masked stands wherever a secret would have been printed.
const masked = "<secret>"

// Secret is a password, a token or anything made of one. However it is
// printed, logged or marshalled, it shows as <secret>; only Reveal gives the
// text. The text is behind a pointer because fmt prints unexported string
// fields of an outer struct without asking their methods.
type Secret struct{ p *string }

// NewSecret hides text.
func NewSecret(text string) Secret { return Secret{&text} }

// Reveal returns the text, empty for the zero Secret.
func (s Secret) Reveal() string {
	if s.p == nil {
		return ""
	}
	return *s.p
}

// IsZero reports whether there is no text.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// Equal reports whether both hide the same text.
func (s Secret) Equal(other Secret) bool { return s.Reveal() == other.Reveal() }

// Format implements fmt.Formatter for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, masked) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(masked) }

// MarshalText implements encoding.TextMarshaler, for JSON among others.
func (s Secret) MarshalText() ([]byte, error) { return []byte(masked), nil }

// MarshalYAML implements yaml.Marshaler.
func (s Secret) MarshalYAML() (any, error) { return masked, nil }

// UnmarshalYAML implements yaml.Unmarshaler. Its error never quotes the value.
func (s *Secret) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode {
		return errors.New("must be text")
	}
	*s = NewSecret(node.Value)
	return nil
}

// ErrSecretEmpty is what reading an empty secret gives.
var ErrSecretEmpty = errors.New("it is empty")

// SecretSource is where a secret comes from: the configuration itself, a file
// or the environment. It has exactly one of them.
type SecretSource struct {
	Inline Secret
	File   string
	Env    string
}

// byteOrderMark is what editors of Windows begin files with, as UTF-8.
const byteOrderMark = "\ufeff"

// Read returns the secret as it is now, or an error that names its source. A
// file's byte order mark and trailing line ends are not part of the secret. One of
// nothing but spaces is empty.
func (s SecretSource) Read() (Secret, error) {
	var text string
	switch {
	case s.File != "":
		content, err := ReadFile(s.File)
		if err != nil {
			return Secret{}, fmt.Errorf("reading the secret from %s: %w", s, unwrapPath(err))
		}
		text = strings.TrimPrefix(strings.TrimRight(string(content), "\r\n"), byteOrderMark)
	case s.Env != "":
		text = os.Getenv(s.Env)
	default:
		text = s.Inline.Reveal()
	}
	if strings.TrimSpace(text) == "" {
		return Secret{}, fmt.Errorf("reading the secret from %s: %w", s, ErrSecretEmpty)
	}
	return NewSecret(text), nil
}

// Changed returns when the secret last changed, as far as its source tells:
// a file's modification time, else zero.
func (s SecretSource) Changed() time.Time {
	if s.File == "" {
		return time.Time{}
	}
	info, err := stat(s.File)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// String names the source, never the secret.
func (s SecretSource) String() string {
	switch {
	case s.File != "":
		return fmt.Sprintf("file %q", s.File)
	case s.Env != "":
		return "environment variable " + s.Env
	default:
		return "the configuration"
	}
}

// unwrapPath takes the operation and path off a file error whose message will
// name the path itself.
func unwrapPath(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}
