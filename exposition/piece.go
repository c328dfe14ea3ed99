package exposition

import (
	"encoding/binary"
	"slices"

	dto "github.com/prometheus/client_model/go"
)

// piece is what an owner exposes, all families, but for what repeats in each
// line: the names of metrics and the owner's labels, which are five sixths of a
// page. In their place are references.
//
// It begins with where each span of labels begins and ends in it, and with the
// labels. There follow, for each line, one or more parts: the name and the span
// that a part begins with, and the bytes that come after them. endOfFamily ends
// each family.
type piece struct {
	version uint64
	data    []byte // never changed
}

// nameRef refers to a name that lines of a family begin with.
type nameRef byte

const (
	noName nameRef = iota
	plainName
	bucketName
	sumName
	countName

	endOfFamily nameRef = 0xff
)

// lineNames are the names that are referred to.
type lineNames [countName + 1][]byte

// spanRef refers to a span of an owner's labels: it is one more than its index.
type spanRef byte

const noSpan spanRef = 0

const (
	spanSize = 8    // of where a span begins and ends
	long     = 0xff // instead of the number of bytes: it is in the four bytes that follow
)

// Renderer renders one owner's piece. Families come in the order of the source,
// each once.
type Renderer struct {
	format  format
	layouts []layout
	spans   []span

	layout     *layout // of the current family
	next       int     // the family after that
	data       []byte
	labelsSize int
	length     int // where the number of bytes after the last reference is
}

// Begin begins a piece with the owner's labels, sorted by name.
func (r *Renderer) Begin(labels []*dto.LabelPair) {
	r.next = 0
	r.data = append(r.data[:0], make([]byte, spanSize*len(r.spans))...)
	start := len(r.data)
	for i, label := range labels {
		r.mark(i)
		r.data = r.format.appendLabel(r.data, label.GetName(), label.GetValue(), i == 0)
	}
	r.mark(len(labels))
	r.labelsSize = len(r.data) - start
}

// mark notes that a label begins here, where the one before it ends.
func (r *Renderer) mark(label int) {
	here := uint32(len(r.data))
	for i, s := range r.spans {
		if s.from == label {
			binary.LittleEndian.PutUint32(r.data[i*spanSize:], here)
		}
		if s.to == label {
			binary.LittleEndian.PutUint32(r.data[i*spanSize+spanSize/2:], here)
		}
	}
}

// Family begins the next family.
func (r *Renderer) Family() {
	if r.next > 0 {
		r.data = append(r.data, byte(endOfFamily))
	}
	r.layout = &r.layouts[r.next]
	r.next++
}

// Sample adds a sample, with values for the family's own labels.
func (r *Renderer) Sample(value float64, labelValues []string) {
	r.format.sample(r, value, labelValues)
}

// Histogram adds a histogram.
func (r *Renderer) Histogram(h *dto.Histogram) { r.format.histogram(r, h) }

// finish returns a copy of the piece.
func (r *Renderer) finish() []byte {
	r.data = append(r.data, byte(endOfFamily))
	return slices.Clone(r.data)
}

// begin begins a part. Bytes are appended to data, up to end.
func (r *Renderer) begin(name nameRef, span spanRef) {
	r.data = append(r.data, byte(name), byte(span), 0)
	r.length = len(r.data) - 1
}

func (r *Renderer) end() {
	size := len(r.data) - r.length - 1
	if size < long {
		r.data[r.length] = byte(size)
		return
	}
	r.data[r.length] = long
	r.data = slices.Insert(r.data, r.length+1, binary.LittleEndian.AppendUint32(nil, uint32(size))...)
}

// beginLine begins a line: its name, the owner's labels, and the family's own
// among them. Bytes are appended to what follows the last, up to end.
func (r *Renderer) beginLine(name nameRef, labelValues []string) {
	r.begin(name, r.layout.first)
	for _, own := range r.layout.own {
		r.data = r.format.appendLabel(r.data, own.name, labelValues[own.value], false)
		if own.after != noSpan {
			r.end()
			r.begin(noName, own.after)
		}
	}
}

// begin returns a cursor at a piece's lines, which are behind the labels, which
// the first span has all of.
func (p piece) begin() cursor {
	return cursor{p.data, int(binary.LittleEndian.Uint32(p.data[spanSize/2:]))}
}

// cursor is how far a scrape is in a piece.
type cursor struct {
	data []byte
	at   int
}

// expand appends the lines of the next family.
func (c *cursor) expand(dst []byte, names *lineNames) []byte {
	for {
		name, span, rest := c.next()
		if name == endOfFamily {
			return dst
		}
		dst = append(append(append(dst, names[name]...), span...), rest...)
	}
}

// skip goes to the family after the next, and returns how many bytes expand would
// have appended.
func (c *cursor) skip(names *lineNames) (size int) {
	for {
		name, span, rest := c.next()
		if name == endOfFamily {
			return size
		}
		size += len(names[name]) + len(span) + len(rest)
	}
}

// next returns the next part.
func (c *cursor) next() (name nameRef, span, rest []byte) {
	data, at := c.data, c.at
	name = nameRef(data[at])
	if name == endOfFamily {
		c.at = at + 1
		return name, nil, nil
	}
	if ref := spanRef(data[at+1]); ref != noSpan {
		where := data[int(ref-1)*spanSize:]
		span = data[binary.LittleEndian.Uint32(where):binary.LittleEndian.Uint32(where[spanSize/2:])]
	}
	size := int(data[at+2])
	at += 3
	if size == long {
		size = int(binary.LittleEndian.Uint32(data[at:]))
		at += 4
	}
	c.at = at + size
	return name, span, data[at:c.at]
}
