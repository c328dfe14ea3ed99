package collector

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"session_exporter/config"
)

// newFamilies returns the table for a configuration: without the metrics that it
// denies, and sorted by name.
func newFamilies(settings *config.Config) []family {
	families := slices.DeleteFunc(familyTable(), func(f family) bool { return denies(settings, f.name) })
	slices.SortFunc(families, func(a, b family) int { return cmp.Compare(a.name, b.name) })
	for i := range families {
		f := &families[i]
		f.desc = prometheus.NewDesc(f.name, f.help, slices.Concat(ownerLabels(settings), f.labels), nil)
	}
	return families
}

// ownerLabels are the names of the labels of all series of an endpoint.
func ownerLabels(settings *config.Config) []string {
	return slices.Sorted(slices.Values(append([]string{"endpoint", "api"}, settings.LabelNames...)))
}

// Describe implements prometheus.Collector. It sends nothing: the labels depend
// on the configuration, which a reload changes.
func (c *Collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	c.Endpoints().Collect(ch)
	c.Own().Collect(ch)
}

// Endpoints exposes the endpoints alone. Page does the same for much less.
func (c *Collector) Endpoints() prometheus.Collector { return collect(c.collectEndpoints) }

// Own exposes the exporter's own metrics alone.
func (c *Collector) Own() prometheus.Collector { return collect(c.collectOwn) }

// collect is a prometheus.Collector that describes nothing beforehand.
type collect func(ch chan<- prometheus.Metric)

func (collect) Describe(chan<- *prometheus.Desc)      {}
func (c collect) Collect(ch chan<- prometheus.Metric) { c(ch) }

func (c *Collector) collectEndpoints(ch chan<- prometheus.Metric) {
	now := c.applied.Load()
	now.expose(ch, now.watched...)
}

func (c *Collector) collectOwn(ch chan<- prometheus.Metric) {
	now := c.applied.Load()
	held := 0
	for _, all := range [][]watched{now.watched, c.demand.all()} {
		for _, w := range all {
			if w.holds() {
				held++
			}
		}
	}
	c.metrics.collect(ch, now.config, held)
}

// expose sends the metrics of endpoints.
func (a *applied) expose(ch chan<- prometheus.Metric, all ...watched) {
	for _, w := range all {
		samples := samples{labels: w.labels}
		e := emitter{out: &samples}
		w.mu.Lock()
		for i := range a.families {
			samples.family = &a.families[i]
			samples.family.read(&w.state, &e)
		}
		w.mu.Unlock()
		for _, sample := range samples.all {
			ch <- sample
		}
	}
}

// emitter hands on one endpoint's samples while its state is locked.
type emitter struct {
	out interface {
		// Sample takes a sample of the current family. It does not keep labelValues.
		Sample(value float64, labelValues []string)
		Histogram(h *dto.Histogram)
	}
	labelValues []string // of the sample before, for their memory
}

// emit adds a sample of the current family, with values for its own labels.
func (e *emitter) emit(value float64, labelValues ...string) {
	e.labelValues = append(e.labelValues[:0], labelValues...)
	e.out.Sample(value, e.labelValues)
}

func (e *emitter) emitIf(known bool, value float64) {
	if known {
		e.emit(value)
	}
}

// emitTime adds a Unix time, unless there is none.
func (e *emitter) emitTime(t time.Time, labelValues ...string) {
	if !t.IsZero() {
		e.emit(unixSeconds(t), labelValues...)
	}
}

// unixSeconds converts a time. Certificates without an end say that they end in
// 9999, which UnixNano cannot.
func unixSeconds(t time.Time) float64 { return float64(t.Unix()) + float64(t.Nanosecond())/1e9 }

// samples gathers one endpoint's samples for client_golang.
type samples struct {
	family *family // the current one
	labels []*dto.LabelPair
	all    []prometheus.Metric
}

// Sample implements what an emitter wants.
func (s *samples) Sample(value float64, labelValues []string) {
	labels := s.labels
	if len(labelValues) > 0 {
		labels = slices.Clone(labels)
		for i, name := range s.family.labels {
			labels = append(labels, labelPair(name, labelValues[i]))
		}
		sortLabels(labels)
	}
	found := &sample{desc: s.family.desc, labels: labels}
	if s.family.kind == counter {
		found.counter = &dto.Counter{Value: &value}
	} else {
		found.gauge = &dto.Gauge{Value: &value}
	}
	s.all = append(s.all, found)
}

// Histogram implements what an emitter wants.
func (s *samples) Histogram(h *dto.Histogram) {
	s.all = append(s.all, &sample{desc: s.family.desc, labels: s.labels, histogram: h})
}

// sample is a prometheus.Metric that shares its labels with the endpoint's
// other samples: client_golang's constant metrics build them anew each time.
type sample struct {
	desc      *prometheus.Desc
	labels    []*dto.LabelPair
	gauge     *dto.Gauge
	counter   *dto.Counter
	histogram *dto.Histogram
}

func (s *sample) Desc() *prometheus.Desc { return s.desc }

func (s *sample) Write(m *dto.Metric) error {
	m.Label, m.Gauge, m.Counter, m.Histogram = s.labels, s.gauge, s.counter, s.histogram
	return nil
}

// endpointLabels returns the labels of all series of an endpoint, sorted by
// name: its own, empty where only others have them.
func endpointLabels(endpoint *config.Endpoint, labelNames []string) []*dto.LabelPair {
	labels := []*dto.LabelPair{labelPair("endpoint", endpoint.Name), labelPair("api", endpoint.API)}
	for _, name := range labelNames {
		labels = append(labels, labelPair(name, endpoint.Labels[name]))
	}
	sortLabels(labels)
	return labels
}

func labelPair(name, value string) *dto.LabelPair {
	return &dto.LabelPair{Name: new(name), Value: new(value)}
}

func sortLabels(labels []*dto.LabelPair) {
	slices.SortFunc(labels, func(a, b *dto.LabelPair) int { return cmp.Compare(a.GetName(), b.GetName()) })
}

func sortedKeys[V any](m map[string]V) []string {
	if len(m) == 0 {
		return nil
	}
	keys := slices.AppendSeq(make([]string, 0, len(m)), maps.Keys(m))
	slices.Sort(keys)
	return keys
}
