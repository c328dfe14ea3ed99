package exporter

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"session_exporter/probe"
)

const suspicious = `global: {metrics_deny: [nothing_at_all]}
credentials:
  a: {username: monitor, password: '${PW}'}
  b: {username: monitor, password_file: gone}
modules: {m: {api: hcx, credential: a}}
endpoints:
  - {name: x, url: "http://x.example.com:9443", module: m}
  - {name: y, url: "https://y.example.com:9443", module: m, credential: b}
`

// TestProblemsAreLoggedOnce reloads a configuration: unchanged, shifted by a line, and
// with one more problem.
func TestProblemsAreLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	file := fileOf(t, suspicious)
	e := newExporter([]string{file}, probe.NewManager(), slog.New(slog.NewTextHandler(&log, nil)))
	for _, c := range []struct {
		text string
		keys []string
	}{
		{suspicious, []string{"line=4 key=credentials.b.password_file", "line=1 key=global.metrics_deny[0]", "line=3 key=credentials.a.password", "line=7 key=endpoints[0].url"}},
		{suspicious, nil},
		{"# shifted\n" + suspicious, nil},
		{"# shifted\n" + strings.Replace(suspicious, "https://y", "http://y", 1), []string{"line=9 key=endpoints[1].url"}},
		{suspicious, nil},
		{strings.Replace(suspicious, "https://y", "http://y", 1), []string{"line=8 key=endpoints[1].url"}},
	} {
		log.Reset()
		must(t, os.WriteFile(file, []byte(c.text), 0o600))
		must(t, e.Reload())
		warnings := 0
		for line := range strings.Lines(log.String()) {
			if !strings.Contains(line, "level=WARN") {
				continue
			}
			if warnings >= len(c.keys) || !strings.Contains(line, c.keys[warnings]+" ") {
				t.Errorf("unexpected %s", line)
			}
			warnings++
		}
		if warnings != len(c.keys) {
			t.Errorf("%d warnings, want %d, in\n%s", warnings, len(c.keys), log.String())
		}
	}
}

// A mistake that a fleet has a thousand times does not flood the log.
func TestProblemsAreCounted(t *testing.T) {
	var text strings.Builder
	text.WriteString(oneEndpoint)
	for i := range 1000 {
		fmt.Fprintf(&text, "  - {name: e%d, url: \"http://e%d.example.com:9443\", module: hcx}\n", i, i)
	}
	var log bytes.Buffer
	must(t, newExporter([]string{fileOf(t, text.String())}, probe.NewManager(), slog.New(slog.NewTextHandler(&log, nil))).Reload())
	if n := strings.Count(log.String(), "configuration warning\""); n != maxLoggedProblems || !strings.Contains(log.String(), `msg="more configuration warnings; run check-config to see all" count=990`) {
		t.Errorf("%d warnings in\n%s", n, log.String())
	}
}
