package exporter

import (
	"fmt"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
)

// A series is a metric's name, its endpoint or credential, and the value of its state
// or code. Other labels are left out, so that it stays the same when they change.
type series struct{ name, subject, detail string }

// scrape returns the values of the exposed metrics, for histograms the count.
func (w *world) scrape() map[series]float64 {
	w.t.Helper()
	families, err := w.metrics.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	values := make(map[series]float64)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			s := series{name: family.GetName()}
			for _, label := range m.GetLabel() {
				switch label.GetName() {
				case "endpoint", "credential":
					s.subject = label.GetValue()
				case "state", "code", "phase", "role", "source":
					s.detail = label.GetValue()
				}
			}
			switch family.GetType() {
			case dto.MetricType_COUNTER:
				values[s] = m.GetCounter().GetValue()
			case dto.MetricType_GAUGE:
				values[s] = m.GetGauge().GetValue()
			default:
				s.name += "_count"
				values[s] = float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return values
}

// states counts the endpoints by state.
func states(values map[series]float64) map[string]int {
	counts := make(map[string]int)
	for s, value := range values {
		if s.name == "session_state" && value == 1 {
			counts[s.detail]++
		}
	}
	return counts
}

// backwards names the counters that have decreased, except those of removed endpoints.
func backwards(before, after map[series]float64) []string {
	var problems []string
	for s, value := range before {
		now, stays := after[s]
		if stays && now < value && (strings.HasSuffix(s.name, "_total") || strings.HasSuffix(s.name, "_count")) {
			problems = append(problems, fmt.Sprintf("%s of %s %s went from %v to %v", s.name, s.subject, s.detail, value, now))
		}
	}
	return problems
}

// want checks one value.
func want(t *testing.T, values map[series]float64, s series, value float64) {
	t.Helper()
	if got, ok := values[s]; !ok || got != value {
		t.Errorf("%s of %q %s is %v (exposed: %t), want %v", s.name, s.subject, s.detail, got, ok, value)
	}
}
