package exposition

import (
	"errors"
	"io"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// Write writes the cached families and others, all sorted by name, in the cache's format.
// It omits families for which wanted returns false; nil includes all. If one of others
// cannot be written, Write returns an error after the rest of the page.
func (c *Cache) Write(w io.Writer, format expfmt.Format, others []*dto.MetricFamily, wanted func(name string) bool) error {
	s := c.scrape(w)
	defer c.release(s)
	return s.writePage(format, others, wanted)
}

// scrape is the position of one scraper in all fragments, which have the families in the
// same order.
type scrape struct {
	cache   *Cache
	sizes   []int // of the families
	cursors []cursor
	next    int // index of the next family
	out     buffer
	touched byte // keeps the compiler from removing the reads of prefetch

	encoder expfmt.Encoder // of others, to out; nil before the first page
	format  expfmt.Format  // of encoder
}

// writePage writes all families, see Cache.Write.
func (s *scrape) writePage(format expfmt.Format, others []*dto.MetricFamily, wanted func(name string) bool) error {
	if s.encoder == nil || s.format != format { // a new one parses the format again
		s.encoder, s.format = expfmt.NewEncoder(&s.out, format, expfmt.WithCreatedLines()), format
	}
	var errs []error
	for _, other := range others {
		if wanted != nil && !wanted(other.GetName()) {
			continue
		}
		s.writeUntil(other.GetName(), wanted)
		errs = append(errs, s.encoder.Encode(other))
	}
	s.writeUntil("", wanted)
	if closer, ok := s.encoder.(expfmt.Closer); ok {
		errs = append(errs, closer.Close())
	}
	if err := s.out.flush(); err != nil {
		return err // the encoder's errors repeat it
	}
	return errors.Join(errs...)
}

// writeUntil writes the families before a name, or all that remain if it is empty.
func (s *scrape) writeUntil(name string, wanted func(name string) bool) {
	layouts := s.cache.layouts
	for ; s.next < len(layouts) && (name == "" || layouts[s.next].Name < name) && s.out.err == nil; s.next++ {
		family := &layouts[s.next]
		if wanted != nil && !wanted(family.Name) {
			for i := range s.cursors {
				s.cursors[i].size(&family.names)
			}
			continue
		}
		s.write(family, s.sizes[s.next])
	}
}

func (s *scrape) write(family *layout, size int) {
	b := &s.out
	if size > 0 {
		b.data = s.cache.format.appendHeader(b.data, family, size)
	}
	for i := range s.cursors {
		if i%batch == 0 {
			s.prefetch(s.cursors[i:min(i+batch, len(s.cursors))])
		}
		b.data = s.cursors[i].expand(b.data, &family.names)
		if b.flushFull() != nil {
			return
		}
	}
	if size > 0 {
		b.data = append(b.data, family.footer...)
	}
}

// batch is how many fragments are prefetched at a time.
const batch = 16

// prefetch touches the parts of fragments that are read next, so that the processor loads
// them concurrently: all fragments together are far larger than its caches. A scrape takes
// 1.5 times as long without it.
func (s *scrape) prefetch(cursors []cursor) {
	const line = 64 // bytes of a cache line
	for _, c := range cursors {
		s.touched += c.data[0] + c.data[min(line, len(c.data)-1)] + c.data[c.at]
	}
}

// bufferSize is the minimum number of bytes of each write but the last.
const bufferSize = 32 << 10

type buffer struct {
	w    io.Writer
	data []byte
	err  error // of the first write that failed, after which nothing is written
}

func (b *buffer) flush() error {
	if b.err == nil && len(b.data) > 0 {
		_, b.err = b.w.Write(b.data)
	}
	b.data = b.data[:0]
	return b.err
}

func (b *buffer) Write(p []byte) (int, error) {
	b.data = append(b.data, p...)
	return len(p), b.flushFull()
}

func (b *buffer) flushFull() error {
	if len(b.data) < bufferSize {
		return b.err
	}
	return b.flush()
}
