package mask

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// minCut is the minimum number of bytes of a secret that are masked if the text is
	// cut off inside it.
	minCut = 8
	// maxEscape is the maximum length of an escape that the end of the text cuts off,
	// such as an entity whose characters are entities. maxQuoted is that of an escape that
	// the end of a quotation cuts off.
	maxEscape = 64
	maxQuoted = 16
)

// find returns the positions of the needles in a text, in order. It returns false if
// that takes more steps than the text of any real API needs. whole is set for a text that
// is not cut off.
func find(text string, wanted []needle, whole bool) ([]span, bool) {
	work := 1<<20 + 64*len(text)
	m := &matcher{lattice: newLattice(text, false, spaced(wanted), &work), whole: whole}
	m.search(wanted)
	found := merge(m.found)
	m.judge(found)
	found = merge(append(found, m.unpacked(wanted)...))
	return found, work > 0
}

func spaced(wanted []needle) bool {
	return slices.ContainsFunc(wanted, func(n needle) bool { return strings.Contains(n.text, " ") })
}

// matcher finds needles in a text.
type matcher struct {
	*lattice
	depth int  // of nested Base64 and hex from which the text was decoded
	whole bool // the text is not cut off
	found []span

	// The positions of the text by the characters that they can mean.
	begins    [257]int32
	positions []int32

	// The comparison in progress.
	needle string
	cut    int // the needle's
	end    int // the furthest so far

	values []byte // digits of a run; a buffer that is reused
}

// judge marks spans inside a word as weak, except secrets that touch each other.
func (m *matcher) judge(found []span) {
	for i := range found {
		s := &found[i]
		before := (i == 0 || found[i-1].end < s.start) && m.wordBefore(s.start)
		after := (i == len(found)-1 || found[i+1].start > s.end) && m.wordAfter(s.end)
		s.weak = s.weak || before || after
	}
}

// search looks for every needle at every position.
func (m *matcher) search(wanted []needle) {
	m.index()
	for _, n := range wanted {
		short := len(n.text) < minPart
		if short && m.depth > 0 {
			continue // it would be found everywhere
		}
		m.needle, m.cut = n.text, n.cut
		c := fold(n.text[0])
		for _, start := range m.positions[m.begins[c]:m.begins[int(c)+1]] {
			if *m.work <= 0 {
				return
			}
			m.end = -1
			m.follow(int(start), 0)
			if m.end < 0 {
				continue
			}
			if short && (m.wordBefore(int(start)) || m.wordAfter(m.end)) {
				continue
			}
			m.found = append(m.found, span{int(start), m.end, n.weak})
		}
	}
}

// index sorts the positions by the characters that they can mean.
func (m *matcher) index() {
	for i := range len(m.text) {
		m.begins[int(fold(m.text[i]))+1]++
	}
	m.eachEdge(func(_ int, c byte) { m.begins[int(c)+1]++ })
	for c := range 256 {
		m.begins[c+1] += m.begins[c]
	}
	m.positions = make([]int32, m.begins[256])
	next := m.begins
	put := func(i int, c byte) {
		m.positions[next[c]] = int32(i)
		next[c]++
	}
	for i := range len(m.text) {
		put(i, fold(m.text[i]))
	}
	m.eachEdge(put)
}

// eachEdge calls f with the first character of each edge.
func (m *matcher) eachEdge(f func(i int, c byte)) {
	for i, at := range m.first {
		for ; at != 0; at = m.edges[at-1].next {
			if e := &m.edges[at-1]; e.n > 0 {
				f(i, fold(e.bytes[0]))
			}
		}
	}
}

// follow compares the needle from byte k with all readings of the text from i, and
// records how far it matches.
func (m *matcher) follow(i, k int) {
	for {
		*m.work--
		if *m.work <= 0 {
			return
		}
		if k == len(m.needle) {
			m.end = max(m.end, i)
			return
		}
		if k >= m.cut && !m.whole && m.isCut(i) {
			m.end = max(m.end, i)
		}
		if i >= len(m.text) {
			return
		}
		if m.first != nil {
			for e := m.at(i); e != nil; e = m.after(e) {
				if foldedPrefix(m.needle[k:], e.spells()) {
					m.follow(int(e.end), k+int(e.n))
				}
			}
		}
		if fold(m.text[i]) != fold(m.needle[k]) {
			return
		}
		i++
		k++
	}
}

// closing are the characters that end a quotation of a text that may be cut off.
const closing = "\"'`<"

// isCut reports whether the text is cut off at i: by its end, by the end of a
// quotation, perhaps inside an escape, or by an ellipsis.
func (m *matcher) isCut(i int) bool {
	rest := m.text[i:min(i+maxEscape, len(m.text))]
	if m.depth > 0 {
		rest, _, _ = strings.Cut(rest, string(rune(separator)))
	}
	switch {
	case rest == "" || strings.IndexByte(closing, rest[0]) >= 0:
		return true
	case strings.HasPrefix(rest, "…") || strings.HasPrefix(rest, ".."):
		return true
	case strings.IndexByte(`\%&`, rest[0]) < 0:
		return false
	}
	for e := m.at(i); e != nil; e = m.after(e) {
		if c, ok := e.ascii(); ok && strings.IndexByte(closing, c) >= 0 {
			return true
		}
	}
	return len(rest) < maxEscape || strings.ContainsAny(rest[:maxQuoted], closing)
}

// wordBefore reports whether a letter or digit precedes i that is not the end of an
// escape.
func (m *matcher) wordBefore(i int) bool {
	r, _ := utf8.DecodeLastRuneInString(m.text[:i])
	if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
		return false
	}
	for at := max(i-maxEscape, 0); at < i; at++ {
		for e := m.at(at); e != nil; e = m.after(e) {
			if c, ok := e.ascii(); int(e.end) == i && ok && !isWord(c) {
				return false
			}
		}
	}
	return true
}

// wordAfter reports whether a letter or digit is at i, in any encoding.
func (m *matcher) wordAfter(i int) bool {
	r, _ := utf8.DecodeRuneInString(m.text[i:])
	if unicode.IsLetter(r) || unicode.IsDigit(r) {
		return true
	}
	for e := m.at(i); e != nil; e = m.after(e) {
		if c, ok := e.ascii(); ok && isWord(c) {
			return true
		}
	}
	return false
}
