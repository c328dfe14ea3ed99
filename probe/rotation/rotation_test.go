package rotation

import (
	"fmt"
	"testing"

	"session_exporter/secret"
)

// Tokens of other clients and servers are other tokens, even if they are equal.
func TestTokensAreSeparate(t *testing.T) {
	var r Registry
	token := r.Token("a", "http://sso.test", secret.New("t"))
	token.Replace(secret.New("next"))
	for _, other := range []*Token{r.Token("b", "http://sso.test", secret.New("t")), r.Token("a", "http://other.test", secret.New("t")), r.Token("a", "http://sso.test", secret.New("u"))} {
		if _, at := other.Latest(); !at.IsZero() {
			t.Error("replaced")
		}
	}
	if latest, _ := r.Token("a", "http://sso.test", secret.New("t")).Latest(); latest.Reveal() != "next" {
		t.Error("the replacement is forgotten")
	}
}

// A file that changes all the time does not fill the memory, and the token in use stays.
func TestRegistryIsLimited(t *testing.T) {
	var r Registry
	r.Token("a", "", secret.New("in use")).Replace(secret.New("next"))
	for i := range maxTokens + 100 {
		r.Token("a", "", secret.New(fmt.Sprint(i)))
		r.Token("a", "", secret.New("in use"))
	}
	if _, at := r.Token("a", "", secret.New("in use")).Latest(); at.IsZero() || len(r.tokens) > maxTokens {
		t.Errorf("%d tokens, replaced at %s", len(r.tokens), at)
	}
}
