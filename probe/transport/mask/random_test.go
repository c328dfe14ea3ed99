//go:build !race

package mask

// These tests call a pure function thousands of times: the race detector would find
// nothing, and take ten times as long.

import (
	"flag"
	"math/rand/v2"
	"strings"
	"testing"
)

var rounds = flag.Int("rounds", 20_000, "random secrets to mask")

// TestMaskRandomly is FuzzMask with random secrets and texts made of characters that
// encoders and decoders treat specially.
func TestMaskRandomly(t *testing.T) {
	pieces := []string{
		"a", "B", "7", `\`, "%", "&", "'", `"`, "+", " ", "é", "ß", "/", "\U0001f511", "<", "amp;", "quot;", "#39;", "25", "41", "2f", "u0041", "x41",
		"{41}", "n", "\t", "\n", "\xff", "\u200b", "=", "-", "_", "0", ".", ";", "s3cret", "Passw0rd",
	}
	for seed := range uint64(*rounds) {
		random := rand.New(rand.NewPCG(seed, uint64(*rounds)))
		text := func(most int) string {
			var b strings.Builder
			for range 1 + random.IntN(most) {
				b.WriteString(pieces[random.IntN(len(pieces))])
			}
			return b.String()
		}
		secret, before, after := text(30), text(15), text(15)
		if !fit(secret) {
			continue
		}
		quote := before + spell(secret, random) + after
		if masked := NewMasker(setOf(secret)).Mask(quote); shown(masked, secret, 2) {
			t.Fatalf("round %d: %q is shown\n in %q,\nmasked %q", seed, secret, quote, masked)
		}
	}
}

// A password with everything that encoders escape is found in the output of any encoder
// applied to that of any other.
func TestMaskEncoders(t *testing.T) {
	secrets := []string{"p/é\"<'> &+%\\x7f\U0001f511z", "\\\\host\\share%20", "%25%2525&amp;amp;", "a\tb\x01cdefgh", "'''''''''''", `\\\\\\\\\"`}
	for _, secret := range secrets {
		masker := NewMasker(setOf(secret))
		for name, encode := range encoders {
			for again, encodeAgain := range encoders {
				text := encodeAgain("you sent: " + encode(secret) + " (1)")
				if got := masker.Mask(text); got == text {
					t.Errorf("%q by %s, then %s is shown in %q", secret, name, again, text)
				}
			}
		}
	}
}
