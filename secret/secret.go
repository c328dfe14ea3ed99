// Package secret holds passwords and tokens so that they cannot be printed by accident,
// and reads them from their sources. It sends nothing and logs nothing.
package secret

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"go.yaml.in/yaml/v3"
)

// Masked is printed instead of a secret.
const Masked = "<secret>"

// Secret is a password, a token or anything derived from one. However it is printed,
// logged or marshaled, it shows as <secret>; only Reveal returns the text. The text is
// behind a pointer because fmt prints unexported string fields of an outer struct
// without calling their methods.
type Secret struct{ p *string }

// New returns a Secret that holds text.
func New(text string) Secret { return Secret{&text} }

// Reveal returns the text, empty for the zero Secret.
func (s Secret) Reveal() string {
	if s.p == nil {
		return ""
	}
	return *s.p
}

// IsZero reports whether the text is empty.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// Equal reports whether s and other hold the same text.
func (s Secret) Equal(other Secret) bool { return s.Reveal() == other.Reveal() }

// Format implements fmt.Formatter for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Masked) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(Masked) }

// MarshalText implements encoding.TextMarshaler, which JSON, YAML and XML use.
func (s Secret) MarshalText() ([]byte, error) { return []byte(Masked), nil }

// UnmarshalYAML implements yaml.Unmarshaler. Its error never quotes the value.
func (s *Secret) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode {
		return errors.New("must be text")
	}
	*s = New(node.Value)
	return nil
}
