package web

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"session_exporter/collector"
	"session_exporter/probe"
)

// newOptions returns the options of a handler with one gauge and no prefix.
func newOptions() Options {
	registry := prometheus.NewRegistry()
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "session_up", Help: "Whether the session is valid."})
	gauge.Set(1)
	registry.MustRegister(gauge)
	return Options{
		Registry:      registry,
		Collector:     collector.New(func() []probe.CredentialStatus { return nil }, slog.New(slog.DiscardHandler)),
		TelemetryPath: "/metrics",
		Lifecycle:     lifecycle{},
		Logger:        slog.New(slog.DiscardHandler),
	}
}

// lifecycle is a Lifecycle whose Reload returns err. It has the credential "known", and one
// that was resumed too often.
type lifecycle struct {
	err      error
	stopping bool
}

func (l lifecycle) Ready() bool   { return !l.stopping }
func (l lifecycle) Reload() error { return l.err }
func (lifecycle) Resume(credential string) error {
	switch credential {
	case "known":
		return nil
	case "resumed too often":
		return &probe.ResumeLimitError{Next: time.Now().Add(90 * time.Second)}
	default:
		return probe.ErrNoCredential
	}
}

func newHandler(t *testing.T, o Options) http.Handler {
	t.Helper()
	handler, err := NewHandler(o)
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

func send(handler http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, target, http.NoBody)
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder
}

// Every path is served under every spelling of the prefix.
func TestPaths(t *testing.T) {
	for _, prefix := range []struct{ given, served string }{
		{"", ""}, {"/", ""}, {"/exporter", "/exporter"}, {"/exporter/", "/exporter"}, {"exporter", "/exporter"}, {"/a/b/", "/a/b"},
	} {
		for _, tc := range []struct {
			method, path string
			status       int
			body         string // prefix
		}{
			{"GET", "/", 200, "<!DOCTYPE html>"},
			{"HEAD", "/", 200, ""},
			{"POST", "/", 405, ""},
			{"GET", "/metrics", 200, "# HELP"},
			{"GET", "/metrics?name[]=session_up", 200, "# HELP session_up Whether the session is valid.\n# TYPE session_up gauge\nsession_up 1\n"},
			{"HEAD", "/metrics", 200, ""},
			{"POST", "/metrics", 405, ""},
			{"PUT", "/metrics", 405, ""},
			{"DELETE", "/metrics", 405, ""},
			{"GET", "/metrics/", 404, ""},
			{"GET", "/metricsX", 404, ""},
			{"GET", "/-/healthy", 200, "Healthy\n"},
			{"HEAD", "/-/healthy", 200, ""},
			{"POST", "/-/healthy", 405, ""},
			{"GET", "/-/ready", 200, "Ready\n"},
			{"POST", "/-/ready", 405, ""},
			{"POST", "/-/reload", 200, "Reloaded\n"},
			{"GET", "/-/reload", 405, ""},
			{"POST", "/-/resume?credential=known", 200, "Resumed\n"},
			{"POST", "/-/resume?credential=other", 404, "Unknown credential \"other\"\n"},
			{"POST", "/-/resume", 400, "Missing parameter"},
			{"GET", "/-/resume?credential=known", 405, ""},
			{"POST", "/-/probe", 400, "Missing parameter"},
			{"POST", "/-/probe?endpoint=other", 404, "Unknown endpoint \"other\"\n"},
			{"GET", "/-/probe?endpoint=other", 405, ""},
			{"GET", "/endpoints/other", 404, "<!DOCTYPE html>"},
			{"GET", "/endpoints/", 404, "<!DOCTYPE html>"},
			{"GET", "/endpoints", 307, ""},
			{"POST", "/endpoints/other", 405, ""},
			{"GET", "/api/v1/endpoints", 200, "{"},
			{"POST", "/api/v1/endpoints", 405, ""},
			{"GET", "/config", 200, "\n"},
			{"GET", "/static/", 404, ""},
			{"GET", "/static/0/style.css", 404, ""},
			{"GET", "/-/", 404, ""},
			{"GET", "/favicon.ico", 404, ""},
			{"GET", "/debug/pprof/", 404, ""},
			{"POST", "/unknown", 404, ""},
		} {
			t.Run(strings.Join([]string{"prefix " + prefix.given, tc.method, tc.path}, " "), func(t *testing.T) {
				o := newOptions()
				o.RoutePrefix = prefix.given
				response := send(newHandler(t, o), tc.method, prefix.served+tc.path)
				if response.Code != tc.status {
					t.Errorf("status %d, want %d", response.Code, tc.status)
				}
				if body := response.Body.String(); !strings.HasPrefix(body, tc.body) {
					t.Errorf("body %q, want it to begin with %q", body, tc.body)
				}
			})
		}
	}
}

