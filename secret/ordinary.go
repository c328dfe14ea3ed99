package secret

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// minSecret is the minimum length for a literal to be a possible secret.
const minSecret = 4

// MayBeSecret reports whether a literal in a request, or a login option, may be a secret.
// Ordinary words are not.
func MayBeSecret(text string) bool { return len(text) >= minSecret && !Ordinary(text) }

// Ordinary reports whether a text looks like words of a language or a protocol: only
// letters and word separators, each word in lower case, in upper case, or capitalized.
func Ordinary(text string) bool {
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ._-@/:", r) })
	for _, word := range words {
		if strings.ContainsFunc(word, func(r rune) bool { return !unicode.IsLetter(r) }) {
			return false
		}
		_, width := utf8.DecodeRuneInString(word)
		if word != strings.ToUpper(word) && word[width:] != strings.ToLower(word[width:]) {
			return false
		}
	}
	return true
}
