package e2e

import (
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// prelude starts the configurations of most tests. On a busy machine a response may
// take two seconds; an unintended timeout would fail a test.
const prelude = `
global: {interval: 4s, timeout: 4s}
modules:
  hcx: {api: hcx, tls_config: {ca_file: %[1]q}}
  dr:  {api: dr,  tls_config: {ca_file: %[1]q}}
`

// exporter is a running exporter.
type exporter struct {
	*process
	url string
}

// watch runs the exporter with a configuration that is appended to the prelude.
func watch(t *testing.T, configuration string, args ...any) *exporter {
	t.Helper()
	return serve(t, fmt.Sprintf(prelude, caFile)+fmt.Sprintf(configuration, args...))
}

// serve runs the exporter with a complete configuration.
func serve(t *testing.T, configuration string, flags ...string) *exporter {
	t.Helper()
	file := configFile(t, configuration)
	return listening(t, append([]string{"--config.file=" + file, "--web.listen-address=127.0.0.1:0"}, flags...)...)
}

// listening runs a command that serves, and waits until it listens.
func listening(t *testing.T, args ...string) *exporter {
	t.Helper()
	p := launch(t, binary, args...)
	return &exporter{p, "http://" + p.address(t)}
}

func configFile(t *testing.T, configuration string) string {
	t.Helper()
	return write(t, filepath.Join(t.TempDir(), "session_exporter.yml"), configuration)
}

// secretFile writes a secret to a new file.
func secretFile(t *testing.T, secret string) string {
	t.Helper()
	return write(t, filepath.Join(t.TempDir(), "secret"), secret+"\n")
}

// write writes a file atomically: readers get the old text or the new one.
func write(t *testing.T, file, text string) string {
	t.Helper()
	temporary := file + ".new"
	if err := os.WriteFile(temporary, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temporary, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// get fetches a path of the exporter.
func (x *exporter) get(t *testing.T, path string) string {
	t.Helper()
	response, err := http.Get(x.url + path)
	if err != nil {
		t.Fatalf("%v\n%s", err, &x.stderr)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s\n%s", path, response.Status, body)
	}
	checkOutput(t, path, string(body))
	return string(body)
}

// metrics are the metrics of one scrape.
type metrics map[string]*dto.MetricFamily

func (x *exporter) scrape(t *testing.T) metrics {
	t.Helper()
	return parse(t, x.get(t, "/metrics"))
}

func parse(t *testing.T, text string) metrics {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	return families
}

// want has the expected values of metrics, by series selectors such as
// `session_state{state="valid"}`.
type want map[string]float64

// absent is the expected value of a selector that must match nothing.
var absent = math.NaN()

var (
	selectorSyntax = regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})?$`)
	matcherSyntax  = regexp.MustCompile(`([a-z_]+)="([^"]*)"`)
)

// series returns the series that match a selector.
func (m metrics) series(selector string) []*dto.Metric {
	parts := selectorSyntax.FindStringSubmatch(selector)
	if parts == nil {
		panic("not a selector: " + selector)
	}
	matchers := matcherSyntax.FindAllStringSubmatch(parts[2], -1)
	var matching []*dto.Metric
	for _, series := range m[parts[1]].GetMetric() {
		labels := map[string]string{}
		for _, label := range series.GetLabel() {
			labels[label.GetName()] = label.GetValue()
		}
		if !slices.ContainsFunc(matchers, func(matcher []string) bool { return labels[matcher[1]] != matcher[2] }) {
			matching = append(matching, series)
		}
	}
	return matching
}

// sum adds up the series that match a selector. It returns absent if none does.
func (m metrics) sum(selector string) float64 {
	matching := m.series(selector)
	if len(matching) == 0 {
		return absent
	}
	total := 0.0
	for _, series := range matching {
		total += series.GetGauge().GetValue() + series.GetCounter().GetValue() + series.GetUntyped().GetValue()
	}
	return total
}

// differ returns an error that describes the differences from the expected values, nil if
// there are none.
func (m metrics) differ(wanted want) error {
	var differences []string
	for _, selector := range slices.Sorted(maps.Keys(wanted)) {
		got, want := m.sum(selector), wanted[selector]
		if got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			differences = append(differences, fmt.Sprintf("%s is %v, want %v", selector, got, want))
		}
	}
	if differences == nil {
		return nil
	}
	return fmt.Errorf("%s", strings.Join(differences, "\n"))
}

// check compares the metrics with the expected values.
func (m metrics) check(t *testing.T, wanted want) {
	t.Helper()
	if err := m.differ(wanted); err != nil {
		t.Error(err)
	}
}

// await waits for a scrape in which all of the metrics have the expected values.
func (x *exporter) await(t *testing.T, wanted want) metrics {
	t.Helper()
	return x.until(t, func(m metrics) error { return m.differ(wanted) })
}

// until waits until satisfied returns nil for the metrics.
func (x *exporter) until(t *testing.T, satisfied func(metrics) error) metrics {
	t.Helper()
	var m metrics
	eventually(t, func() error {
		m = x.scrape(t)
		if err := satisfied(m); err != nil {
			return fmt.Errorf("%w\n%s", err, x.lastLines())
		}
		return nil
	})
	return m
}

// probedAfter waits until the endpoint's last probe started after the given instant.
func (x *exporter) probedAfter(t *testing.T, endpoint string, instant time.Time) metrics {
	t.Helper()
	selector := fmt.Sprintf("session_last_probe_timestamp_seconds{endpoint=%q}", endpoint)
	return x.until(t, func(m metrics) error {
		if got := m.sum(selector); !(got > unix(instant)) {
			return fmt.Errorf("%s is %v, want more than %v", selector, got, unix(instant))
		}
		return nil
	})
}

// awaitProbes waits until an endpoint has been probed n more times.
func (x *exporter) awaitProbes(t *testing.T, endpoint string, n float64) metrics {
	t.Helper()
	selector := fmt.Sprintf("session_probes_total{endpoint=%q}", endpoint)
	least := x.scrape(t).sum(selector) + n
	return x.until(t, func(m metrics) error {
		if got := m.sum(selector); !(got >= least) { // also true if it is absent
			return fmt.Errorf("%s is %v, want at least %v", selector, got, least)
		}
		return nil
	})
}

// change is a change of an endpoint's state.
type change struct {
	at    time.Time
	state string
}

// changes returns the changes of an endpoint's state in the log.
func (x *exporter) changes(t *testing.T, endpoint string) []change {
	t.Helper()
	var changes []change
	for _, line := range x.logLines(t) {
		if line["msg"] == "probed" && line["endpoint"] == endpoint {
			at, err := time.Parse(time.RFC3339, line["ts"])
			if err != nil {
				t.Error(err)
			}
			changes = append(changes, change{at, line["state"]})
		}
	}
	return changes
}

// states returns the states of an endpoint in the log, in order.
func (x *exporter) states(t *testing.T, endpoint string) []string {
	t.Helper()
	var states []string
	for _, change := range x.changes(t, endpoint) {
		states = append(states, change.state)
	}
	return states
}

func unix(at time.Time) float64 { return float64(at.UnixNano()) / 1e9 }