func TestOutsideThePrefix(t *testing.T) {
	o := newOptions()
	o.RoutePrefix = "/exporter"
	handler := newHandler(t, o)
	for path, want := range map[string]int{"/": 404, "/metrics": 404, "/-/healthy": 404, "/exporterX/metrics": 404, "/exporter": 307} {
		response := send(handler, "GET", path)
		if response.Code != want {
			t.Errorf("GET %s: status %d, want %d", path, response.Code, want)
		}
		if location := response.Header().Get("Location"); want == 307 && location != "/exporter/" {
			t.Errorf("GET %s redirects to %q", path, location)
		}
	}
}

func TestReady(t *testing.T) {
	o := newOptions()
	o.Lifecycle = lifecycle{stopping: true}
	handler := newHandler(t, o)
	response := send(handler, "GET", "/-/ready")
	if body := response.Body.String(); response.Code != http.StatusServiceUnavailable || body != "Not ready\n" {
		t.Errorf("stopping: status %d, body %q", response.Code, body)
	}
	if response := send(handler, "GET", "/-/healthy"); response.Code != http.StatusOK {
		t.Errorf("healthy while it stops: status %d", response.Code)
	}
}

func TestRefusedPaths(t *testing.T) {
	for _, tc := range []struct{ name, prefix, telemetry, want string }{
		{"no telemetry path", "", "", `--web.telemetry-path is ""; it must be a path such as /metrics`},
		{"telemetry at the root", "", "/", `--web.telemetry-path is "/"; it must be a path such as /metrics`},
		{"relative", "", "metrics", `--web.telemetry-path is "metrics"; it must be a path such as /metrics`},
		{"ends in a slash", "", "/metrics/", `--web.telemetry-path is "/metrics/"; it must be a path such as /metrics`},
		{"not clean", "", "/a/../metrics", `--web.telemetry-path is "/a/../metrics"; it must be a path such as /metrics`},
		{"pattern", "", "/{name}", `--web.telemetry-path is "/{name}"; it must be a path such as /metrics`},
		{"broken pattern", "", "/{", `--web.telemetry-path is "/{"; it must be a path such as /metrics`},
		{"query", "", "/metrics?a=b", `--web.telemetry-path is "/metrics?a=b"; it must be a path such as /metrics`},
		{"HTML", "", `/"><script>`, `--web.telemetry-path is "/\"><script>"; it must be a path such as /metrics`},
		{"taken", "", "/-/healthy", `--web.telemetry-path is "/-/healthy", which is taken; choose another such as /metrics`},
		{"an endpoint's page", "", "/endpoints/a", `--web.telemetry-path is "/endpoints/a", which is taken; choose another such as /metrics`},
		{"the JSON's", "", "/api/v1/endpoints", `--web.telemetry-path is "/api/v1/endpoints", which is taken; choose another such as /metrics`},
		{"the configuration's", "", "/config", `--web.telemetry-path is "/config", which is taken; choose another such as /metrics`},
		{"prefix with a space", "/a b", "/metrics", `--web.route-prefix is "/a b"; it must be a path such as /session_exporter`},
		{"prefix as a pattern", "/{a}", "/metrics", `--web.route-prefix is "/{a}"; it must be a path such as /session_exporter`},
		{"prefix not clean", "/a//b", "/metrics", `--web.route-prefix is "/a//b"; it must be a path such as /session_exporter`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := newOptions()
			o.RoutePrefix, o.TelemetryPath = tc.prefix, tc.telemetry
			if _, err := NewHandler(o); err == nil || err.Error() != tc.want {
				t.Errorf("error %v, want %s", err, tc.want)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	s := &site{yaml: "credentials:\n  a: {password: <secret>}\n"}
	response := send(s.handler(t), http.MethodGet, "/config")
	if body := response.Body.String(); body != s.yaml || response.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%q as %v", body, response.Header())
	}
}
