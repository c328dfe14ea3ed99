package collector

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"session_exporter/config"
	"session_exporter/probe"
)

// exporterMetrics are the metrics about the exporter itself.
type exporterMetrics struct {
	reloadSuccessful prometheus.Gauge
	reloadSuccess    prometheus.Gauge
	inFlight         prometheus.Gauge
	delay            prometheus.Histogram
	skipped          prometheus.Counter
	panics           prometheus.Counter

	endpoints, shard, held       *prometheus.Desc
	suspended, refusals, changed *prometheus.Desc // by credential

	credentials func() []probe.CredentialStatus
}

func newExporterMetrics(credentials func() []probe.CredentialStatus) *exporterMetrics {
	byCredential := []string{"credential"}
	return &exporterMetrics{
		credentials:      credentials,
		suspended:        prometheus.NewDesc("session_exporter_credential_suspended", "Whether the lockout guard holds back logins of the credential, at one endpoint or everywhere.", byCredential, nil),
		refusals:         prometheus.NewDesc("session_exporter_credential_refusals_total", "Refused logins, HTTP Basic checks and token requests with the credential's secrets.", byCredential, nil),
		changed:          prometheus.NewDesc("session_exporter_credential_changed_timestamp_seconds", "Unix time at which the credential's secret last changed: the modification time of its file, or when the exporter first read it. No sample before its first use.", byCredential, nil),
		reloadSuccessful: prometheus.NewGauge(prometheus.GaugeOpts{Name: "session_exporter_config_last_reload_successful", Help: "Whether the last attempt to load the configuration was successful."}),
		reloadSuccess:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "session_exporter_config_last_reload_success_timestamp_seconds", Help: "Unix time at which the configuration was last loaded successfully."}),
		inFlight:         prometheus.NewGauge(prometheus.GaugeOpts{Name: "session_exporter_probes_in_flight", Help: "Number of probes in flight."}),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:                            "session_exporter_probe_delay_seconds",
			Help:                            "Delay between the scheduled time of a probe and its start.",
			Buckets:                         []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}),
		skipped:   prometheus.NewCounter(prometheus.CounterOpts{Name: "session_exporter_probes_skipped_total", Help: "Scheduled probes skipped because the previous probe had not ended."}),
		panics:    prometheus.NewCounter(prometheus.CounterOpts{Name: "session_exporter_probe_panics_total", Help: "Panics while probing or logging out, each a bug in the exporter. Its log has the stack traces."}),
		endpoints: prometheus.NewDesc("session_exporter_endpoints", "Number of configured endpoints that are probed.", nil, nil),
		shard:     prometheus.NewDesc("session_exporter_shard_info", "Shard of the endpoints that the exporter probes, and the number of shards. Always 1; shard 0 of 1 without --shard.", []string{"shard", "shards"}, nil),
		held:      prometheus.NewDesc("session_exporter_sessions_held", "Number of sessions that the exporter has established and holds. Tokens obtained elsewhere do not count.", nil, nil),
	}
}

func (m *exporterMetrics) collect(ch chan<- prometheus.Metric, settings *config.Config, held int) {
	for _, metric := range []prometheus.Metric{m.reloadSuccessful, m.reloadSuccess, m.inFlight, m.delay, m.skipped, m.panics} {
		ch <- metric
	}
	ch <- prometheus.MustNewConstMetric(m.endpoints, prometheus.GaugeValue, float64(len(settings.Endpoints)))
	shard := settings.Shard
	ch <- prometheus.MustNewConstMetric(m.shard, prometheus.GaugeValue, 1, strconv.Itoa(shard.Index), strconv.Itoa(max(shard.Count, 1)))
	ch <- prometheus.MustNewConstMetric(m.held, prometheus.GaugeValue, float64(held))
	for _, c := range m.credentials() {
		ch <- prometheus.MustNewConstMetric(m.suspended, prometheus.GaugeValue, truth(c.Suspended), c.Name)
		ch <- prometheus.MustNewConstMetricWithCreatedTimestamp(m.refusals, prometheus.CounterValue, float64(c.Refusals), c.Since, c.Name)
		if !c.Changed.IsZero() {
			ch <- prometheus.MustNewConstMetric(m.changed, prometheus.GaugeValue, unixSeconds(c.Changed), c.Name)
		}
	}
}
