package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"session_exporter/collector"
	"session_exporter/config"
	"session_exporter/probe"
)

// scrapeTimeout is the header by which Prometheus tells for how long it waits.
const scrapeTimeout = "X-Prometheus-Scrape-Timeout-Seconds"

// answerTime is what is left of the scrape's timeout for the answer to get there.
// A shorter timeout leaves half of itself.
const answerTime = 500 * time.Millisecond

// probe probes an endpoint, or a target that only the request names, and answers
// with its metrics: the multi-target exporter pattern.
func (o *server) probe(w http.ResponseWriter, r *http.Request) {
	within, err := timeLeft(r.Header)
	if err != nil {
		answer(w, http.StatusBadRequest, err.Error())
		return
	}
	ctx := r.Context()
	debugging := r.URL.Query().Get("debug") == "true"
	if debugging {
		ctx = probe.WithTrace(ctx)
	}
	found, err := o.found(ctx, r.URL.Query(), within)
	if err != nil {
		answer(w, statusOf(err), err.Error())
		return
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(found.Metrics,
		gauge("probe_success", "Whether the probe found a valid session.", truth(found.Result.State == probe.Valid)),
		gauge("probe_duration_seconds", "How long the probe took.", found.Result.Duration.Seconds()))
	metrics := o.Collector.Filter(registry)
	if debugging {
		debug(w, found, metrics)
		return
	}
	promhttp.HandlerFor(metrics, promhttp.HandlerOpts{EnableOpenMetrics: true}).ServeHTTP(w, r)
}

// found probes what a request asks for.
func (o *server) found(ctx context.Context, query url.Values, within time.Duration) (*collector.Answer, error) {
	endpoint, module, target := query.Get("endpoint"), query.Get("module"), query.Get("target")
	switch {
	case endpoint != "" && module == "" && target == "":
		return o.Collector.Probe(ctx, endpoint, within)
	case endpoint == "" && module != "" && target != "":
		return o.Collector.ProbeTarget(ctx, module, target, within)
	default:
		return nil, errors.New("name what to probe: /probe?endpoint=NAME, or /probe?module=MODULE&target=URL")
	}
}

// timeLeft returns how long a probe may take for its scrape to be in time, zero
// when the request does not say.
func timeLeft(header http.Header) (time.Duration, error) {
	text := header.Get(scrapeTimeout)
	if text == "" {
		return 0, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	const most = 24 * time.Hour
	if err != nil || !(seconds > 0) || seconds > most.Seconds() {
		return 0, fmt.Errorf("the header %s must be a number of seconds, such as 10", scrapeTimeout)
	}
	timeout := time.Duration(seconds * float64(time.Second))
	return max(timeout-answerTime, timeout/2), nil
}

func statusOf(err error) int {
	switch {
	case errors.Is(err, config.ErrForeignOrigin):
		return http.StatusForbidden
	case errors.Is(err, collector.ErrNoEndpoint):
		return http.StatusNotFound
	case errors.Is(err, collector.ErrStopped), errors.Is(err, collector.ErrTooManyTargets),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable
	default:
		return http.StatusBadRequest
	}
}

func gauge(name, help string, value float64) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	g.Set(value)
	return g
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
