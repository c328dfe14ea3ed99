package collector

import (
	"cmp"
	"slices"
	"sync"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"session_exporter/collector/exposition"
)

// Cache returns the endpoints' rendered metrics in a format. It is nil for a format that
// only Endpoints supports.
func (c *Collector) Cache(format expfmt.Format) *exposition.Cache {
	return c.applied.Load().cache(format)
}

func (a *applied) cache(format expfmt.Format) *exposition.Cache {
	for _, cache := range a.caches {
		if cache.Writes(format) {
			return cache
		}
	}
	return nil
}

// newCaches returns the caches of a configuration. The next one has its own: its labels
// and metrics may differ.
func newCaches(a *applied) []*exposition.Cache {
	sorted := slices.Clone(a.watched)
	slices.SortFunc(sorted, func(a, b watched) int {
		return slices.CompareFunc(a.labels, b.labels, func(a, b *dto.LabelPair) int { return cmp.Compare(a.GetValue(), b.GetValue()) })
	})
	families := make([]exposition.Family, len(a.families))
	for i, f := range a.families {
		families[i] = exposition.Family{Name: f.name, Help: f.help, Unit: exposition.UnitOf(f.name), Type: f.kind, Labels: f.labels}
	}
	return exposition.NewCaches(&exposition.Source{
		Families:   families,
		LabelNames: targetLabels(a.config),
		Targets:    len(sorted),
		Render: func(i int, known uint64, r *exposition.Renderer) uint64 {
			return a.render(sorted[i], known, r)
		},
	})
}

// render renders an endpoint's samples, unless its state still has the known version.
func (a *applied) render(w watched, known uint64, r *exposition.Renderer) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state.version == known {
		return known
	}
	out, _ := renderings.Get().(*rendering)
	defer renderings.Put(out)
	out.Renderer, out.emitter.info = r, w.info
	r.Begin(w.labels, w.state.created())
	for i := range a.families {
		r.Family()
		a.families[i].read(&w.state, &out.emitter)
	}
	return w.state.version
}

// rendering passes on one endpoint's samples to a renderer, which keeps none of them.
type rendering struct {
	*exposition.Renderer
	emitter emitter
	message message
}

// renderings pools renderings, each with the memory of a histogram's message.
var renderings = sync.Pool{New: func() any {
	out := new(rendering)
	out.emitter.out = out
	return out
}}

// Histogram implements emitter.out.
func (r *rendering) Histogram(h *histogram) { r.Renderer.Histogram(h.dtoIn(&r.message)) }
