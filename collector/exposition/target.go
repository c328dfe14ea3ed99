package exposition

import (
	"io"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// Target writes the metrics of one target, which need not be one of the cache's source. It
// renders them each time, which takes 14 µs: a probe on demand has just changed them.
type Target struct {
	cache  *Cache
	render func(r *Renderer)
}

// Target returns a target that calls render for its samples.
func (c *Cache) Target(render func(r *Renderer)) Target { return Target{c, render} }

// targetPage is the memory of a page, to be reused.
type targetPage struct {
	renderer Renderer
	scrape   scrape
}

// Write is Cache.Write for the target alone.
func (t Target) Write(w io.Writer, format expfmt.Format, others []*dto.MetricFamily, wanted func(name string) bool) error {
	c := t.cache
	page, _ := c.pages.Get().(*targetPage)
	if page == nil {
		page = &targetPage{
			renderer: Renderer{format: c.format, layouts: c.layouts, spans: c.renderer.spans},
			scrape:   scrape{cache: c, sizes: make([]int, len(c.layouts))},
		}
	}
	defer c.pages.Put(page)
	t.render(&page.renderer)
	f := fragment{data: page.renderer.finish()}
	s := &page.scrape
	clear(s.sizes)
	c.addSizes(s.sizes, f, +1)
	s.cursors = append(s.cursors[:0], f.begin())
	s.next, s.out.w, s.out.err = 0, w, nil
	defer func() { s.out.w = nil }() // the pool must not keep the response alive
	return s.writePage(format, others, wanted)
}
