package page

import (
	"strings"
	"testing"
	"time"

	"session_exporter/collector"
	"session_exporter/sessionapi"
)

// charted returns the chart of results that began a minute apart, the last one now.
func charted(now time.Time, history ...collector.PastProbe) *chart {
	for i := range history {
		history[i].Start = now.Add(time.Duration(i+1-len(history)) * time.Minute)
	}
	return newChart(&collector.Status{History: history})
}

// A timeout does not flatten latencies of milliseconds.
func TestChart(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	quick := past(sessionapi.Valid, 3*time.Millisecond)
	got := charted(now, quick, quick, quick, quick, past(sessionapi.Timeout, 10*time.Second), heldBack(sessionapi.LoginSuspended, 30*time.Second))
	if want := "Latency of the last 6 probes: from 3.00 ms to 10.0 s."; got.Text != want {
		t.Errorf("%q, want %q", got.Text, want)
	}
	var lines []string
	for _, line := range got.Lines {
		lines = append(lines, line.Text)
		if line.Y < chartTop || line.Y > chartBottom {
			t.Errorf("the line %+v is outside", line)
		}
	}
	if want := "1 ms, 10 ms, 100 ms, 1 s, 10 s"; strings.Join(lines, ", ") != want {
		t.Errorf("lines at %q, want %q", lines, want)
	}
	low, slow, none := got.Bars[0], got.Bars[4], got.Bars[5]
	if low.Height < 10 || slow.Height != chartBottom-chartTop || slow.Y != got.Lines[4].Y || none.Height != minBarHeight || none.Y+none.Height != chartBottom {
		t.Errorf("bars %+v", got.Bars)
	}
	if slow.Kind != sessionapi.KindTrouble || slow.Title != "2026-11-23 11:59:00 UTC: timeout, 10.0 s" || none.Title != "2026-11-23 12:00:00 UTC: login_suspended, nothing was sent" || none.X != "98.00%" {
		t.Errorf("bars %+v", got.Bars)
	}
}

// Like a sparkline, a chart needs at least five latencies.
func TestChartOfFewLatencies(t *testing.T) {
	quick := past(sessionapi.Valid, time.Millisecond)
	if got := charted(time.Now(), quick, quick, quick, quick, heldBack(sessionapi.LoginSuspended, time.Second)); got != nil {
		t.Errorf("a chart of four latencies: %+v", got)
	}
	if charted(time.Now(), quick, quick, quick, quick, quick) == nil {
		t.Error("no chart of five latencies")
	}
}

// The times below a chart are those of the bars above them, and do not overlap.
func TestChartTicks(t *testing.T) {
	now := time.Now()
	for n, want := range map[int]string{
		100: "start 0.00% 1 h 39 min ago, middle 24.00% 1 h 15 min ago (minor), middle 49.00% 50 min ago, middle 74.00% 25 min ago (minor), end 100% now",
		50:  "start 0.00% 49 min ago, middle 24.00% 37 min ago (minor), middle 48.00% 25 min ago, middle 72.00% 13 min ago (minor), end 100% now",
		30:  "middle 48.00% 25 min ago, middle 72.00% 13 min ago (minor), end 100% now",
		5:   "end 100% now",
	} {
		history := make([]collector.PastProbe, n)
		for i := range history {
			history[i] = past(sessionapi.Valid, time.Millisecond)
		}
		var all []string
		for _, tick := range charted(now, history...).Ticks {
			text := tick.Anchor + " " + tick.X + " " + relative(tick.At, now)
			if tick.Minor {
				text += " (minor)"
			}
			all = append(all, text)
		}
		if got := strings.Join(all, ", "); got != want {
			t.Errorf("%d results: %s\nwant %s", n, got, want)
		}
	}
}
