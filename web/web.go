// Package web is what the exporter serves over HTTP: the pages for people and
// their JSON, the metrics, probes that are asked for, service discovery, and the
// paths by which others see that it lives.
//
// It shows what the collector knows and sends nothing to an appliance, except for
// the probes that somebody asks for. No secret gets here.
package web

import (
	"cmp"
	"fmt"
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

	"session_exporter/collector"
)

const (
	probePath     = "/probe"
	discoveryPath = "/sd"
	jsonPath      = "/api/v1/endpoints"
	configPath    = "/config"
)

// Options are what the handler needs.
type Options struct {
	Collector     *collector.Collector
	Registry      *prometheus.Registry // of what TelemetryPath serves besides the endpoints
	TelemetryPath string
	// RoutePrefix is the path below which everything is served, "/" for none.
	RoutePrefix string
	// ExternalURL is where browsers find us behind a proxy, nil when it is where
	// we listen.
	ExternalURL *url.URL
	Lifecycle   Lifecycle
	Logger      *slog.Logger
}

// server is Options with what follows from them.
type server struct {
	Options
	assets  *assets
	version string
}

// NewHandler returns the handler of all paths.
func NewHandler(o Options) (http.Handler, error) {
	prefix := strings.TrimRight("/"+strings.TrimLeft(o.RoutePrefix, "/"), "/")
	switch {
	case prefix != "" && !isPlain(prefix):
		return nil, fmt.Errorf("--web.route-prefix is %q; it must be a path such as /session_exporter", o.RoutePrefix)
	case !isPlain(o.TelemetryPath):
		return nil, fmt.Errorf("--web.telemetry-path is %q; it must be a path such as /metrics", o.TelemetryPath)
	case isTaken(o.TelemetryPath):
		return nil, fmt.Errorf("--web.telemetry-path is %q, which is taken; choose another such as /metrics", o.TelemetryPath)
	}
	assets, err := newAssets()
	if err != nil {
		return nil, fmt.Errorf("reading the pages: %w", err)
	}
	metrics, err := newMetrics(&o)
	if err != nil {
		return nil, fmt.Errorf("making the metrics page: %w", err)
	}
	s := &server{Options: o, assets: assets, version: cmp.Or(version.Version, "not a release")}
	protection := http.NewCrossOriginProtection()
	if o.ExternalURL != nil {
		if err := protection.AddTrustedOrigin(o.ExternalURL.Scheme + "://" + o.ExternalURL.Host); err != nil {
			return nil, fmt.Errorf("--web.external-url: %w", err)
		}
	}
	// A page somewhere else must not let a visitor's browser reload or resume.
	return secured(protection.Handler(s.mux(prefix, metrics))), nil
}

func (o *server) mux(prefix string, metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+prefix+"/{$}", o.overview)
	mux.HandleFunc("GET "+prefix+endpointsPath+"{name...}", o.endpoint)
	mux.HandleFunc("GET "+prefix+jsonPath, o.list)
	mux.HandleFunc("GET "+prefix+configPath, o.config)
	mux.Handle("GET "+prefix+o.TelemetryPath, metrics)
	mux.HandleFunc("GET "+prefix+probePath, o.probe)
	mux.HandleFunc("GET "+prefix+discoveryPath, o.discover)
	o.handleLifecycle(mux, prefix)
	o.assets.handle(mux, prefix)
	return mux
}

// config shows the configuration at work, its secrets masked. It is plain text
// because not every browser shows YAML.
func (o *server) config(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, strings.TrimSuffix(o.Collector.Config().YAML, "\n"))
}

// policy lets a page load its own files and nothing else, run no script that is
// not one of them, and be part of no other page.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// secured answers with headers that hold browsers to what we mean.
func secured(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		// Not no-referrer: with it, browsers leave the origin out of what our own
		// forms send, and these would look like another site's.
		header.Set("Referrer-Policy", "same-origin")
		header.Set("Cache-Control", "no-store")
		handler.ServeHTTP(w, r)
	})
}

var plainPath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)

// isPlain reports whether a path means the same in a URL, in HTML and as a
// pattern of http.ServeMux.
func isPlain(p string) bool { return plainPath.MatchString(p) && path.Clean(p) == p }

// isTaken reports whether something else is served at a path.
func isTaken(p string) bool {
	return slices.Contains([]string{probePath, discoveryPath, configPath}, p) ||
		slices.ContainsFunc([]string{"/-/", "/api/", endpointsPath, staticPath}, func(below string) bool { return strings.HasPrefix(p, below) })
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text) //nolint:gosec // plain text, and said to be; a client that went away needs no answer
}
