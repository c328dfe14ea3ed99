package collector

import (
	"cmp"
	"slices"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"session_exporter/collector/exposition"
)

// Cache returns the endpoints' rendered metrics in one of exposition.Formats.
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
		LabelNames: targetLabels(a.config.LabelNames),
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
	e, _ := emitters.Get().(*emitter)
	defer emitters.Put(e)
	e.renderer, e.info = r, w.info
	r.Begin(w.labels, w.state.created())
	for i := range a.families {
		r.Family()
		a.families[i].read(&w.state, e)
	}
	return w.state.version
}

// emitter passes on one endpoint's samples to a renderer, which keeps none of them, while
// the endpoint's state is locked.
type emitter struct {
	renderer    *exposition.Renderer
	info        []string // values of session_endpoint_info's labels
	labelValues []string // of the last sample, to reuse their memory
	message     message  // of the last histogram, to reuse its memory
}

var emitters = sync.Pool{New: func() any { return new(emitter) }}

// emit adds a sample of the current family, with values for its own labels.
func (e *emitter) emit(value float64, labelValues ...string) {
	e.labelValues = append(e.labelValues[:0], labelValues...)
	e.renderer.Sample(value, e.labelValues)
}

func (e *emitter) emitIf(known bool, value float64) {
	if known {
		e.emit(value)
	}
}

// emitTime adds a Unix time, unless t is zero.
func (e *emitter) emitTime(t time.Time, labelValues ...string) {
	if !t.IsZero() {
		e.emit(unixSeconds(t), labelValues...)
	}
}

func (e *emitter) emitHistogram(h *histogram) { e.renderer.Histogram(h.dto(&e.message)) }
