package collector

import (
	"regexp"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Filter leaves out of what gatherer gathers the metrics that the configuration
// denies.
func (c *Collector) Filter(gatherer prometheus.Gatherer) prometheus.Gatherer {
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := gatherer.Gather()
		denied := c.applied.Load().config.MetricsDeny
		if len(denied) > 0 {
			families = slices.DeleteFunc(families, func(f *dto.MetricFamily) bool {
				return slices.ContainsFunc(denied, func(re *regexp.Regexp) bool { return re.MatchString(f.GetName()) })
			})
		}
		return families, err
	})
}
