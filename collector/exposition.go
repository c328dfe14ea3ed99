package collector

import (
	"cmp"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"session_exporter/collector/exposition"
	"session_exporter/config"
	"session_exporter/probe"
)

// newFamilies returns the families for a configuration, sorted by name, without those that
// it denies.
func newFamilies(settings *config.Config) []family {
	families := slices.DeleteFunc(familyTable(), func(f family) bool { return denies(settings, f.name) })
	slices.SortFunc(families, func(a, b family) int { return cmp.Compare(a.name, b.name) })
	for i := range families {
		f := &families[i]
		f.desc = prometheus.NewDesc(f.name, f.help, slices.Concat(targetLabels(settings), f.labels), nil)
	}
	return families
}

// targetLabels returns the names of the labels that all series of an endpoint have.
func targetLabels(settings *config.Config) []string {
	return slices.Sorted(slices.Values(append([]string{"endpoint", "api"}, settings.LabelNames...)))
}

// Describe implements prometheus.Collector. It sends nothing, because the labels depend on
// the configuration, which a reload changes.
func (c *Collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	c.Endpoints().Collect(ch)
	c.ExporterMetrics().Collect(ch)
}

// Endpoints exposes only the endpoints. Cache does the same at a fraction of the cost.
func (c *Collector) Endpoints() prometheus.Collector {
	return collect(func(ch chan<- prometheus.Metric) {
		current := c.applied.Load()
		current.expose(ch, current.watched...)
	})
}

// ExporterMetrics exposes only the metrics about the exporter itself.
func (c *Collector) ExporterMetrics() prometheus.Collector { return collect(c.collectExporter) }

// collect is a prometheus.Collector without descriptions.
type collect func(ch chan<- prometheus.Metric)

func (collect) Describe(chan<- *prometheus.Desc)      {}
func (c collect) Collect(ch chan<- prometheus.Metric) { c(ch) }

func (c *Collector) collectExporter(ch chan<- prometheus.Metric) {
	current := c.applied.Load()
	held := 0
	for _, all := range [][]watched{current.watched, c.onDemand.all()} {
		for _, w := range all {
			if w.holds() {
				held++
			}
		}
	}
	c.metrics.collect(ch, current.config, held)
}

// expose sends the metrics of endpoints.
func (a *applied) expose(ch chan<- prometheus.Metric, all ...watched) {
	for _, w := range all {
		samples := samples{labels: w.labels}
		e := emitter{out: &samples, info: w.info}
		w.mu.Lock()
		samples.created = timestamppb.New(w.state.created())
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

// emitter passes on one endpoint's samples while its state is locked.
type emitter struct {
	out interface {
		// Sample takes a sample of the current family. It does not keep labelValues.
		Sample(value float64, labelValues []string)
		Histogram(h *histogram)
	}
	info        []string // values of session_endpoint_info's labels
	labelValues []string // of the last sample, to reuse their memory
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

// emitTime adds a Unix time, unless t is zero.
func (e *emitter) emitTime(t time.Time, labelValues ...string) {
	if !t.IsZero() {
		e.emit(unixSeconds(t), labelValues...)
	}
}

// unixSeconds converts a time. UnixNano cannot represent the year 9999, in which
// certificates without an expiry expire.
func unixSeconds(t time.Time) float64 { return float64(t.Unix()) + float64(t.Nanosecond())/1e9 }

// samples collects one endpoint's samples for client_golang.
type samples struct {
	family *family // the current one
	labels []*dto.LabelPair
	// created is when the endpoint's counters started.
	created *timestamppb.Timestamp
	all     []prometheus.Metric
}

// Sample implements emitter.out.
func (s *samples) Sample(value float64, labelValues []string) {
	labels := s.labels
	if len(labelValues) > 0 {
		labels = slices.Clone(labels)
		for i, name := range s.family.labels {
			labels = append(labels, labelPair(name, labelValues[i]))
		}
		sortLabels(labels)
	}
	added := &sample{desc: s.family.desc, labels: labels}
	if s.family.kind == counter {
		added.counter = &dto.Counter{Value: &value, CreatedTimestamp: s.created}
	} else {
		added.gauge = &dto.Gauge{Value: &value}
	}
	s.all = append(s.all, added)
}

// Histogram implements emitter.out.
func (s *samples) Histogram(h *histogram) {
	s.all = append(s.all, &sample{desc: s.family.desc, labels: s.labels, histogram: h.dto()})
}

// sample is a prometheus.Metric that shares its labels with the endpoint's other samples.
// client_golang's constant metrics build them for each sample.
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

// endpointLabels returns the labels that all series of an endpoint have, sorted by name.
// Labels that only other endpoints set are empty.
func endpointLabels(endpoint *config.Endpoint, labelNames []string) []*dto.LabelPair {
	labels := []*dto.LabelPair{labelPair("endpoint", endpoint.Name), labelPair("api", endpoint.API)}
	for _, name := range labelNames {
		labels = append(labels, labelPair(name, endpoint.Labels[name]))
	}
	sortLabels(labels)
	return labels
}

// endpointInfo returns the values of session_endpoint_info's labels. The URL has
// neither user information nor a query.
func endpointInfo(endpoint *config.Endpoint) []string {
	address := url.URL{Scheme: endpoint.URL.Scheme, Host: endpoint.URL.Host, Path: endpoint.URL.Path, RawPath: endpoint.URL.RawPath}
	return []string{address.String(), endpoint.Module, endpoint.Credential.Name, string(endpoint.Auth)}
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

// Filter removes the metrics that the configuration denies, and adds units.
func (c *Collector) Filter(gatherer prometheus.Gatherer) prometheus.Gatherer {
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := gatherer.Gather()
		settings := c.applied.Load().config
		for _, family := range families {
			if unit := exposition.UnitOf(family.GetName()); unit != "" {
				family.Unit = &unit
			}
		}
		return slices.DeleteFunc(families, func(f *dto.MetricFamily) bool { return denies(settings, f.GetName()) }), err
	})
}

func denies(settings *config.Config, name string) bool {
	return slices.ContainsFunc(settings.MetricsDeny, func(re *regexp.Regexp) bool { return re.MatchString(name) })
}

// Names returns the names of all metrics that a Collector may expose, with or without a
// sample now.
func Names() ([]string, error) {
	var names []string
	for _, f := range familyTable() {
		names = append(names, f.name)
	}
	// A credential that has been used has all metrics of credentials.
	metrics := newExporterMetrics(func() []probe.CredentialStatus { return []probe.CredentialStatus{{Changed: time.Now()}} })
	registry := prometheus.NewRegistry()
	if err := registry.Register(collect(func(ch chan<- prometheus.Metric) { metrics.collect(ch, &config.Config{}, 0) })); err != nil {
		return nil, err
	}
	families, err := registry.Gather()
	for _, f := range families {
		names = append(names, f.GetName())
	}
	return names, err
}
