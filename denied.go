package main

import (
	"fmt"
	"log/slog"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"

	"session_exporter/collector"
	"session_exporter/config"
)

// deniesNothing is what is wrong with a pattern that looks as if it denied something.
const deniesNothing = "this pattern matches no metric; a histogram has one name, without _bucket, _sum and _count"

// ofTheProcess are the metrics that any exporter has.
func ofTheProcess() []prometheus.Collector {
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
	for _, c := range ofTheProcess() {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	families, err := registry.Gather()
	for _, f := range families {
		names = append(names, f.GetName())
	}
	return append(names, "promhttp_metric_handler_errors_total"), err
}

// idlePatterns returns the keys of the patterns of `metrics_deny` that match no
// metric. The patterns themselves stay in the file, as with errors.
func idlePatterns(settings *config.Config) (keys []string) {
	if len(settings.MetricsDeny) == 0 {
		return nil
	}
	names, err := deniable()
	if err != nil {
		return nil // what is not known cannot be missed
	}
	for i, pattern := range settings.MetricsDeny {
		if !slices.ContainsFunc(names, pattern.MatchString) {
			keys = append(keys, fmt.Sprintf("global.metrics_deny[%d]", i))
		}
	}
	return keys
}

func warnOfIdlePatterns(settings *config.Config, logger *slog.Logger) {
	for _, key := range idlePatterns(settings) {
		logger.Warn(deniesNothing, "key", key)
	}
}
