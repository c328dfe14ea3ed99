package collector

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"session_exporter/config"
	"session_exporter/probe"
)

// Names returns the names of all metrics that a Collector may have: those too that
// have no sample yet.
func Names() ([]string, error) {
	var names []string
	for _, f := range familyTable() {
		names = append(names, f.name)
	}
	// A credential that has been used has all of the metrics that credentials have.
	own := newOwnMetrics(func() []probe.CredentialStatus { return []probe.CredentialStatus{{Changed: time.Now()}} })
	registry := prometheus.NewRegistry()
	if err := registry.Register(collect(func(ch chan<- prometheus.Metric) { own.collect(ch, &config.Config{}, 0) })); err != nil {
		return nil, err
	}
	families, err := registry.Gather()
	for _, f := range families {
		names = append(names, f.GetName())
	}
	return names, err
}
