package secret

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"session_exporter/internal/boundedfile"
)

// Source is where a secret comes from: the configuration itself, a file or the
// environment. Only one of Inline, File and Env is set; none is in the zero Source.
type Source struct {
	Inline Secret
	File   string
	Env    string
	// Typed is set if Inline was typed at a prompt.
	Typed bool
	// Lines is set if the secret may have several lines, as a key in PEM format has.
	Lines bool

	files *boundedfile.Reader // reads File; nil is fine for a single read
}

var (
	// ErrEmpty is returned for a secret that is empty or only spaces.
	ErrEmpty = errors.New("it is empty")
	errLines = errors.New("it has more than one line; leave only the secret, on the first line")
	// A secret with one of these problems could not be sent unchanged.
	errEncoding = errors.New("it is not UTF-8")
	errNUL      = errors.New("it contains a NUL character")
)

// lineEnds are the characters that end a line.
const lineEnds = "\r\n"

// Read returns the current secret, or an error that names its source. Trailing line
// ends and a file's byte order mark are not part of the secret. A secret that consists
// of spaces is empty. A file or variable with several lines is an error unless Lines is
// set, because the lines after the first are probably a note.
func (s Source) Read() (Secret, error) {
	text, err := s.text()
	if err == nil {
		text = strings.TrimRight(text, lineEnds)
		err = s.check(text)
	}
	if err != nil {
		return Secret{}, fmt.Errorf("reading the secret from %s: %w", s, err)
	}
	return New(text), nil
}

func (s Source) text() (string, error) {
	switch {
	case s.File != "":
		return s.readFile()
	case s.Env != "":
		return os.Getenv(s.Env), nil
	default:
		return s.Inline.Reveal(), nil
	}
}

func (s Source) check(text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return ErrEmpty
	case !utf8.ValidString(text):
		return errEncoding
	case strings.Contains(text, "\x00"):
		return errNUL
	case !s.Lines && s.Inline.IsZero() && strings.ContainsAny(text, lineEnds):
		return errLines
	}
	return nil
}

// Same reports whether s and other are the same source.
func (s Source) Same(other Source) bool {
	return s.File == other.File && s.Env == other.Env && s.Inline.Equal(other.Inline)
}

// CredentialsVariable is the environment variable with the directory of a service's
// credentials (systemd.exec(5)).
const CredentialsVariable = "CREDENTIALS_DIRECTORY"

// credentialsRoot has systemd's copies of the credentials of system services.
const credentialsRoot = "/run/credentials/"

// IsCopy reports whether File is the copy of a credential that systemd makes when a service
// starts. A change of the original has no effect until then.
func (s Source) IsCopy() bool {
	own := os.Getenv(CredentialsVariable) // of a user's service, elsewhere
	return strings.HasPrefix(s.File, credentialsRoot) || own != "" && strings.HasPrefix(s.File, own+"/")
}

// String names the source, never the secret.
func (s Source) String() string {
	switch {
	case s.File != "":
		return fmt.Sprintf("file %q", s.File)
	case s.Env != "":
		return "environment variable " + s.Env
	case s.Typed:
		return "the prompt"
	default:
		return "the configuration"
	}
}
