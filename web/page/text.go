package page

import (
	"regexp"
	"strings"
)

// segment is a part of a sentence. Foreign text is isolated, so that its direction does
// not reorder the words around it.
type segment struct {
	Text    string
	Foreign bool
}

var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// segments splits a sentence at its quoted parts, which come from the configuration or
// from an appliance.
func segments(text string) []segment {
	if isASCII(text) {
		return []segment{{Text: text}}
	}
	text = shown(text)
	var all []segment
	end := 0
	for _, part := range quoted.FindAllStringIndex(text, -1) {
		all = append(all, segment{Text: text[end : part[0]+1]}, segment{text[part[0]+1 : part[1]-1], true})
		end = part[1] - 1
	}
	return append(all, segment{Text: text[end:]})
}

// shown returns text with its directional formatting characters replaced: an override
// would show a name that is not there.
func shown(text string) string {
	if isASCII(text) {
		return text
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\u061c', r == '\u200e', r == '\u200f', r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
			return '\ufffd'
		}
		return r
	}, text)
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}
