package collector

import (
	"cmp"
	"slices"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"session_exporter/exposition"
)

// Page returns the endpoints' metrics in a format, nil for one that only
// Endpoints can be asked for.
func (c *Collector) Page(format expfmt.Format) *exposition.Page {
	for _, page := range c.applied.Load().pages {
		if page.Writes(format) {
			return page
		}
	}
	return nil
}

// newPages returns the pages of a configuration. They end with it: labels and
// metrics may be others in the next.
func newPages(a *applied) []*exposition.Page {
	sorted := slices.Clone(a.watched)
	slices.SortFunc(sorted, func(a, b watched) int {
		return slices.CompareFunc(a.labels, b.labels, func(a, b *dto.LabelPair) int { return cmp.Compare(a.GetValue(), b.GetValue()) })
	})
	families := make([]exposition.Family, len(a.families))
	for i, f := range a.families {
		families[i] = exposition.Family{Name: f.name, Help: f.help, Type: f.kind, Labels: f.labels}
	}
	return exposition.NewPages(&exposition.Source{
		Families:   families,
		LabelNames: ownerLabels(a.config),
		Owners:     len(sorted),
		Render: func(owner int, known uint64, r *exposition.Renderer) uint64 {
			return a.render(sorted[owner], known, r)
		},
	})
}

// render renders an endpoint's samples, unless its state is still of the version
// that is known.
func (a *applied) render(w watched, known uint64, r *exposition.Renderer) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state.version == known {
		return known
	}
	e := emitter{out: r}
	r.Begin(w.labels)
	for i := range a.families {
		r.Family()
		a.families[i].read(&w.state, &e)
	}
	return w.state.version
}
