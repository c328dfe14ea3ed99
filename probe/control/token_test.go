package control

import (
	"regexp"
	"testing"

	"session_exporter/secret"
)

// A server cannot distinguish an impossible token from a real one before it looks it up.
func TestImpossibleTokenHasTheShapeOfTheRealOne(t *testing.T) {
	for token, shape := range map[string]string{
		"b00db39f948d13ea1e59b4d6fce56389":     `^[0-9a-f]{32}$`,
		"8F7BD3E0-7C2E-4B0A-9A76-1C7E1B0F3C11": `^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$`,
		"hvs.CAESIJlWh8Zq3_x-Yz0123456789abcd": `^[a-z]{3}\.[A-Za-z0-9]{13}_[a-z]-[A-Z][a-z][0-9]{10}[a-z]{4}$`,
		"0123456789012345\tabcdef0123456789":   `^[0-9]{16}\t[a-f]{6}[0-9]{10}$`,
		"dG9rZW4rd2l0aC9zbGFzaGVz/+8=":         `^[A-Za-z0-9]{24}/\+[0-9]=$`,
	} {
		seen := make(map[string]bool)
		for range 20 {
			impossible := ImpossibleToken(secret.New(token)).Reveal()
			if !regexp.MustCompile(shape).MatchString(impossible) || impossible == token || seen[impossible] {
				t.Errorf("%q from %q, want a new one that matches %s", impossible, token, shape)
			}
			seen[impossible] = true
		}
	}
}

// A token with too few letters and digits has no impossible token: a random one might be
// the token of another session.
func TestShortTokensHaveNoImpossibleToken(t *testing.T) {
	for _, token := range []string{"", "17", "0123456789abcde", "----------------------", "日本語日本語日本語日本語日本語"} {
		if impossible := ImpossibleToken(secret.New(token)); !impossible.IsZero() {
			t.Errorf("%q from %q, want none", impossible.Reveal(), token)
		}
	}
}

// All characters of a class occur.
func TestPick(t *testing.T) {
	for _, class := range []string{digits, lower, upper, lower[:hexCount]} {
		seen := make(map[byte]bool)
		for range 2000 {
			seen[pick(class)] = true
		}
		if len(seen) != len(class) {
			t.Errorf("only %d of the characters %q occur", len(seen), class)
		}
	}
}
