package collector

import (
	"regexp"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"session_exporter/config"
)

// Filter leaves out of what gatherer gathers the metrics that the configuration
// denies.
func (c *Collector) Filter(gatherer prometheus.Gatherer) prometheus.Gatherer {
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := gatherer.Gather()
		settings := c.applied.Load().config
		return slices.DeleteFunc(families, func(f *dto.MetricFamily) bool { return denies(settings, f.GetName()) }), err
	})
}

func denies(settings *config.Config, name string) bool {
	return slices.ContainsFunc(settings.MetricsDeny, func(re *regexp.Regexp) bool { return re.MatchString(name) })
}
