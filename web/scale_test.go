package web

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"session_exporter/probe"
)

// The page's work is that of what it shows, not of the fleet: ten thousand
// endpoints cost a look at each, and no more allocations than a few hundred.
func TestWorkOfTheOverview(t *testing.T) {
	work := func(endpoints int) float64 {
		handler := fleet(t, endpoints)
		return testing.AllocsPerRun(3, func() { ask(handler, http.MethodGet, "/?sort=-latency") })
	}
	few, many := work(200), work(10_000)
	if many > few+2_000 {
		t.Errorf("%g allocations for 200 endpoints, %g for 10,000", few, many)
	}
}

func BenchmarkOverview(b *testing.B) {
	for _, query := range []string{"", "?q=site-7+endpoint", "?sort=name&page=50", "?state=failing&label=site=site-7"} {
		b.Run("10000"+query, func(b *testing.B) {
			handler := fleet(b, 10_000)
			b.ReportAllocs()
			for b.Loop() {
				ask(handler, http.MethodGet, "/"+query)
			}
		})
	}
}

// fleet is a handler over many endpoints, a tenth of which fails.
func fleet(tb testing.TB, endpoints int) http.Handler {
	tb.Helper()
	s := &site{}
	for i := range endpoints {
		found := &probe.Result{State: probe.Valid, Diagnosis: "It is well.", Duration: time.Duration(i) * time.Microsecond, Steps: []probe.StepResult{{Step: probe.Check, Status: 200}}}
		if i%10 == 0 {
			found.State = probe.Unreachable
		}
		s.add(fmt.Sprintf("endpoint-%05d", i), found).Labels = map[string]string{"site": fmt.Sprintf("site-%d", i%20)}
	}
	return s.handler(tb)
}
