// Package page renders the HTML pages: the overview, the page of an endpoint, documents such
// as runbooks, and errors. It serves the first two and the static files itself.
//
// It only reads the collector's status. Package web handles the requests that change state.
package page

import (
	"bytes"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/common/version"

	"session_exporter/collector"
	"session_exporter/sessionapi"
	"session_exporter/web/runbooks"
)

// The paths below the prefix that this package serves, besides "/".
const (
	EndpointsPath = "/endpoints/"
	StaticPath    = "/static/"
)

// Options configure the pages.
type Options struct {
	Collector     *collector.Collector
	TelemetryPath string
	// ReadOnly omits the buttons that change state.
	ReadOnly bool
	Logger   *slog.Logger
}

// Site is the set of pages.
type Site struct {
	Options
	pages  map[string]*template.Template
	static string // path of the static files below the prefix
}

// New returns the pages.
func New(o Options) *Site { return &Site{o, parsePages(), staticDir()} }

// Register registers the pages and their static files below a prefix.
func (s *Site) Register(mux *http.ServeMux, prefix string) {
	mux.HandleFunc("GET "+prefix+"/{$}", s.overview)
	mux.HandleFunc("GET "+prefix+EndpointsPath+"{name...}", s.endpoint)
	s.registerStatic(mux, prefix)
}

// runbook returns the path, relative to the prefix, of the runbook for an endpoint's state,
// empty for none. If the endpoint refused its credential, that is the runbook for the refusal.
func runbook(o *collector.Overview) string {
	state := o.State
	if o.Rejected {
		state = sessionapi.CredentialsRejected
	}
	if name := state.Info().Runbook; name != "" {
		return strings.TrimPrefix(runbooks.Path, "/") + name
	}
	return ""
}

// Error responds with the error page. root is the relative path to the prefix.
func (s *Site) Error(w http.ResponseWriter, status int, root, text string) {
	s.renderError(w, status, &layout{Root: root}, text)
}

// Document responds with a page of text, such as a runbook, one level below the prefix.
func (s *Site) Document(w http.ResponseWriter, status int, title string, main template.HTML) {
	s.render(w, status, "document", &layout{Root: "../", Title: title + " - session_exporter", Main: main})
}

// BareError is Error without links and version.
func (s *Site) BareError(w http.ResponseWriter, status int, root, text string) {
	s.renderError(w, status, &layout{Root: root, Bare: true}, text)
}

// errorPage is the data of error.html.
type errorPage struct {
	Status int
	Reason string
	Text   string
}

func (s *Site) renderError(w http.ResponseWriter, status int, l *layout, text string) {
	reason := http.StatusText(status)
	l.Title, l.Main = reason+" - session_exporter", errorPage{status, reason, text}
	s.render(w, status, "error", l)
}

// NothingSent responds with 409 and the endpoint's page, with the reason why a probe on demand
// sent nothing. until is when the next probe may send, zero if unknown.
func (s *Site) NothingSent(w http.ResponseWriter, status *collector.Status, why string, until time.Time) {
	page := s.newDetailPage(status)
	page.Notice = newNothingSent(why, until)
	s.renderEndpoint(w, http.StatusConflict, "../", page)
}

// Sentence capitalizes an error's text and adds a full stop.
func Sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] + "." }

// FormatTime formats a time relative to now and in full: "in 5 s, at 2026-01-02 15:04:05 UTC".
func FormatTime(at, now time.Time) string {
	return relative(at, now) + ", at " + full(at)
}

// render responds with a page. It renders the whole page first, so that after an error no part
// of it is sent.
func (s *Site) render(w http.ResponseWriter, status int, page string, l *layout) {
	l.Static = s.static[1:]
	l.Version = version.Version
	l.Telemetry = s.TelemetryPath[1:]
	l.Actions = !s.ReadOnly
	var body bytes.Buffer
	if err := s.pages[page].Execute(&body, l); err != nil {
		s.Logger.Error("rendering a page failed", "page", page, "err", err)
		http.Error(w, "The page could not be rendered; see the log.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the client may have disconnected
}
