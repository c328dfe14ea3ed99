package exposition

import (
	"errors"
	"io"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// Write writes the families of the page and others, all sorted by name, in the
// format of the page. Those that wanted does not want are left out; nil wants
// all. A family of others that cannot be written hides no other; the error tells
// of it.
func (p *Page) Write(w io.Writer, format expfmt.Format, others []*dto.MetricFamily, wanted func(name string) bool) error {
	s := p.scrape(w)
	defer p.release(s)
	encoder := expfmt.NewEncoder(&s.out, format)
	var errs []error
	for _, other := range others {
		if wanted != nil && !wanted(other.GetName()) {
			continue
		}
		s.writeUntil(other.GetName(), wanted)
		errs = append(errs, encoder.Encode(other))
	}
	s.writeUntil("", wanted)
	if closer, ok := encoder.(expfmt.Closer); ok {
		errs = append(errs, closer.Close())
	}
	if err := s.out.flush(); err != nil {
		return err // and all others are about the same
	}
	return errors.Join(errs...)
}

// scrape is one scraper's way through the pieces, in which all families come in
// the same order.
type scrape struct {
	page    *Page
	sizes   []int // of the families
	cursors []cursor
	next    int // family
	out     buffer
	fetched byte
}

// writeUntil writes the families that come before a name, or all that are left.
func (s *scrape) writeUntil(name string, wanted func(name string) bool) {
	layouts := s.page.layouts
	for ; s.next < len(layouts) && (name == "" || layouts[s.next].Name < name) && s.out.err == nil; s.next++ {
		family := &layouts[s.next]
		if wanted != nil && !wanted(family.Name) {
			for i := range s.cursors {
				s.cursors[i].skip(&family.names)
			}
			continue
		}
		s.write(family, s.sizes[s.next])
	}
}

func (s *scrape) write(family *layout, size int) {
	b := &s.out
	if size > 0 {
		b.data = s.page.format.appendHeader(b.data, family, size)
	}
	for i := range s.cursors {
		if i%ahead == 0 {
			s.fetch(s.cursors[i:min(i+ahead, len(s.cursors))])
		}
		b.data = s.cursors[i].expand(b.data, &family.names)
		if b.flushFull() != nil {
			return
		}
	}
}

// ahead is how many pieces are fetched at a time.
const ahead = 16

// fetch reads where pieces are about to be read: a page is far larger than the
// processor's caches, which wait for many pieces in the time that they wait for one.
// Without it a scrape takes half as long again.
func (s *scrape) fetch(cursors []cursor) {
	const line = 64 // of a cache
	for _, c := range cursors {
		s.fetched += c.data[0] + c.data[min(line, len(c.data)-1)] + c.data[c.at]
	}
}

// BufferSize is how many bytes are written at a time. Nothing is written before
// there are as many, or the page is complete.
const BufferSize = 32 << 10

// buffer gathers what is written.
type buffer struct {
	w    io.Writer
	data []byte
	err  error // of the first write that failed; none is tried after it
}

func (b *buffer) flush() error {
	if b.err == nil && len(b.data) > 0 {
		_, b.err = b.w.Write(b.data)
	}
	b.data = b.data[:0]
	return b.err
}

// Write implements io.Writer, WriteString and WriteByte what expfmt wants of one
// besides.
func (b *buffer) Write(p []byte) (int, error) {
	b.data = append(b.data, p...)
	return len(p), b.flushFull()
}

// WriteString implements io.StringWriter.
func (b *buffer) WriteString(s string) (int, error) {
	b.data = append(b.data, s...)
	return len(s), b.flushFull()
}

// WriteByte implements io.ByteWriter.
func (b *buffer) WriteByte(c byte) error {
	b.data = append(b.data, c)
	return b.flushFull()
}

func (b *buffer) flushFull() error {
	if len(b.data) < BufferSize {
		return b.err
	}
	return b.flush()
}
