package exporter

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/web"
)

// The first and the last pattern match nothing.
const denials = `
global:
  metrics_deny:
    - session_probe_duration_seconds_bucket # the histogram has no suffix
    - session_probe_duration_seconds
    - session_lifetime_seconds # has no sample yet
    - session_exporter_credential_changed_timestamp_seconds # has no sample yet
    - process_.*
    - go_gc_.*|nobody
    - session_exporter_build_info
    - promhttp_.*
    - session # a pattern matches whole names
`

const oneEndpoint = `
modules:
  hcx: {api: hcx, credential: account}
credentials:
  account: {username: monitor, password_file: password}
endpoints:
  - {name: a, url: "https://hcx.example.com:9443", module: hcx}
`

// fileOf writes a configuration and its secret, and returns its path.
func fileOf(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"session_exporter.yml": text, "password": "secret"} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return filepath.Join(dir, "session_exporter.yml")
}

func TestPatternsThatDenyNothing(t *testing.T) {
	file := fileOf(t, denials+oneEndpoint)
	t.Run("problems", func(t *testing.T) {
		settings, err := config.NewLoader(file).Load()
		must(t, err)
		want := file + ":4: warning: global.metrics_deny[0]: " + unmatchedWarning + "\n" + file + ":12: warning: global.metrics_deny[8]: " + unmatchedWarning
		if got := Problems(settings).Error(); got != want {
			t.Errorf("found\n%s\nwant\n%s", got, want)
		}
	})
	t.Run("the log", func(t *testing.T) {
		var log bytes.Buffer
		must(t, newExporter([]string{file}, probe.NewManager(), slog.New(slog.NewTextHandler(&log, nil))).Reload())
		for _, key := range []string{"global.metrics_deny[0]", "global.metrics_deny[8]"} {
			if !strings.Contains(log.String(), " key="+key+` reason="`+unmatchedWarning+`"`+"\n") {
				t.Errorf("no warning about %s in\n%s", key, log.String())
			}
		}
		if n := strings.Count(log.String(), unmatchedWarning); n != 2 {
			t.Errorf("%d warnings in\n%s", n, log.String())
		}
	})
}

// TestDeniable checks that every metric of /metrics can be denied.
func TestDeniable(t *testing.T) {
	known, err := deniable()
	must(t, err)
	e := newExporter([]string{fileOf(t, oneEndpoint)}, probe.NewManager(), slog.New(slog.DiscardHandler))
	must(t, e.Reload())
	handler, err := e.Handler(web.Options{TelemetryPath: "/metrics"})
	must(t, err)
	response := httptest.NewRecorder()
	handler.ServeHTTP(response, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	n := 0
	for line := range strings.Lines(response.Body.String()) {
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			n++
			if name, _, _ := strings.Cut(rest, " "); !slices.Contains(known, name) {
				t.Errorf("%s cannot be denied", name)
			}
		}
	}
	if n < 40 {
		t.Errorf("%d metrics in\n%s", n, response.Body.String())
	}
}
