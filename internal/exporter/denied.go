package exporter

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"

	"session_exporter/collector"
)

// processCollectors returns the collectors that every exporter has.
func processCollectors() []prometheus.Collector {
	return []prometheus.Collector{
		versioncollector.NewCollector("session_exporter"),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	}
}

// deniable returns the names of all metrics that `metrics_deny` can deny.
var deniable = sync.OnceValues(func() ([]string, error) {
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
})
