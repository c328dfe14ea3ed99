package strictyaml

import (
	"maps"
	"regexp"
	"strings"
	"unicode"
)

// A key that the user chooses may be a secret in the wrong place, as in `http_headers:
// {X:S3cr3t}`, where a space is missing. So errors show it only if it looks like a word
// and has a value. Keys of named blocks may also look like a name: see quotable.
var (
	// word matches most keys. Most secrets have a digit.
	word = regexp.MustCompile(`^[A-Za-z_]+([.-][A-Za-z_]+)*$`)
	// names matches words and numbers.
	names = regexp.MustCompile(`^([A-Za-z]+[0-9]{0,4}|[0-9]{1,4})([-_.]([A-Za-z]+[0-9]{0,4}|[0-9]{1,4}))*$`)
)

const (
	maxWord = 40
	maxName = 64
)

// IsWord reports whether errors may show a text that the user chooses.
func IsWord(text string) bool { return len(text) <= maxWord && word.MatchString(text) }

// isName reports whether errors may show a text that is a key of a named block.
func isName(text string) bool { return len(text) <= maxName && names.MatchString(text) }

// BadName reports whether text cannot be a name: it could be mistaken for another name,
// or break a line of a log.
func BadName(text string) bool {
	return text == "" || strings.ContainsFunc(text, unicode.IsControl) || strings.TrimSpace(text) != text
}

// Join lists values, separated by commas.
func Join[S ~string](values []S) string {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = string(value)
	}
	return strings.Join(texts, ", ")
}

// Words returns the entries whose keys are words.
func Words[V any](entries map[string]V) map[string]V {
	shown := maps.Clone(entries)
	maps.DeleteFunc(shown, func(key string, _ V) bool { return !IsWord(key) })
	return shown
}
