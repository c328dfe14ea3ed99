package web

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"

	"session_exporter/collector"
)

// metrics serves all metrics: the endpoints', which their collector keeps
// rendered, and among them what client_golang gathers of the exporter's own.
type metrics struct {
	collector *collector.Collector
	own       prometheus.Gatherer
	errors    *prometheus.CounterVec
	logger    *slog.Logger
	encoders  encoders
	odd       http.Handler // for formats that nothing is kept in; costs 50 times as much
	scrapes   chan struct{}
}

// maxScrapes is how many scrapes there may be at a time, as with node_exporter.
// Each keeps what it has begun with until it ends, whatever changes meanwhile.
const maxScrapes = 40

func newMetrics(o *Options) (http.Handler, error) {
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "promhttp_metric_handler_errors_total",
		Help: "Total number of internal errors encountered by the promhttp metric handler.",
	}, []string{"cause"})
	failures.WithLabelValues("gathering")
	failures.WithLabelValues("encoding")
	if err := o.Registry.Register(failures); err != nil {
		return nil, err
	}
	endpoints := prometheus.NewRegistry()
	endpoints.MustRegister(o.Collector.Endpoints())
	return &metrics{
		collector: o.Collector,
		own:       o.Collector.Filter(o.Registry),
		errors:    failures,
		logger:    o.Logger,
		encoders:  newEncoders(),
		scrapes:   make(chan struct{}, maxScrapes),
		odd: promhttp.HandlerFor(o.Collector.Filter(prometheus.Gatherers{o.Registry, endpoints}), promhttp.HandlerOpts{
			Registry:          o.Registry, // has the errors already, and they are shared
			ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelError),
			ErrorHandling:     promhttp.ContinueOnError,
			EnableOpenMetrics: true,
		}),
	}, nil
}

// ServeHTTP implements http.Handler.
func (m *metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case m.scrapes <- struct{}{}:
		defer func() { <-m.scrapes }()
		m.serve(w, r)
	default:
		answer(w, http.StatusServiceUnavailable, fmt.Sprintf("%d scrapes are being answered, which is as many as there may be; try again later.", maxScrapes))
	}
}

// serve answers a scrape. A series that cannot be exposed is told of, and must not
// hide all others.
func (m *metrics) serve(w http.ResponseWriter, r *http.Request) {
	format := expfmt.NegotiateAccept(r.Header, expfmt.DefaultOpenMetricsAcceptedFormats()...)
	page := m.collector.Page(format)
	if page == nil {
		m.odd.ServeHTTP(w, r)
		return
	}
	gathered, err := m.own.Gather()
	m.note("gathering", err)
	header := w.Header()
	header.Set("Content-Type", string(format))
	header.Add("Vary", "Accept")
	header.Add("Vary", "Accept-Encoding")
	var wanted func(string) bool
	if names := r.URL.Query()["name[]"]; len(names) > 0 {
		wanted = func(name string) bool { return slices.Contains(names, name) }
	}
	body := m.encoders.body(w, r.Header)
	err = page.Write(body, format, gathered, wanted)
	if err = errors.Join(err, body.Close()); r.Context().Err() == nil { // else the scraper went away
		m.note("encoding", err)
	}
}

func (m *metrics) note(cause string, err error) {
	if err != nil {
		m.logger.Error("not all metrics could be exposed", "cause", cause, "err", err)
		m.errors.WithLabelValues(cause).Inc()
	}
}
