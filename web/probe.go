package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"

	"session_exporter/collector"
	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
	"session_exporter/web/page"
)

// scrapeTimeoutHeader carries Prometheus' scrape timeout in seconds.
const scrapeTimeoutHeader = "X-Prometheus-Scrape-Timeout-Seconds"

// timeoutOffset is subtracted from the scrape timeout, so that the response arrives in
// time. A timeout below twice the offset is halved instead.
const timeoutOffset = 500 * time.Millisecond

var errTooManyWaiting = errors.New("too many requests are waiting for probes; try again later, or raise the open-file limit (LimitNOFILE=, ulimit -n) if it is below 4096")

// probe probes an endpoint of the configuration, or a target that only the request
// names, and responds with its metrics: the multi-target exporter pattern.
func (s *server) probe(w http.ResponseWriter, r *http.Request) {
	timeout, err := probeTimeout(r.Header)
	if err != nil {
		s.writeProbeError(w, r, http.StatusBadRequest, err)
		return
	}
	if mustNotWait(r) {
		s.writeProbeError(w, r, http.StatusServiceUnavailable, errTooManyWaiting)
		return
	}
	_ = r.ParseForm() // malformed parameters are ignored
	debugging := r.Form.Get("debug") == "true"
	probed, err := s.runProbe(r.Context(), r.Form, collector.RequestOptions{MaxWait: timeout, Trace: debugging})
	if err != nil {
		s.writeProbeError(w, r, errorStatus(err), err)
		return
	}
	own := probeMetrics(&probed.Result)
	if debugging {
		writeDebug(w, probed, s.Collector.Filter(prometheus.Gatherers{own, probed}))
		return
	}
	negotiated := s.metrics.negotiate(r.Header)
	s.metrics.write(w, r, &scraped{negotiated, probed.Rendered(negotiated.format), s.Collector.Filter(own)})
}

// probeMetrics returns the metrics that only /probe has. Their names are those of other
// multi-target exporters.
func probeMetrics(r *probe.Result) prometheus.Gatherer {
	success := 0.0
	if r.State == sessionapi.Valid {
		success = 1
	}
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		return []*dto.MetricFamily{
			gauge("probe_duration_seconds", "How long the probe took.", r.Duration.Seconds()),
			gauge("probe_success", "Whether the probe found a valid session.", success),
		}, nil
	})
}

func (s *server) writeProbeError(w http.ResponseWriter, r *http.Request, status int, err error) {
	text := err.Error()
	if isBrowser(r) {
		text = page.Sentence(text)
	}
	s.writeError(w, r, status, text)
}

// runProbe probes the endpoint or target that a query names.
func (s *server) runProbe(ctx context.Context, query url.Values, options collector.RequestOptions) (*collector.Response, error) {
	endpoint, module, target := query.Get("endpoint"), query.Get("module"), query.Get("target")
	switch {
	case endpoint != "" && module == "" && target == "":
		return s.Collector.Probe(ctx, endpoint, options)
	case endpoint == "" && module != "" && target != "":
		return s.Collector.ProbeTarget(ctx, module, target, options)
	default:
		return nil, errors.New("name an endpoint or a target: /probe?endpoint=NAME, or /probe?module=MODULE&target=URL")
	}
}

// probeTimeout returns how long a probe may take within the scrape timeout, zero if the
// request does not have its header.
func probeTimeout(header http.Header) (time.Duration, error) {
	text := header.Get(scrapeTimeoutHeader)
	if text == "" {
		return 0, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	const maximum = 24 * time.Hour
	if err != nil || !(seconds > 0) || seconds > maximum.Seconds() {
		return 0, fmt.Errorf("the header %s must be a number of seconds, such as 10", scrapeTimeoutHeader)
	}
	timeout := time.Duration(seconds * float64(time.Second))
	return max(timeout-timeoutOffset, timeout/2), nil
}

func errorStatus(err error) int {
	switch {
	case errors.Is(err, config.ErrForeignOrigin):
		return http.StatusForbidden
	case errors.Is(err, collector.ErrNoEndpoint):
		return http.StatusNotFound
	case errors.Is(err, collector.ErrStopped), errors.Is(err, collector.ErrTooManyTargets), errors.Is(err, collector.ErrBusy),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable
	default:
		return http.StatusBadRequest
	}
}

func gauge(name, help string, value float64) *dto.MetricFamily {
	return &dto.MetricFamily{Name: &name, Help: &help, Type: dto.MetricType_GAUGE.Enum(), Metric: []*dto.Metric{{Gauge: &dto.Gauge{Value: &value}}}}
}

// targetGroup is a target group of Prometheus' HTTP service discovery
// (https://prometheus.io/docs/prometheus/latest/http_sd/).
type targetGroup struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

const metaPrefix = model.MetaLabelPrefix + "session_exporter_"

// serviceDiscovery lists the endpoints as Prometheus targets with their labels. A target is
// the endpoint's name, to be relabeled as in the multi-target exporter pattern.
func (s *server) serviceDiscovery(w http.ResponseWriter, _ *http.Request) {
	endpoints := s.Collector.Config().Endpoints
	groups := make([]targetGroup, 0, len(endpoints))
	for _, endpoint := range endpoints {
		labels := map[string]string{
			model.ParamLabelPrefix + "endpoint": endpoint.Name,
			metaPrefix + "api":                  endpoint.API,
			metaPrefix + "module":               endpoint.Module,
			metaPrefix + "url":                  endpoint.URL.String(),
			metaPrefix + "interval":             model.Duration(endpoint.Interval).String(),
			metaPrefix + "timeout":              model.Duration(endpoint.Timeout).String(),
		}
		maps.Copy(labels, endpoint.Labels)
		groups = append(groups, targetGroup{Targets: []string{endpoint.Name}, Labels: labels})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(groups) // the client may have disconnected
}
