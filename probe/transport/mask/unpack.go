package mask

// maxDepth is the number of nested levels of Base64 and hex that are decoded.
const maxDepth = 2

// separator separates the decoded texts in pieces.bytes.
const separator = 0

// run is a sequence of digits in a text.
type run struct {
	offset     int // of its decoded text in pieces.bytes
	start, end int
}

// pieces are all possible decodings of the runs of a text, concatenated: each run is
// decoded from every digit with which a group may start.
type pieces struct {
	bytes []byte
	runs  []run
	least int // minimum decoded length of a run, in bytes
}

// shortest returns the minimum length in bytes of a needle or a cut-off needle.
func shortest(wanted []needle) int {
	least := minCut
	for _, n := range wanted {
		if len(n.text) >= minPart {
			least = min(least, len(n.text))
		}
	}
	return least
}

// encoding describes how digits encode bytes.
type encoding struct {
	value func(c byte) (value byte, ok bool)
	bits  int // that each digit encodes
	// group is the number of digits that make whole bytes. Fewer than that may precede the
	// first group of a run.
	group int
}

var encodings = []encoding{{base64Digit, 6, 4}, {hexDigit, 4, 2}}

// escaping is which digits of a run may be escaped. A run is decoded in each of these ways,
// because what looks like an escape may also be a sign of Base64 and the digits after it.
type escaping int

const (
	noEscapes   escaping = iota // no digit is escaped
	signEscapes                 // only signs may be escaped: `+`, `/`, `-` and `_`
	anyEscapes                  // any digit may be escaped
	allEscapes                  // every digit is escaped
)

// unpacked returns the runs of Base64 or hex digits whose decoded text has a needle.
// Their masks reveal nothing, so they are not weak.
func (m *matcher) unpacked(wanted []needle) []span {
	if m.depth >= maxDepth || *m.work <= 0 {
		return nil
	}
	u := pieces{least: shortest(wanted)}
	for _, e := range encodings {
		m.unpack(&u, e, noEscapes)
		if m.first != nil {
			m.unpack(&u, e, signEscapes)
			m.unpack(&u, e, anyEscapes)
			m.unpack(&u, e, allEscapes)
		}
	}
	if len(u.bytes) == 0 {
		return nil
	}
	in := &matcher{lattice: newLattice(string(u.bytes), true, m.spaced, m.work), depth: m.depth + 1, whole: m.whole}
	in.search(wanted)
	var found []span
	next := 0
	for _, s := range merge(append(in.found, in.unpacked(wanted)...)) {
		for next+1 < len(u.runs) && u.runs[next+1].offset <= s.start {
			next++
		}
		found = append(found, span{u.runs[next].start, u.runs[next].end, false})
	}
	return found
}

// unpack decodes all runs of an encoding's digits with at least one escape, or without any
// for noEscapes.
func (m *matcher) unpack(u *pieces, e encoding, how escaping) {
	tries, least := 0, (8*u.least+e.bits-1)/e.bits
	for i := 0; i < len(m.text) && *m.work > 0; {
		start := i
		values, first, end := m.digitsAt(start, e, how)
		if len(values) >= least {
			for more := true; more; {
				_, end, _, more = m.digitAt(end, padding, min(how, signEscapes))
			}
			for phase := range e.group {
				u.runs = append(u.runs, run{len(u.bytes), start, end})
				u.bytes = append(packBits(u.bytes, values[phase:], e.bits), separator)
			}
		}
		i = max(end, start+1)
		tries++
		if how != noEscapes && tries < maxTries && start+1 < first {
			i = start + 1 // the first digit may be both a sign and an escape
		} else {
			tries = 0
		}
	}
}

// maxTries limits how many positions within the first digit of a run are tried as the start of
// the run.
const maxTries = 6

// digitsAt returns the digits of the run at a position, and the ends of the first and
// the last one.
func (m *matcher) digitsAt(i int, e encoding, how escaping) (values []byte, first, end int) {
	values = m.values[:0]
	defer func() { m.values = values[:0] }()
	decoded := how == noEscapes
	for end = i; end < len(m.text); {
		value, next, escaped, ok := m.digitAt(end, e.value, how)
		if !ok {
			break
		}
		if values, end, decoded = append(values, value), next, decoded || escaped; first == 0 {
			first = end
		}
	}
	if !decoded {
		values = values[:0]
	}
	return values, first, end
}

// digitAt returns the digit at a position in its shortest encoding, the position of the
// next one, and whether it was escaped. Line breaks are skipped.
func (m *matcher) digitAt(i int, digit func(c byte) (value byte, ok bool), how escaping) (value byte, end int, escaped, ok bool) {
	m.each(i, func(c byte, after int) {
		v, is := digit(c)
		literal := after == i+1
		switch {
		case !is, ok && after > end:
		case literal && how != allEscapes, !literal && how >= anyEscapes, !literal && how == signEscapes && !isWord(c):
			value, end, escaped, ok = v, after, !literal, true
		}
	})
	if !ok {
		return 0, i, false, false
	}
	for {
		skipped := end
		m.each(end, func(c byte, after int) {
			literal := after == end+1
			if (c == '\n' || c == '\r') && (literal || how != noEscapes) {
				skipped = max(skipped, after)
				escaped = escaped || !literal
			}
		})
		if skipped == end {
			return value, end, escaped, true
		}
		end = skipped
	}
}

func packBits(to, values []byte, bits int) []byte {
	var buffer uint
	var have int
	for _, value := range values {
		buffer = buffer<<bits | uint(value)
		if have += bits; have >= 8 {
			have -= 8
			to = append(to, byte(buffer>>have))
		}
	}
	return to
}

func base64Digit(c byte) (value byte, ok bool) {
	switch {
	case c >= 'A' && c <= 'Z':
		return c - 'A', true
	case c >= 'a' && c <= 'z':
		return c - 'a' + 26, true
	case c >= '0' && c <= '9':
		return c - '0' + 52, true
	case c == '+' || c == '-':
		return 62, true
	case c == '/' || c == '_':
		return 63, true
	default:
		return 0, false
	}
}

func padding(c byte) (value byte, ok bool) { return 0, c == '=' }

func hexDigit(c byte) (value byte, ok bool) {
	if v := digitOf(c); v < 16 {
		return byte(v), true
	}
	return 0, false
}
