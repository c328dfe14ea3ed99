package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestCountUp: an endpoint that responds twice counts once, and not after a failure.
func TestCountUp(t *testing.T) {
	endpoints := newBareEndpoints([]string{"https://a", "https://b"})
	for _, step := range []struct {
		i    int
		err  error
		want float64
	}{{0, nil, 1}, {0, nil, 1}, {1, nil, 2}, {0, errors.New("no response"), 1}} {
		endpoints[step.i].record(bareResponse{}, step.err)
		if got := countUp(endpoints); got != step.want {
			t.Errorf("after %+v: %v are up", step, got)
		}
	}
}

func TestBareSeries(t *testing.T) {
	e := &newBareEndpoints([]string{"https://a"})[0]
	r := bareResponse{status: 200, size: 300, start: time.Unix(1000, 0), took: 2 * time.Second}
	r.body.Data.User.Username, r.body.Time = "monitor", 1_003_000
	e.record(r, nil)
	e.record(bareResponse{start: time.Unix(2000, 0)}, errors.New("no response"))
	e.record(r, nil)
	got := string(e.appendSeries(nil))
	if n := strings.Count(got, "\n"); n != 15 {
		t.Errorf("%d series, want 15", n)
	}
	for _, want := range []string{
		`bare_up{endpoint="https://a"} 1`, `bare_duration_seconds{endpoint="https://a"} 2`, `bare_clock_skew_seconds{endpoint="https://a"} 2`,
		`bare_last_success_seconds{endpoint="https://a"} 1000`, `bare_probes_total{endpoint="https://a"} 3`, `bare_failures_total{endpoint="https://a"} 1`,
		`bare_info{endpoint="https://a",username="monitor",`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}
