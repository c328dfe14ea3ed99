package page

import (
	"regexp"
	"strings"
)

// segment is a part of a sentence. Foreign text is isolated, so that its direction does
// not reorder the words around it. Code is a key of the configuration.
type segment struct {
	Text          string
	Foreign, Code bool
}

var marked = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`")

// segments splits a sentence at its keys, which are between backticks, and at its quoted
// parts, which come from the configuration or from an appliance.
func segments(text string) []segment {
	ascii := isASCII(text)
	if ascii && !strings.Contains(text, "`") {
		return []segment{{Text: text}}
	}
	text = shown(text)
	var all []segment
	end := 0
	for _, part := range marked.FindAllStringIndex(text, -1) {
		inside := text[part[0]+1 : part[1]-1]
		switch {
		case text[part[0]] == '`':
			all = append(all, segment{Text: text[end:part[0]]}, segment{Text: inside, Code: true})
			end = part[1]
		case !ascii:
			all = append(all, segment{Text: text[end : part[0]+1]}, segment{Text: inside, Foreign: true})
			end = part[1] - 1
		}
	}
	return append(all, segment{Text: text[end:]})
}

// shown returns text with its directional formatting characters replaced: an override
// would make a name look like another.
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
