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

type desc = prometheus.Desc

const (
	durationName = "session_probe_duration_seconds"
	durationHelp = "Duration of probes that were sent, login and renewal included."
)

// newFamilies returns the table for a set of label names.
func newFamilies(labelNames []string) []family {
	families := familyTable()
	for i := range families {
		families[i].desc = newDesc(families[i].name, families[i].help, labelNames, families[i].labels...)
	}
	return families
}

func newDesc(name, help string, labelNames []string, more ...string) *desc {
	return prometheus.NewDesc(name, help, slices.Concat([]string{"endpoint", "api"}, labelNames, more), nil)
}

// Describe implements prometheus.Collector. It sends nothing: the labels depend
// on the configuration, which a reload changes.
func (c *Collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	now := c.applied.Load()
	now.expose(ch, now.watched...)
	held := 0
	for _, w := range slices.Concat(now.watched, c.demand.all()) {
		if result := w.found(); !result.Established.IsZero() {
			held++
		}
	}
	c.metrics.collect(ch, len(now.watched), held)
}

// expose sends the metrics of endpoints.
func (a *applied) expose(ch chan<- prometheus.Metric, all ...watched) {
	durationDesc := newDesc(durationName, durationHelp, a.config.LabelNames)
	var e emitter
	for _, w := range all {
		e.labels, e.metrics = w.labels, e.metrics[:0]
		w.mu.Lock()
		for i := range a.families {
			e.family = &a.families[i]
			e.family.read(&w.state, &e)
		}
		w.mu.Unlock()
		for _, metric := range e.metrics {
			ch <- metric
		}
		ch <- &labelled{w.duration, durationDesc, w.labels}
	}
}

// emitter gathers one endpoint's samples while its state is locked.
type emitter struct {
	family  *family
	labels  []*dto.LabelPair
	metrics []prometheus.Metric
}

// emit adds a sample of the current family, with values for its own labels.
func (e *emitter) emit(value float64, labelValues ...string) {
	labels := e.labels
	if len(labelValues) > 0 {
		labels = append(make([]*dto.LabelPair, 0, len(labels)+len(labelValues)), labels...)
		for i := range labelValues {
			labels = append(labels, &dto.LabelPair{Name: &e.family.labels[i], Value: &labelValues[i]})
		}
		sortLabels(labels)
	}
	e.metrics = append(e.metrics, &sample{e.family, labels, value})
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

// sample is a prometheus.Metric that shares its labels with the endpoint's
// other samples: client_golang's constant metrics build them anew each time.
type sample struct {
	family *family
	labels []*dto.LabelPair
	value  float64
}

func (s *sample) Desc() *prometheus.Desc { return s.family.desc }

func (s *sample) Write(m *dto.Metric) error {
	m.Label = s.labels
	if s.family.kind == counter {
		m.Counter = &dto.Counter{Value: &s.value}
	} else {
		m.Gauge = &dto.Gauge{Value: &s.value}
	}
	return nil
}

// labelled gives a metric an endpoint's labels.
type labelled struct {
	prometheus.Metric
	desc   *desc
	labels []*dto.LabelPair
}

func (l *labelled) Desc() *prometheus.Desc { return l.desc }

func (l *labelled) Write(m *dto.Metric) error {
	err := l.Metric.Write(m)
	m.Label = l.labels
	return err
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

// histogram is what client_golang's histograms are.
type histogram interface {
	prometheus.Histogram
	prometheus.ExemplarObserver
}

func newDurationHistogram() histogram {
	//nolint:forcetypeassert // documented: its histograms take exemplars
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: durationName,
		Help: durationHelp,
		// From a kept connection on the same site to the default timeout.
		Buckets:                         []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  50,
		NativeHistogramMinResetDuration: time.Hour,
	}).(histogram)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
