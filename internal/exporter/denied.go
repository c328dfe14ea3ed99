package exporter

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"

	"session_exporter/collector"
	"session_exporter/config"
)

// unmatchedWarning is the warning about a pattern of `metrics_deny`.
const unmatchedWarning = "matches no metric; a histogram has one name, without _bucket, _sum and _count"

// processCollectors returns the collectors that every exporter has.
func processCollectors() []prometheus.Collector {
	return []prometheus.Collector{
		versioncollector.NewCollector("session_exporter"),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	}
}

// deniable returns the names of all metrics that `metrics_deny` can deny.
func deniable() ([]string, error) {
	names, err := collector.Names()
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(processCollectors()...)
	families, err := registry.Gather()
	for _, f := range families {
		names = append(names, f.GetName())
	}
	return append(names, "promhttp_metric_handler_errors_total"), err
}

// unmatchedPatterns returns the indexes of the patterns of `metrics_deny` that match no
// metric.
func unmatchedPatterns(settings *config.Config) (indexes []int) {
	if len(settings.MetricsDeny) == 0 {
		return nil
	}
	names, err := deniable()
	if err != nil {
		return nil // without the names, no pattern can be checked
	}
	for i, pattern := range settings.MetricsDeny {
		if !slices.ContainsFunc(names, pattern.MatchString) {
			indexes = append(indexes, i)
		}
	}
	return indexes
}
