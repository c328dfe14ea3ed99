package report

import (
	"io"

	"github.com/prometheus/common/expfmt"

	"session_exporter/collector"
)

// Metrics writes the metrics of a collector's endpoints in Prometheus' text format.
func Metrics(out io.Writer, c *collector.Collector) error {
	families, err := c.Endpoints().Gather()
	if err != nil {
		return err
	}
	encoder := expfmt.NewEncoder(out, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			return err
		}
	}
	return nil
}
