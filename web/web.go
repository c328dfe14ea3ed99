// Package web is what the exporter serves over HTTP: the landing page, the
// metrics, probes that are asked for, service discovery, and the paths by which
// others see that it lives.
package web

import (
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	_ "github.com/prometheus/client_golang/prometheus/promhttp/zstd" // offers zstd to scrapers that take it
	"github.com/prometheus/common/version"
	toolkit "github.com/prometheus/exporter-toolkit/web"

	"session_exporter/collector"
)

// Lifecycle is what may be asked of the exporter besides telling.
type Lifecycle interface {
	// Ready reports whether the exporter does its work.
	Ready() bool
	// Reload loads the configuration again. Its error says why the old one
	// goes on.
	Reload() error
	// Resume lifts the lockout guard of a credential. It reports whether there
	// is one of that name.
	Resume(credential string) bool
}

const (
	probePath     = "/probe"
	discoveryPath = "/sd"
)

// Options are what the handler needs.
type Options struct {
	Collector     *collector.Collector
	Registry      *prometheus.Registry // of what TelemetryPath serves besides the endpoints
	TelemetryPath string
	// RoutePrefix is the path below which everything is served, "/" for none.
	RoutePrefix string
	Lifecycle   Lifecycle
	Logger      *slog.Logger
}

// NewHandler returns the handler of all paths.
func NewHandler(o Options) (http.Handler, error) {
	prefix := strings.TrimRight("/"+strings.TrimLeft(o.RoutePrefix, "/"), "/")
	switch {
	case prefix != "" && !isPlain(prefix):
		return nil, fmt.Errorf("--web.route-prefix is %q; it must be a path such as /session_exporter", o.RoutePrefix)
	case !isPlain(o.TelemetryPath):
		return nil, fmt.Errorf("--web.telemetry-path is %q; it must be a path such as /metrics", o.TelemetryPath)
	case strings.HasPrefix(o.TelemetryPath, "/-/") || slices.Contains([]string{probePath, discoveryPath}, o.TelemetryPath):
		return nil, fmt.Errorf("--web.telemetry-path is %q, which is taken; choose another such as /metrics", o.TelemetryPath)
	}
	landing, err := newLanding(o.TelemetryPath)
	if err != nil {
		return nil, fmt.Errorf("making the landing page: %w", err)
	}
	metrics, err := newMetrics(&o)
	if err != nil {
		return nil, fmt.Errorf("making the metrics page: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+prefix+"/{$}", landing)
	mux.Handle("GET "+prefix+o.TelemetryPath, metrics)
	mux.HandleFunc("GET "+prefix+probePath, o.probe)
	mux.HandleFunc("GET "+prefix+discoveryPath, o.discover)
	mux.HandleFunc("GET "+prefix+"/-/healthy", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "Healthy") })
	mux.HandleFunc("GET "+prefix+"/-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if !o.Lifecycle.Ready() {
			answer(w, http.StatusServiceUnavailable, "Not ready")
			return
		}
		answer(w, http.StatusOK, "Ready")
	})
	mux.HandleFunc("POST "+prefix+"/-/reload", o.reload)
	mux.HandleFunc("POST "+prefix+"/-/resume", o.resume)
	// A page somewhere else must not let a visitor's browser reload or resume.
	return http.NewCrossOriginProtection().Handler(mux), nil
}

func (o *Options) reload(w http.ResponseWriter, _ *http.Request) {
	if err := o.Lifecycle.Reload(); err != nil {
		answer(w, http.StatusInternalServerError, fmt.Sprintf("The configuration was not reloaded, the old one goes on:\n%v", err))
		return
	}
	answer(w, http.StatusOK, "Reloaded")
}

func (o *Options) resume(w http.ResponseWriter, r *http.Request) {
	switch credential := r.URL.Query().Get("credential"); {
	case credential == "":
		answer(w, http.StatusBadRequest, "Name the credential whose logins are to resume: POST /-/resume?credential=NAME")
	case !o.Lifecycle.Resume(credential):
		answer(w, http.StatusNotFound, fmt.Sprintf("The configuration has no credential %q", credential))
	default:
		answer(w, http.StatusOK, "Resumed")
	}
}

// newLanding returns the landing page. Its links are relative, so they hold
// below any prefix, and behind a proxy that serves the exporter elsewhere.
func newLanding(telemetryPath string) (http.Handler, error) {
	const here = "./"
	page, err := toolkit.NewLandingPage(toolkit.LandingConfig{
		Name:        "session_exporter",
		Description: "Tells before your automation fails that a session, token or password is expired, broken or about to be.",
		Version:     html.EscapeString(version.Info()),
		RoutePrefix: here,
		Profiling:   "false",
		Links: []toolkit.LandingLinks{
			{Address: telemetryPath, Text: "Metrics", Description: "for Prometheus"},
			{Address: "/-/healthy", Text: "Healthy", Description: "whether the exporter runs"},
			{Address: "/-/ready", Text: "Ready", Description: "whether it has a configuration"},
		},
	})
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := *r
		asked.URL = &url.URL{Path: here} // the page answers to no other path than its links' prefix
		page.ServeHTTP(w, &asked)
	}), nil
}

var plainPath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)

// isPlain reports whether a path means the same in a URL, in HTML and as a
// pattern of http.ServeMux.
func isPlain(p string) bool { return plainPath.MatchString(p) && path.Clean(p) == p }

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text) //nolint:gosec // plain text, and said to be; a client that went away needs no answer
}
