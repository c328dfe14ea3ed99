package web

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"session_exporter/collector"
	"session_exporter/collector/exposition"
)

// metrics serves the endpoints' metrics, which the collector keeps rendered, merged with
// the exporter's own metrics, which client_golang gathers.
type metrics struct {
	collector *collector.Collector
	exporter  prometheus.Gatherer
	errors    *prometheus.CounterVec
	logger    *slog.Logger
	encoders  encoders
	// negotiated caches the last negotiation: scrapers send the same headers each time.
	negotiated atomic.Pointer[negotiation]
	inFlight   chan struct{}
}

// maxScrapes limits concurrent scrapes, with the default of node_exporter. Each keeps
// its snapshot of the rendered metrics in memory until it finishes.
const maxScrapes = 40

func newMetrics(o *Options) (*metrics, error) {
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "promhttp_metric_handler_errors_total",
		Help: "Total number of internal errors encountered by the promhttp metric handler.",
	}, []string{"cause"})
	failures.WithLabelValues("gathering")
	failures.WithLabelValues("encoding")
	if err := o.Registry.Register(failures); err != nil {
		return nil, err
	}
	return &metrics{
		collector: o.Collector,
		exporter:  o.Collector.Filter(o.Registry),
		errors:    failures,
		logger:    o.Logger,
		encoders:  newEncoders(),
		inFlight:  make(chan struct{}, maxScrapes),
	}, nil
}

func (m *metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case m.inFlight <- struct{}{}:
		defer func() { <-m.inFlight }()
		m.serve(w, r)
	default:
		writeText(w, http.StatusServiceUnavailable, fmt.Sprintf("%d scrapes are in progress, which is the limit; try again later.", maxScrapes))
	}
}

func (m *metrics) serve(w http.ResponseWriter, r *http.Request) {
	n := m.negotiate(r.Header)
	m.write(w, r, &scraped{n, m.collector.Cache(n.format), m.exporter})
}

// negotiation is the format and the encoding of a response, and the request headers that
// determine them.
type negotiation struct {
	accept, acceptEncoding []string
	format                 expfmt.Format
	encoding               string
}

// negotiate returns the format of a response and its encoding. It offers only formats that
// the collector caches. The other formats of promhttp, such as protobuf as text, would require
// gathering the endpoints: 10,000 of them take seconds and hundreds of megabytes. The fallback
// is the text format. Escaping schemes need no conversion, because none changes our names.
func (m *metrics) negotiate(requestHeader http.Header) *negotiation {
	accept, acceptEncoding := requestHeader["Accept"], requestHeader["Accept-Encoding"]
	last := m.negotiated.Load()
	if last == nil || !slices.Equal(last.accept, accept) || !slices.Equal(last.acceptEncoding, acceptEncoding) {
		format := expfmt.NegotiateAccept(requestHeader, exposition.Formats...)
		last = &negotiation{accept, acceptEncoding, format, preferredEncoding(requestHeader)}
		m.negotiated.Store(last)
	}
	return last
}

// scraped are rendered metrics, and others to be merged with them, in a negotiated format.
type scraped struct {
	*negotiation
	rendered interface {
		// Write is exposition.Cache.Write.
		Write(w io.Writer, format expfmt.Format, others []*dto.MetricFamily, wanted func(name string) bool) error
	}
	others prometheus.Gatherer
}

// write responds with metrics. A series that cannot be exposed is logged and counted, and
// does not hide the others.
func (m *metrics) write(w http.ResponseWriter, r *http.Request, s *scraped) {
	gathered, err := s.others.Gather()
	m.reportError("gathering", err)
	header := w.Header()
	header.Set("Content-Type", string(s.format))
	header.Add("Vary", "Accept")
	header.Add("Vary", "Accept-Encoding")
	var wanted func(string) bool
	_ = r.ParseForm() // promhttp ignores malformed parameters, too
	if names := r.Form["name[]"]; len(names) > 0 {
		wanted = func(name string) bool { return slices.Contains(names, name) }
	}
	body := m.encoders.newBody(w, s.encoding)
	err = s.rendered.Write(body, s.format, gathered, wanted)
	if err = errors.Join(err, body.Close()); r.Context().Err() == nil { // otherwise the scraper has disconnected
		m.reportError("encoding", err)
	}
}

func (m *metrics) reportError(cause string, err error) {
	if err != nil {
		m.logger.Error("some metrics could not be exposed", "cause", cause, "err", err)
		m.errors.WithLabelValues(cause).Inc()
	}
}
