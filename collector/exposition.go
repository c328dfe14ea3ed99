package collector

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"session_exporter/collector/exposition"
	"session_exporter/config"
	"session_exporter/probe"
)

// newFamilies returns the families for a configuration, sorted by name, without those that
// it denies.
func newFamilies(settings *config.Config) []family {
	families := slices.DeleteFunc(familyTable(), func(f family) bool { return denies(settings, f.name) })
	slices.SortFunc(families, func(a, b family) int { return cmp.Compare(a.name, b.name) })
	return families
}

// targetLabels returns the names of the labels that all series of an endpoint have.
// labelNames are those of the configuration.
func targetLabels(labelNames []string) []string {
	return slices.Sorted(slices.Values(append([]string{"endpoint", "api"}, labelNames...)))
}

// Endpoints gathers the metrics of the endpoints. Cache writes them at a fraction of the
// cost.
func (c *Collector) Endpoints() prometheus.Gatherer {
	return gatherer(func(out io.Writer) error {
		return c.Cache(protobufFormat).Write(out, protobufFormat, nil, nil)
	})
}

var protobufFormat = expfmt.NewFormat(expfmt.TypeProtoDelim)

// gatherer makes a prometheus.Gatherer of a function that writes metrics in protobufFormat.
type gatherer func(out io.Writer) error

func (g gatherer) Gather() ([]*dto.MetricFamily, error) {
	var page bytes.Buffer
	if err := g(&page); err != nil {
		return nil, err
	}
	var families []*dto.MetricFamily
	for decoder := expfmt.NewDecoder(&page, protobufFormat); ; {
		family := new(dto.MetricFamily)
		switch err := decoder.Decode(family); {
		case errors.Is(err, io.EOF):
			return families, nil
		case err != nil:
			return nil, err
		}
		families = append(families, family)
	}
}

// ExporterMetrics exposes the metrics about the exporter itself.
func (c *Collector) ExporterMetrics() prometheus.Collector {
	return collect(func(ch chan<- prometheus.Metric) {
		current := c.applied.Load()
		held := 0
		for _, all := range [][]watched{current.watched, c.onDemand.all()} { // not slices.Concat, which would copy the endpoints
			for _, w := range all {
				if w.holds() {
					held++
				}
			}
		}
		c.metrics.collect(ch, current.config, held)
	})
}

// collect is a prometheus.Collector without descriptions.
type collect func(ch chan<- prometheus.Metric)

func (collect) Describe(chan<- *prometheus.Desc)      {}
func (c collect) Collect(ch chan<- prometheus.Metric) { c(ch) }

// unixSeconds converts a time. UnixNano cannot represent the year 9999, the NotAfter
// of certificates that never expire (RFC 5280, 4.1.2.5).
func unixSeconds(t time.Time) float64 { return float64(t.Unix()) + float64(t.Nanosecond())/1e9 }

// endpointLabels returns the labels that all series of an endpoint have, sorted by name.
// Labels that only other endpoints set are empty.
func endpointLabels(endpoint *config.Endpoint, labelNames []string) []*dto.LabelPair {
	names := targetLabels(labelNames)
	labels := make([]*dto.LabelPair, len(names))
	for i, name := range names {
		value := endpoint.Labels[name]
		switch name {
		case "endpoint":
			value = endpoint.Name
		case "api":
			value = endpoint.API
		}
		labels[i] = &dto.LabelPair{Name: &name, Value: &value}
	}
	return labels
}

// endpointInfo returns the values of session_endpoint_info's labels. The URL has
// neither user information nor a query.
func endpointInfo(endpoint *config.Endpoint) []string {
	address := url.URL{Scheme: endpoint.URL.Scheme, Host: endpoint.URL.Host, Path: endpoint.URL.Path, RawPath: endpoint.URL.RawPath}
	return []string{address.String(), endpoint.Module, endpoint.Credential.Name, string(endpoint.Auth)}
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

// Names returns the names of all metrics that a Collector may expose, whether or not they
// have a sample.
func Names() ([]string, error) {
	var names []string
	for _, f := range familyTable() {
		names = append(names, f.name)
	}
	// A credential that has been used has all metrics of credentials.
	metrics := newExporterMetrics(func() []probe.CredentialStatus { return []probe.CredentialStatus{{Changed: time.Now()}} })
	registry := prometheus.NewRegistry()
	registry.MustRegister(collect(func(ch chan<- prometheus.Metric) { metrics.collect(ch, &config.Config{}, 0) }))
	families, err := registry.Gather()
	for _, f := range families {
		names = append(names, f.GetName())
	}
	return names, err
}
