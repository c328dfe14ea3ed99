// Package exposition writes the metrics of many targets in the formats that Prometheus
// reads. It renders a target when it has changed, keeps the result, and puts a page
// together from these fragments. The output is client_golang's, byte for byte, except that
// a family's samples are always sorted by target first. For 10,000 targets, client_golang
// takes 1.9 s and 320 MB a scrape, this package 34 ms.
//
// It does not know where the values come from, and knows nothing of HTTP.
package exposition

import (
	"io"
	"slices"
	"sync"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// Family describes a metric.
type Family struct {
	Name, Help string
	Unit       string         // see UnitOf; empty for none
	Type       dto.MetricType // a gauge, a counter, or a histogram without labels of its own
	Labels     []string       // of its samples, besides those of the target
}

// Source is what caches read.
type Source struct {
	Families []Family // sorted by name
	// LabelNames are the names of the labels that every target has, sorted. The first
	// sorts before all labels of families.
	LabelNames []string
	Targets    int
	// Render renders a target's samples to r and returns their version, which is never
	// 0. It renders nothing if the version is still the known one.
	Render func(target int, known uint64, r *Renderer) (version uint64)
}

// Cache holds the rendered metrics of all targets in one format. A target is rendered once
// after a change, at the next scrape, for all scrapers.
type Cache struct {
	source  *Source
	format  format
	layouts []layout // of the families

	mu        sync.Mutex // guards the fields below
	fragments []fragment // of the targets; nil before the first scrape
	sizes     []int      // of the families, over all targets
	renderer  Renderer
	free      []*scrape // that have ended, to reuse their memory

	pages sync.Pool // *targetPage
}

// Formats are the formats that caches write, in client_golang's order of preference.
var Formats = []expfmt.Format{expfmt.FmtOpenMetrics_1_0_0, expfmt.FmtOpenMetrics_0_0_1, expfmt.FmtProtoDelim, expfmt.FmtText}

// NewCaches returns a cache for each type of format.
func NewCaches(source *Source) []*Cache {
	var caches []*Cache
	for _, format := range []format{text{}, text{openMetrics: true}, protobuf{}} {
		layouts, spans := newLayouts(source, format)
		caches = append(caches, &Cache{
			source: source, format: format, layouts: layouts, sizes: make([]int, len(layouts)),
			renderer: Renderer{format: format, layouts: layouts, spans: spans},
		})
	}
	return caches
}

// Writes reports whether the cache writes the type of a format, which is one of Formats.
func (c *Cache) Writes(format expfmt.Format) bool { return format.FormatType() == c.format.kind() }

// scrape renders the targets that have changed and starts a scrape. Its fragments are
// immutable, so the page shows a single moment, however slowly it is read.
func (c *Cache) scrape(w io.Writer) *scrape {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fragments == nil {
		c.fragments = make([]fragment, c.source.Targets)
	}
	var s *scrape
	if last := len(c.free) - 1; last >= 0 {
		s, c.free = c.free[last], c.free[:last]
	} else {
		s = &scrape{cache: c, cursors: make([]cursor, 0, len(c.fragments))}
	}
	for i := range c.fragments {
		known := &c.fragments[i]
		if version := c.source.Render(i, known.version, &c.renderer); version != known.version {
			c.addSizes(c.sizes, *known, -1)
			*known = fragment{version, slices.Clone(c.renderer.finish())}
			c.addSizes(c.sizes, *known, +1)
		}
		s.cursors = append(s.cursors, known.begin())
	}
	s.sizes = append(s.sizes[:0], c.sizes...)
	s.out.w, s.out.err = w, nil
	return s
}

// addSizes adds the sizes of a fragment's families to the totals, times sign.
func (c *Cache) addSizes(sizes []int, f fragment, sign int) {
	if f.data == nil {
		return
	}
	at := f.begin()
	for i := range c.layouts {
		sizes[i] += sign * at.size(&c.layouts[i].names)
	}
}

// maxFree is how many concurrent scrapes allocate nothing.
const maxFree = 2

// release keeps the memory of a scrape that has ended.
func (c *Cache) release(s *scrape) {
	clear(s.cursors) // or they keep fragments that have been replaced
	s.cursors, s.out.w, s.next = s.cursors[:0], nil, 0
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.free) < maxFree {
		c.free = append(c.free, s)
	}
}
