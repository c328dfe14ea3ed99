package mask

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// lattice is a text with all its possible readings. Between two positions of the text,
// each sequence of bytes that the text between them can mean is an edge. The edge from
// each byte to the next, which means that byte itself, is implied. All others come from
// decoding, and the characters of an escape may be escaped in turn.
type lattice struct {
	text  string
	first []int32 // index of each position's first edge, plus one; nil without edges
	edges []edge
	work  *int // remaining steps
	// spaced is set if a secret contains a space. A line break or another control character,
	// which is shown as a space, then counts as one.
	spaced bool
	deep   bool // decoded from Base64 or hex
}

// edge is a decoded part of the text, of at most one character. An invisible character
// means both itself and nothing.
type edge struct {
	end, next int32 // next is the index of the position's next edge, plus one
	n         uint8
	bytes     [utf8.UTFMax]byte
}

func (e *edge) spells() string { return string(e.bytes[:e.n]) }

// ascii returns the ASCII character that the edge means, if it means exactly one.
func (e *edge) ascii() (byte, bool) { return e.bytes[0], e.n == 1 && e.bytes[0] < utf8.RuneSelf }

// maxEdges limits the edges of a position. Only long runs of backslashes and the like
// exceed it.
const maxEdges = 24

// newLattice parses a text. deep is set for a text decoded from Base64 or hex, in which
// bytes that are not ASCII are compared only as they are.
func newLattice(text string, deep, spaced bool, work *int) *lattice {
	l := &lattice{text: text, work: work, spaced: spaced, deep: deep}
	for i := len(text) - 1; i >= 0 && *work > 0; i-- {
		switch c := text[i]; {
		case c < utf8.RuneSelf:
			if escapes[c] {
				l.decode(i, i+1, c)
			}
			if l.spaced {
				l.space(i, i+1, c)
			}
		case deep || inside(text, i):
		default:
			l.nonASCII(i)
		}
	}
	return l
}

// inside reports whether the byte at i continues a character.
func inside(text string, i int) bool {
	for start := i; start >= 0 && start > i-utf8.UTFMax; start-- {
		if utf8.RuneStart(text[start]) {
			_, width := utf8.DecodeRuneInString(text[start:])
			return start < i && start+width > i
		}
	}
	return false
}

// nonASCII adds the other meanings of a character that is not ASCII.
func (l *lattice) nonASCII(i int) {
	r, width := utf8.DecodeRuneInString(l.text[i:])
	if r == utf8.RuneError && width == 1 { // ISO 8859-1
		r = rune(l.text[i])
	}
	l.addRune(i, i+width, r)
}

// addRune adds edges for a character: as UTF-8, as ISO 8859-1 and in the other case.
// Two surrogates are one character.
func (l *lattice) addRune(start, end int, r rune) {
	const high, low, afterLow = 0xd800, 0xdc00, 0xe000
	switch {
	case r < utf8.RuneSelf:
		l.add(start, end, byte(r))
		return
	case r >= low && r < afterLow: // not valid UTF-8, so no secret contains it
		l.add(start, end, byte(0xe0|r>>12), byte(0x80|r>>6&0x3f), byte(0x80|r&0x3f))
		return
	case r >= high && r < low:
		l.addPairs(start, end, r)
		return
	}
	l.addUTF8(start, end, r)
	l.addUTF8(start, end, unicode.ToLower(r))
	l.addUTF8(start, end, unicode.ToUpper(r))
	if r <= 0xff {
		l.add(start, end, byte(r))
	}
	if r == '\u00a0' || unicode.IsControl(r) || r == '\u2028' || r == '\u2029' { // shown as a space
		l.add(start, end, ' ')
	}
	if unicode.Is(unicode.Cf, r) {
		l.add(start, end) // not shown
	}
}

// space adds what white space is shown as: a browser collapses a run of it to one
// space.
func (l *lattice) space(start, end int, c byte) {
	switch {
	case c == 0 || c > ' ' && c != 0x7f:
		return
	case l.deep && strings.IndexByte(" \t\r\n", c) < 0:
		return // valid decoded text has no other control characters
	case c != ' ':
		l.add(start, end, ' ')
	case start == 0 || l.text[start-1] > ' ':
		return // only the first of a run is the space
	}
	l.add(start, end)
}

// addPairs adds the characters of a high surrogate with each low surrogate that
// follows.
func (l *lattice) addPairs(start, end int, high rune) {
	for e := l.at(end); e != nil; e = l.after(e) {
		if e.n == 3 && e.bytes[0] == 0xed && e.bytes[1] >= 0xb0 {
			low := rune(e.bytes[1]&0x0f)<<6 | rune(e.bytes[2]&0x3f)
			l.addUTF8(start, int(e.end), 0x10000+(high-0xd800)<<10|low)
		}
	}
}

func (l *lattice) addUTF8(start, end int, r rune) {
	var encoded [utf8.UTFMax]byte
	l.add(start, end, encoded[:utf8.EncodeRune(encoded[:], r)]...)
}

// add adds an edge unless it exists, and decodes what starts with it.
func (l *lattice) add(start, end int, spells ...byte) {
	if l.first == nil {
		l.first = make([]int32, len(l.text)+1)
	}
	added := edge{end: int32(end), next: l.first[start], n: uint8(len(spells))}
	copy(added.bytes[:], spells)
	count := 0
	for e := l.at(start); e != nil; e = l.after(e) {
		if e.end == added.end && e.n == added.n && e.bytes == added.bytes {
			return
		}
		count++
	}
	if count >= maxEdges {
		*l.work = 0 // so that the text is withheld
		return
	}
	l.edges = append(l.edges, added)
	l.first[start] = int32(len(l.edges))
	c, ok := added.ascii()
	if ok && escapes[c] {
		l.decode(start, end, c)
	}
	if ok && l.spaced && c != ' ' {
		l.space(start, end, c)
	}
}

// at returns the first edge of a position. It is valid until the next one is added.
func (l *lattice) at(i int) *edge {
	if l.first == nil {
		return nil
	}
	if at := l.first[i]; at > 0 {
		return &l.edges[at-1]
	}
	return nil
}

func (l *lattice) after(e *edge) *edge {
	if e.next == 0 {
		return nil
	}
	return &l.edges[e.next-1]
}

// each calls f for every ASCII character that the text can mean at a position.
func (l *lattice) each(i int, f func(c byte, end int)) {
	if i >= len(l.text) || *l.work <= 0 {
		return
	}
	*l.work--
	if c := l.text[i]; c < utf8.RuneSelf {
		f(c, i+1)
	}
	if l.first == nil {
		return
	}
	for at := l.first[i]; at != 0; {
		e := l.edges[at-1]
		*l.work--
		if c, ok := e.ascii(); ok {
			f(c, int(e.end))
		}
		at = e.next
	}
}
