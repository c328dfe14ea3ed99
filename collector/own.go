package collector

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"session_exporter/config"
	"session_exporter/probe"
)

// ownMetrics are those about the exporter itself.
type ownMetrics struct {
	reloadSuccessful prometheus.Gauge
	reloadSuccess    prometheus.Gauge
	inFlight         prometheus.Gauge
	delay            prometheus.Histogram
	skipped          prometheus.Counter

	endpoints, shard, held       *prometheus.Desc
	suspended, refusals, changed *prometheus.Desc // by credential

	credentials func() []probe.CredentialStatus
}

func newOwnMetrics(credentials func() []probe.CredentialStatus) *ownMetrics {
	byCredential := []string{"credential"}
	return &ownMetrics{
		credentials: credentials,
		suspended:   prometheus.NewDesc("session_exporter_credential_suspended", "Whether the lockout guard withholds the credential's secret from every endpoint.", byCredential, nil),
		refusals:    prometheus.NewDesc("session_exporter_credential_refusals_total", "Refusals of the credential's secrets.", byCredential, nil),
		changed:     prometheus.NewDesc("session_exporter_credential_changed_timestamp_seconds", "When the credential's secret last changed, as Unix time: its file's time, or when the exporter first saw it. No sample before its first use.", byCredential, nil),
		reloadSuccessful: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "session_exporter_config_last_reload_successful",
			Help: "Whether the last attempt to load the configuration succeeded.",
		}),
		reloadSuccess: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "session_exporter_config_last_reload_success_timestamp_seconds",
			Help: "When the configuration was last loaded successfully, as Unix time.",
		}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "session_exporter_probes_in_flight",
			Help: "Probes that run now.",
		}),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:                            "session_exporter_probe_delay_seconds",
			Help:                            "How long after their scheduled time probes began.",
			Buckets:                         []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}),
		skipped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "session_exporter_probes_skipped_total",
			Help: "Scheduled probes that were not made because the endpoint's probe before had not ended by then.",
		}),
		endpoints: prometheus.NewDesc("session_exporter_endpoints", "Endpoints that are watched.", nil, nil),
		shard:     prometheus.NewDesc("session_exporter_shard_info", "Which of how many shares of the endpoints the exporter watches; 1. Without --shard it is 0 of 1.", []string{"shard", "shards"}, nil),
		held:      prometheus.NewDesc("session_exporter_sessions_held", "Sessions on appliances that the exporter established and holds. A token that somebody else obtained is none.", nil, nil),
	}
}

func (m *ownMetrics) reloaded(successful bool) {
	m.reloadSuccessful.Set(truth(successful))
	if successful {
		m.reloadSuccess.SetToCurrentTime()
	}
}

func (m *ownMetrics) collect(ch chan<- prometheus.Metric, settings *config.Config, held int) {
	for _, metric := range []prometheus.Metric{m.reloadSuccessful, m.reloadSuccess, m.inFlight, m.delay, m.skipped} {
		ch <- metric
	}
	ch <- prometheus.MustNewConstMetric(m.endpoints, prometheus.GaugeValue, float64(len(settings.Endpoints)))
	share := settings.Share
	ch <- prometheus.MustNewConstMetric(m.shard, prometheus.GaugeValue, 1, strconv.Itoa(share.Index), strconv.Itoa(max(share.Count, 1)))
	ch <- prometheus.MustNewConstMetric(m.held, prometheus.GaugeValue, float64(held))
	for _, c := range m.credentials() {
		ch <- prometheus.MustNewConstMetric(m.suspended, prometheus.GaugeValue, truth(c.Suspended), c.Name)
		ch <- prometheus.MustNewConstMetric(m.refusals, prometheus.CounterValue, float64(c.Refusals), c.Name)
		if !c.Changed.IsZero() {
			ch <- prometheus.MustNewConstMetric(m.changed, prometheus.GaugeValue, unixSeconds(c.Changed), c.Name)
		}
	}
}
