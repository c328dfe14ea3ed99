// Package web serves the exporter over HTTP: the pages of package page, the endpoints as JSON,
// the metrics, probes on demand, service discovery, runbooks, and the health and lifecycle
// paths.
//
// It shows the collector's results. It sends nothing to an appliance except through
// the probes that a request triggers, and it never reads a secret.
package web

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"session_exporter/collector"
	"session_exporter/web/page"
	"session_exporter/web/runbooks"
)

const (
	probePath     = "/probe"
	discoveryPath = "/sd"
	jsonPath      = "/api/v1/endpoints"
	configPath    = "/config"
)

// Options configure the handler.
type Options struct {
	Collector     *collector.Collector
	Registry      *prometheus.Registry // the exporter's own metrics; the handler adds the endpoints'
	TelemetryPath string
	// RoutePrefix is the path below which everything is served, "/" or empty for none.
	RoutePrefix string
	// ExternalURL is the exporter's URL as seen by browsers through a reverse proxy,
	// nil without one.
	ExternalURL *url.URL
	// Hosts are the accepted names in the Host header, besides IP addresses,
	// localhost and ExternalURL's. If it is empty, all names are accepted.
	Hosts []string
	// ReadOnly refuses requests that change state: reload, resume, probe now.
	ReadOnly  bool
	Lifecycle Lifecycle
	Logger    *slog.Logger
}

// server holds the Options and the values derived from them.
type server struct {
	Options
	pages   *page.Site
	metrics *metrics
	prefix  string // of all paths, without a slash at its end
}

// NewHandler returns the handler of all paths. It fails if a path, host name or URL
// of the options is invalid.
func NewHandler(o Options) (http.Handler, error) {
	prefix := strings.TrimRight("/"+strings.TrimLeft(o.RoutePrefix, "/"), "/")
	switch {
	case prefix != "" && !isPlainPath(prefix):
		return nil, fmt.Errorf("--web.route-prefix is %q; it must be a path such as /session_exporter", o.RoutePrefix)
	case !isPlainPath(o.TelemetryPath):
		return nil, fmt.Errorf("--web.telemetry-path is %q; it must be a path such as /metrics", o.TelemetryPath)
	case isReserved(o.TelemetryPath):
		return nil, fmt.Errorf("--web.telemetry-path is %q, which is taken; choose another such as /metrics", o.TelemetryPath)
	}
	hosts, err := parseHosts(&o)
	if err != nil {
		return nil, err
	}
	pages := page.New(page.Options{Collector: o.Collector, TelemetryPath: o.TelemetryPath, ReadOnly: o.ReadOnly, Logger: o.Logger})
	metrics, err := newMetrics(&o)
	if err != nil {
		return nil, fmt.Errorf("registering the metrics handler: %w", err)
	}
	s := &server{Options: o, pages: pages, metrics: metrics, prefix: prefix}
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(s.refuseOrigin))
	if o.ExternalURL != nil {
		if err := protection.AddTrustedOrigin(o.ExternalURL.Scheme + "://" + o.ExternalURL.Host); err != nil {
			return nil, fmt.Errorf("--web.external-url: %w", err)
		}
	}
	// A page of another site must not make a visitor's browser send requests that change state.
	return withSecurityHeaders(hosts.protect(protection.Handler(s.mux()), prefix+page.StaticPath, s.refuseHost)), nil
}

func (s *server) mux() http.Handler {
	mux, prefix := http.NewServeMux(), s.prefix
	s.pages.Register(mux, prefix)
	mux.HandleFunc("GET "+prefix+jsonPath, s.listEndpoints)
	mux.HandleFunc("GET "+prefix+configPath, s.config)
	mux.Handle("GET "+prefix+s.TelemetryPath, s.metrics)
	mux.HandleFunc("GET "+prefix+probePath, s.probe)
	mux.HandleFunc("GET "+prefix+discoveryPath, s.serviceDiscovery)
	runbook := runbooks.Handler(s.pages.Document)
	mux.Handle("GET "+prefix+runbooks.Path+"{$}", runbook)
	mux.Handle("GET "+prefix+runbooks.Path+"{name}", runbook)
	s.handleLifecycle(mux, prefix)
	return s.withErrorPages(mux)
}

// config shows the active configuration with its secrets masked. The content type
// is plain text because not every browser displays YAML.
func (s *server) config(w http.ResponseWriter, _ *http.Request) {
	writeText(w, http.StatusOK, strings.TrimSuffix(s.Collector.Config().YAML, "\n"))
}

// policy restricts a page to the exporter's own files, without inline scripts, and
// keeps other pages from embedding it.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// securityHeaders restrict browsers. All responses share the values.
var securityHeaders = http.Header{
	"Content-Security-Policy": {policy},
	"X-Content-Type-Options":  {"nosniff"},
	"X-Frame-Options":         {"DENY"},
	// Not no-referrer: browsers would then send our own forms with the origin
	// "null", which the cross-origin protection refuses.
	"Referrer-Policy": {"same-origin"},
	"Cache-Control":   {"no-store"},
}

func withSecurityHeaders(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		maps.Copy(w.Header(), securityHeaders)
		handler.ServeHTTP(w, r)
	})
}

var plainPath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)

// isPlainPath reports whether a path needs no escaping in a URL, in HTML, or in a
// pattern of http.ServeMux.
func isPlainPath(p string) bool { return plainPath.MatchString(p) && path.Clean(p) == p }

// isReserved reports whether the exporter serves something other than metrics at a path.
func isReserved(p string) bool {
	return slices.Contains([]string{probePath, discoveryPath, configPath}, p) ||
		slices.ContainsFunc([]string{"/-/", "/api/", page.EndpointsPath, page.StaticPath, runbooks.Path}, func(prefix string) bool { return strings.HasPrefix(p, prefix) })
}
