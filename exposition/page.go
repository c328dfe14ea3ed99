// Package exposition writes the metrics of many owners in the formats that
// Prometheus reads, from pieces that are kept for as long as an owner does not
// change. What it writes is what client_golang would, byte for byte, at a small
// part of the cost. It knows nothing of where values come from, and no HTTP.
package exposition

import (
	"io"
	"strings"
	"sync"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Family is a metric: what all its samples have in common.
type Family struct {
	Name, Help string
	Type       dto.MetricType // a gauge, a counter, or a histogram without labels of its own
	Labels     []string       // that samples have beside those of their owner
}

// Source is what pages are made of.
type Source struct {
	Families []Family // sorted by name
	// LabelNames are those of the labels that each owner has, sorted. The first
	// sorts before all labels of families.
	LabelNames []string
	Owners     int
	// Render sends r what an owner has, unless it has not changed since the
	// version that is known. It returns the version, which is never 0.
	Render func(owner int, known uint64, r *Renderer) (version uint64)
}

// Page is what all owners expose in one format. Each owner's piece is rendered
// once after a change, at the next scrape, for all scrapers.
type Page struct {
	source  *Source
	format  format
	layouts []layout // of the families

	mu       sync.Mutex // guards the fields below
	pieces   []piece    // of the owners; nil before the first scrape
	sizes    []int      // of the families, over all owners
	renderer Renderer
	idle     []*scrape // that have ended, for their memory
}

// NewPages returns a page for each format that is written directly.
func NewPages(source *Source) []*Page {
	var pages []*Page
	for _, format := range []format{newText(), newOpenMetrics(), protobuf{}} {
		layouts, spans := layOut(source, format)
		pages = append(pages, &Page{
			source: source, format: format, layouts: layouts, sizes: make([]int, len(layouts)),
			renderer: Renderer{format: format, layouts: layouts, spans: spans},
		})
	}
	return pages
}

// Writes reports whether the page is in a format that was negotiated. OpenMetrics
// 2.0 is another format, and of the ways to escape names only the dots' changes
// plain ones.
func (p *Page) Writes(format expfmt.Format) bool {
	return format.FormatType() == p.format.kind() &&
		!strings.HasPrefix(format.Version(), "2.") &&
		format.ToEscapingScheme() != model.DotsEscaping
}

// scrape renders what has changed, and begins a scrape of what is there now: no
// later change touches its pieces.
func (p *Page) scrape(w io.Writer) *scrape {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pieces == nil {
		p.pieces = make([]piece, p.source.Owners)
	}
	var s *scrape
	if last := len(p.idle) - 1; last >= 0 {
		s, p.idle = p.idle[last], p.idle[:last]
	} else {
		s = &scrape{page: p, cursors: make([]cursor, 0, len(p.pieces))}
	}
	for i := range p.pieces {
		known := &p.pieces[i]
		if version := p.source.Render(i, known.version, &p.renderer); version != known.version {
			p.count(*known, -1)
			*known = piece{version, p.renderer.finish()}
			p.count(*known, +1)
		}
		s.cursors = append(s.cursors, known.begin())
	}
	s.sizes = append(s.sizes[:0], p.sizes...)
	s.out.w, s.out.err = w, nil
	return s
}

// count adds the sizes of a piece's families, so many times.
func (p *Page) count(of piece, times int) {
	if of.data == nil {
		return
	}
	c := of.begin()
	for i := range p.layouts {
		p.sizes[i] += times * c.skip(&p.layouts[i].names)
	}
}

// maxIdle is how many scrapes at a time need no memory of their own.
const maxIdle = 2

// release takes back a scrape that has ended.
func (p *Page) release(s *scrape) {
	clear(s.cursors) // they would keep pieces that are replaced
	s.cursors, s.out.w, s.next = s.cursors[:0], nil, 0
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) < maxIdle {
		p.idle = append(p.idle, s)
	}
}
