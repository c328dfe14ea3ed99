package rotation

import (
	"fmt"
	"testing"

	"session_exporter/secret"
)

// Tokens of different clients or servers are kept apart, even if they are equal.
func TestTokensAreSeparate(t *testing.T) {
	var r Registry
	token := r.Token("a", "http://sso.test", secret.New("t"))
	token.Replace(secret.New("next"))
	for _, other := range []*Token{r.Token("b", "http://sso.test", secret.New("t")), r.Token("a", "http://other.test", secret.New("t")), r.Token("a", "http://sso.test", secret.New("u"))} {
		if _, at := other.Latest(); !at.IsZero() {
			t.Error("the token of another client, of another server or with another value was replaced")
		}
	}
	if latest, _ := r.Token("a", "http://sso.test", secret.New("t")).Latest(); latest.Reveal() != "next" {
		t.Errorf("the replacement is %q, want next", latest.Reveal())
	}
}

// The number of remembered tokens is limited, and the token in use is not evicted.
func TestRegistryIsLimited(t *testing.T) {
	var r Registry
	r.Token("a", "", secret.New("in use")).Replace(secret.New("next"))
	for i := range maxTokens + 100 {
		r.Token("a", "", secret.New(fmt.Sprint(i)))
		r.Token("a", "", secret.New("in use"))
	}
	if _, at := r.Token("a", "", secret.New("in use")).Latest(); at.IsZero() || len(r.tokens) > maxTokens {
		t.Errorf("%d tokens, want at most %d; the one in use was replaced at %s", len(r.tokens), maxTokens, at)
	}
}
