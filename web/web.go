// Package web is what the exporter serves over HTTP: the landing page, the
// metrics, and the endpoints by which others see that it lives.
package web

import (
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	_ "github.com/prometheus/client_golang/prometheus/promhttp/zstd" // offers zstd to scrapers that take it
	"github.com/prometheus/common/version"
	toolkit "github.com/prometheus/exporter-toolkit/web"
)

// Options are what the handler needs.
type Options struct {
	Registry      *prometheus.Registry
	Gatherer      prometheus.Gatherer // what the registry has, without what is denied
	TelemetryPath string
	// RoutePrefix is the path below which everything is served, "/" for none.
	RoutePrefix string
	Ready       func() bool
	Logger      *slog.Logger
}

// NewHandler returns the handler of all paths.
func NewHandler(o Options) (http.Handler, error) {
	prefix := "/" + strings.Trim(o.RoutePrefix, "/")
	if !strings.HasPrefix(o.TelemetryPath, "/") || o.TelemetryPath == "/" {
		return nil, fmt.Errorf("--web.telemetry-path is %q; it must be a path such as /metrics", o.TelemetryPath)
	}
	landing, err := toolkit.NewLandingPage(toolkit.LandingConfig{
		Name:        "session_exporter",
		Description: "Tells before your automation fails that a session, token or password is expired, broken or about to be.",
		Version:     html.EscapeString(version.Info()),
		RoutePrefix: prefix,
		Profiling:   "false",
		Links: []toolkit.LandingLinks{
			{Address: o.TelemetryPath, Text: "Metrics", Description: "for Prometheus"},
			{Address: "/-/healthy", Text: "Healthy", Description: "whether the exporter runs"},
			{Address: "/-/ready", Text: "Ready", Description: "whether it has a configuration"},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("making the landing page: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", landing)
	mux.Handle("GET "+o.TelemetryPath, promhttp.HandlerFor(o.Gatherer, promhttp.HandlerOpts{
		Registry:          o.Registry,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelError),
		EnableOpenMetrics: true,
		CoalesceGather:    true, // scrapers that come together share the work
	}))
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "Healthy") })
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if !o.Ready() {
			answer(w, http.StatusServiceUnavailable, "Not ready")
			return
		}
		answer(w, http.StatusOK, "Ready")
	})
	if prefix == "/" {
		return mux, nil
	}
	outer := http.NewServeMux()
	outer.Handle(prefix+"/", http.StripPrefix(prefix, mux))
	return outer, nil
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text) // a client that went away needs no answer
}
