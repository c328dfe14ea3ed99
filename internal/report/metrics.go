package report

import (
	"io"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"session_exporter/collector"
)

// Metrics writes the metrics of a collector's endpoints in Prometheus' text format.
func Metrics(out io.Writer, c *collector.Collector) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	families, err := c.Filter(registry).Gather()
	if err != nil {
		return err
	}
	encoder := expfmt.NewEncoder(out, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, family := range families {
		if strings.HasPrefix(family.GetName(), "session_exporter_") {
			continue // these metrics describe a running exporter
		}
		if err := encoder.Encode(family); err != nil {
			return err
		}
	}
	return nil
}
