package control

import (
	"crypto/rand"

	"session_exporter/secret"
)

// minRandom is the minimum number of random characters of an impossible token: a shorter
// one might be the token of another session. The chance of guessing 16 digits is 1 in 10^16.
const minRandom = 16

// The classes of characters. A token that has only hexadecimal letters gets only those: many
// servers reject a malformed token before they look it up.
const (
	digits   = "0123456789"
	lower    = "abcdefghijklmnopqrstuvwxyz"
	upper    = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	hexCount = 6 // the number of hexadecimal letters, the first ones of each case
)

// ImpossibleToken returns a random token in the shape of a real one: each letter and digit is
// replaced by a random one of its class, and all other characters stay. The token is zero if
// the real one is too short. It reveals nothing about the real one except its shape.
func ImpossibleToken(token secret.Secret) secret.Secret {
	shape := token.Reveal()
	classes := classesOf(shape)
	text := []byte(shape)
	random := 0
	for i := range text {
		if class := classes(text[i]); class != "" {
			text[i] = pick(class)
			random++
		}
	}
	impossible := secret.New(string(text))
	if random < minRandom || impossible.Equal(token) {
		return secret.Secret{}
	}
	return impossible
}

// classesOf returns a function that returns the class of a character of a token, empty for a
// character that stays.
func classesOf(token string) func(c byte) string {
	hex := hexCount
	for i := range len(token) {
		if c := token[i] | 0x20; 'a'+hexCount <= c && c <= 'z' {
			hex = len(lower)
		}
	}
	return func(c byte) string {
		switch {
		case '0' <= c && c <= '9':
			return digits
		case 'a' <= c && c <= 'z':
			return lower[:hex]
		case 'A' <= c && c <= 'Z':
			return upper[:hex]
		default:
			return ""
		}
	}
}

// pick returns a random character of a class.
func pick(class string) byte {
	limit := byte(255 / len(class) * len(class)) // below it, all characters are equally likely
	for random := []byte{0}; ; {
		_, _ = rand.Read(random) // never fails
		if random[0] < limit {
			return class[int(random[0])%len(class)]
		}
	}
}
