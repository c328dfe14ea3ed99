package collector

import (
	"bytes"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"google.golang.org/protobuf/encoding/prototext"

	"session_exporter/config"
	"session_exporter/internal/golden"
	"session_exporter/probe"
)

var (
	textFormat        = expfmt.NewFormat(expfmt.TypeTextPlain)
	openMetricsFormat = expfmt.FmtOpenMetrics_1_0_0

	formats = []expfmt.Format{textFormat, openMetricsFormat, protobufFormat}
)

// expose returns the body of /metrics. It fails if client_golang would write a different one.
func expose(tb testing.TB, c *Collector, format expfmt.Format) []byte {
	tb.Helper()
	body := write(tb, c, format)
	checkSame(tb, gatherFrom(tb, c, allOf(tb, c)), format, body)
	return body
}

func write(tb testing.TB, c *Collector, format expfmt.Format) []byte {
	tb.Helper()
	var body bytes.Buffer
	if err := c.Cache(format).Write(&body, format, gatherFrom(tb, c, aboutExporter(tb, c)), nil); err != nil {
		tb.Fatal(err)
	}
	return body.Bytes()
}

// checkSame compares a body with client_golang's, family by family.
func checkSame(tb testing.TB, families []*dto.MetricFamily, format expfmt.Format, body []byte) {
	tb.Helper()
	for _, family := range families {
		var want bytes.Buffer
		if err := expfmt.NewEncoder(&want, format, expfmt.WithCreatedLines()).Encode(family); err != nil {
			tb.Fatal(err)
		}
		size := want.Len()
		if size > len(body) {
			tb.Fatalf("%s: %s is cut off", format, family.GetName())
		}
		got := body[:size]
		body = body[size:]
		if !bytes.Equal(inOrder(format, family, got), inOrder(format, family, want.Bytes())) {
			tb.Fatalf("%s: %s is\n%s\nwant\n%s", format, family.GetName(), got, want.Bytes())
		}
	}
	if end := strings.TrimSuffix(string(body), "# EOF\n"); end != "" {
		tb.Fatalf("%s: unexpected %q at the end", format, end)
	}
}

// inOrder sorts the samples of a family with a label of its own that sorts before
// "endpoint". client_golang sorts by that label, which no format requires.
func inOrder(format expfmt.Format, family *dto.MetricFamily, written []byte) []byte {
	if name := family.GetName(); name != "session_errors_total" && name != "session_endpoint_info" {
		return written
	}
	if format.FormatType() != expfmt.TypeProtoDelim {
		lines := slices.SortedFunc(bytes.Lines(written), bytes.Compare)
		return bytes.Join(lines, nil)
	}
	var decoded dto.MetricFamily
	if err := expfmt.NewDecoder(bytes.NewReader(written), format).Decode(&decoded); err != nil {
		return written
	}
	slices.SortFunc(decoded.Metric, func(a, b *dto.Metric) int { return strings.Compare(a.String(), b.String()) })
	return []byte(prototext.MarshalOptions{}.Format(&decoded))
}

// allOf gathers the metrics of the endpoints and those about the exporter.
func allOf(tb testing.TB, c *Collector) prometheus.Gatherer {
	tb.Helper()
	return prometheus.Gatherers{c.Endpoints(), aboutExporter(tb, c)}
}

func aboutExporter(tb testing.TB, c *Collector) prometheus.Gatherer {
	tb.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c.ExporterMetrics())
	return registry
}

// gatherFrom returns metrics that client_golang has checked and sorted.
func gatherFrom(tb testing.TB, c *Collector, from prometheus.Gatherer) []*dto.MetricFamily {
	tb.Helper()
	families, err := c.Filter(prometheus.Gatherers{from}).Gather()
	if err != nil {
		tb.Fatal(err)
	}
	return families
}

func gather(tb testing.TB, c *Collector) map[string]*dto.MetricFamily {
	tb.Helper()
	families := gatherFrom(tb, c, allOf(tb, c))
	byName := make(map[string]*dto.MetricFamily, len(families))
	for _, family := range families {
		byName[family.GetName()] = family
	}
	return byName
}

// TestExposition compares the exposition of fixed results. They are recorded in a bubble,
// in which it is 2000-01-01 00:00 UTC.
func TestExposition(t *testing.T) {
	for _, tc := range []struct {
		name      string
		endpoints []*config.Endpoint
		results   map[string][]probe.Result // by endpoint
		deny      []string
		format    expfmt.Format
	}{
		{name: "not_probed.txt", endpoints: []*config.Endpoint{newEndpoint("a")}},
		{
			name: "hcx_valid.txt", endpoints: []*config.Endpoint{newEndpoint("hcx-site-a")},
			results: map[string][]probe.Result{"hcx-site-a": {hcxValid()}},
		},
		{
			name: "hcx_valid.openmetrics.txt", endpoints: []*config.Endpoint{newEndpoint("hcx-site-a")},
			results: map[string][]probe.Result{"hcx-site-a": {hcxValid()}},
			format:  openMetricsFormat,
		},
		{
			name: "dr_valid.txt", endpoints: []*config.Endpoint{drEndpoint("srm-site-a")},
			results: map[string][]probe.Result{"srm-site-a": {drValid()}},
		},
		{
			name: "failing_states.txt", endpoints: failing(), results: failures(),
			deny: []string{"session_exporter_.*", "session_state", "session_probe_duration_seconds", "session_probe_phase.*", "session_logouts_total"},
		},
		{
			name: "labels_union.txt", endpoints: []*config.Endpoint{
				withLabels("a", map[string]string{"site": "a", "zone": "1"}), withLabels("b", map[string]string{"Team": "net"}), newEndpoint("c"),
			},
			deny: []string{"session_exporter_.*", "session_state", "session_probe.*"},
		},
		{
			name: "hostile_values.txt", endpoints: []*config.Endpoint{hostile()},
			results: map[string][]probe.Result{hostile().Name: {hostileResult()}},
			deny:    []string{"session_exporter_.*", "session_state", "session_probe.*"},
		},
		{
			name: "metrics_deny.txt", endpoints: []*config.Endpoint{newEndpoint("a")},
			// Anchored, as the configuration makes them: session_up denies no more than itself.
			deny: []string{"session_exporter_.*", "session_(state|probe.*)", "session_up", "session_errors"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				settings := newSettings(tc.endpoints...)
				for _, pattern := range tc.deny {
					settings.MetricsDeny = append(settings.MetricsDeny, regexp.MustCompile("^(?:"+pattern+")$"))
				}
				c := watch(t, settings, idle)
				for _, target := range c.applied.Load().watched {
					for _, result := range tc.results[target.endpoint.Name] {
						target.record(&result)
					}
				}
				format := tc.format
				if format == "" {
					format = textFormat
				}
				golden.Check(t, filepath.Join("testdata", tc.name), expose(t, c, format))
			})
		})
	}
}
