package main

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"session_exporter/probe"
)

// The first and the last deny nothing.
const denials = `
global:
  metrics_deny:
    - session_probe_duration_seconds_bucket # the histogram has no suffix
    - session_probe_duration_seconds
    - session_lifetime_seconds # has no sample yet
    - session_exporter_credential_changed_timestamp_seconds # neither has this
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
  - {name: a, url: "https://hcx.example.com", module: hcx}
`

// fileOf writes a configuration and its secret, and returns where it is.
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
	t.Run("check-config", func(t *testing.T) {
		var out, said bytes.Buffer
		if code := run(t.Context(), []string{"check-config", file}, &out, &said); code != exitOK {
			t.Errorf("it exits with %d", code)
		}
		want := file + ": global.metrics_deny[0]: warning: " + deniesNothing + "\n" + file + ": global.metrics_deny[8]: warning: " + deniesNothing + "\n"
		if said.String() != want || !strings.Contains(out.String(), " is valid: ") {
			t.Errorf("it says\n%s%s\nwant\n%s", out.String(), said.String(), want)
		}
	})
	t.Run("the log", func(t *testing.T) {
		var log bytes.Buffer
		must(t, newExporter(file, probe.NewFactory(), slog.New(slog.NewTextHandler(&log, nil))).Reload())
		for _, key := range []string{"global.metrics_deny[0]", "global.metrics_deny[8]"} {
			if !strings.Contains(log.String(), `level=WARN msg="`+deniesNothing+`" key=`+key+"\n") {
				t.Errorf("no warning of %s in\n%s", key, log.String())
			}
		}
		if n := strings.Count(log.String(), deniesNothing); n != 2 {
			t.Errorf("%d warnings in\n%s", n, log.String())
		}
	})
}

// TestDeniable asks for everything that /metrics has, which must be known to be there.
func TestDeniable(t *testing.T) {
	known, err := deniable()
	must(t, err)
	exporter := newExporter(fileOf(t, oneEndpoint), probe.NewFactory(), slog.New(slog.DiscardHandler))
	must(t, exporter.Reload())
	metrics, empty := "/metrics", ""
	handler, err := (&serverFlags{telemetryPath: &metrics, externalURL: &empty, routePrefix: &empty}).handler(exporter)
	must(t, err)
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "GET", metrics, nil))
	n := 0
	for line := range strings.Lines(answer.Body.String()) {
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			n++
			if name, _, _ := strings.Cut(rest, " "); !slices.Contains(known, name) {
				t.Errorf("nobody could deny %s", name)
			}
		}
	}
	if n < 40 {
		t.Errorf("%d metrics in\n%s", n, answer.Body.String())
	}
}
