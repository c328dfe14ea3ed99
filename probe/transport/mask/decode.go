package mask

import (
	"html"
	"strconv"
	"unicode/utf8"
)

// escapes are the characters that start an escape.
var escapes = [256]bool{'\\': true, '%': true, '&': true, '+': true, '\'': true, '"': true}

// decode adds the edges for the escapes that begin at start. c is the character there, and
// end is the position after it.
func (l *lattice) decode(start, end int, c byte) {
	switch c {
	case '\\':
		l.backslash(start, end)
	case '%':
		l.percent(start, end)
	case '&':
		l.entity(start, end)
	case '+':
		l.add(start, end, ' ')
	case '\'', '"':
		l.doubled(start, end, c)
	}
}

// doubled decodes a doubled quotation mark, as in SQL, CSV and PowerShell.
func (l *lattice) doubled(start, end int, mark byte) {
	if end != start+1 && l.text[start] == mark {
		return // otherwise a run of marks would have as many readings as marks
	}
	l.each(end, func(c byte, end int) {
		if c == mark {
			l.add(start, end, mark)
		}
	})
}

// controls maps the characters after a backslash to control characters.
var controls = map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', 'b': '\b', 'f': '\f', 'v': '\v', 'a': '\a', 'e': '\x1b', '0': 0}

// backslash decodes the escapes of JSON, JavaScript, Go, Python, C and LDAP.
func (l *lattice) backslash(start, end int) {
	l.each(end, func(c byte, after int) {
		switch {
		case c == 'u':
			l.digits(after, 16, 4, 4, func(value rune, end int) { l.addRune(start, end, value) })
			l.braced(start, after)
		case c == 'U':
			l.digits(after, 16, 8, 8, func(value rune, end int) { l.addRune(start, end, value) })
		case c == 'x':
			l.digits(after, 16, 2, 2, func(value rune, end int) { l.addByte(start, end, value) })
			l.braced(start, after)
		case c > ' ' && !isWord(c) || c == ' ':
			l.add(start, after, c)
		}
		if control, ok := controls[c]; ok {
			l.add(start, after, control)
		}
	})
	l.digits(end, 16, 2, 2, func(value rune, end int) { l.addByte(start, end, value) })
	l.digits(end, 8, 3, 3, func(value rune, end int) {
		if value <= 0xff {
			l.addByte(start, end, value)
		}
	})
}

// braced decodes the rest of \u{e9}.
func (l *lattice) braced(start, i int) {
	l.each(i, func(c byte, end int) {
		if c != '{' {
			return
		}
		l.digits(end, 16, 1, 8, func(value rune, end int) {
			l.each(end, func(c byte, end int) {
				if c == '}' {
					l.addRune(start, end, value)
				}
			})
		})
	})
}

// percent decodes the escapes of URLs, and %u00e9 of JavaScript's escape function.
func (l *lattice) percent(start, end int) {
	l.digits(end, 16, 2, 2, func(value rune, end int) { l.addByte(start, end, value) })
	l.each(end, func(c byte, end int) {
		if c == 'u' || c == 'U' {
			l.digits(end, 16, 4, 4, func(value rune, end int) { l.addRune(start, end, value) })
		}
	})
}

// addByte adds an edge for a byte, either of UTF-8 or of ISO 8859-1.
func (l *lattice) addByte(start, end int, value rune) {
	l.add(start, end, byte(value))
	if value >= utf8.RuneSelf {
		l.addRune(start, end, value)
	}
}

// maxEntityDigits is the maximum length of a numeric entity, including leading zeros.
const maxEntityDigits = 32

// entity decodes the entities of HTML and XML.
func (l *lattice) entity(start, end int) {
	var name [32]byte
	l.name(end, name[:0], func(name string, end int) { l.addEntity(start, end, name) })
	l.each(end, func(c byte, end int) {
		if c != '#' {
			return
		}
		number := func(value rune, end int) {
			add := func(end int) {
				l.addRune(start, end, value)
				if value >= utf8.RuneSelf && value < 0xa0 { // Windows-1252
					l.addEntity(start, end, "#"+strconv.Itoa(int(value))+";")
				}
			}
			if end == len(l.text) || digitOf(l.text[end]) > 9 && l.text[end] != ';' {
				add(end)
			}
			l.each(end, func(c byte, end int) {
				if c == ';' {
					add(end)
				}
			})
		}
		l.digits(end, 10, 1, maxEntityDigits, number)
		l.each(end, func(c byte, end int) {
			if c == 'x' || c == 'X' {
				l.digits(end, 16, 1, maxEntityDigits, number)
			}
		})
	})
}

// addEntity adds an entity if it stands for a single character.
func (l *lattice) addEntity(start, end int, name string) {
	decoded := html.UnescapeString("&" + name)
	if r, width := utf8.DecodeRuneInString(decoded); width == len(decoded) {
		l.addRune(start, end, r)
	}
}

// maxBareEntity is the length of the longest entity name that needs no semicolon.
const maxBareEntity = 6

// name calls found with the name and end of an entity, either with its semicolon or of
// a kind that needs none.
func (l *lattice) name(i int, read []byte, found func(name string, end int)) {
	l.each(i, func(c byte, end int) {
		switch {
		case c == ';' && len(read) > 1:
			found(string(append(read, c)), end)
		case isWord(c) && len(read) < cap(read)-1:
			read := append(read, c)
			if len(read) > 1 && len(read) <= maxBareEntity {
				found(string(read), end)
			}
			l.name(end, read, found)
		}
	})
}

// digits calls found with every number of least to most digits.
func (l *lattice) digits(i int, base rune, least, most int, found func(value rune, end int)) {
	var more func(i, read int, value rune)
	more = func(i, read int, value rune) {
		l.each(i, func(c byte, end int) {
			digit := rune(digitOf(c))
			next := value*base + digit
			if digit >= base || next > utf8.MaxRune {
				return
			}
			if read+1 >= least {
				found(next, end)
			}
			if read+1 < most {
				more(end, read+1, next)
			}
		})
	}
	more(i, 0, 0)
}

// digitOf returns the value of a digit in any base, or a value too large for all bases.
func digitOf(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case fold(c) >= 'a' && fold(c) <= 'f':
		return int(fold(c)-'a') + 10
	default:
		return 99
	}
}

// isWord reports whether a character is an ASCII letter or digit.
func isWord(c byte) bool {
	return c >= '0' && c <= '9' || fold(c) >= 'a' && fold(c) <= 'z'
}

// fold maps an ASCII letter to lower case, because servers may change the case of what
// they quote.
func fold(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// foldedPrefix reports whether text starts with prefix, ignoring case.
func foldedPrefix(text, prefix string) bool {
	if len(text) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if fold(text[i]) != fold(prefix[i]) {
			return false
		}
	}
	return true
}
