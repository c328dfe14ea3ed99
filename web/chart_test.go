package web

import (
	"strings"
	"testing"
	"time"

	"session_exporter/collector"
	"session_exporter/probe"
)

func past(state probe.State, took time.Duration) collector.Past {
	return collector.Past{State: state, Duration: took, Sent: true}
}

// withheld is a probe that sent nothing, though it may have waited for long.
func withheld(state probe.State, took time.Duration) collector.Past {
	return collector.Past{State: state, Duration: took}
}

// A strip ends on the right with the newest, and tells kinds apart by height too.
func TestStrip(t *testing.T) {
	history := []collector.Past{past(probe.Timeout, 0), past(probe.Valid, 1), withheld(probe.LoginSuspended, 0), past(probe.Valid, 1)}
	got := newStrip(history, 3)
	if got.Text != "2 of 3 valid" || got.Width != 11 || got.Height != 16 || len(got.Layers) != 2 {
		t.Errorf("%+v", got)
	}
	for i, want := range []layer{{kindOK, "M0 9h3v7h-3zM8 9h3v7h-3z"}, {kindWithheld, "M4 6h3v10h-3z"}} {
		if got.Layers[i] != want {
			t.Errorf("layer %+v, want %+v", got.Layers[i], want)
		}
	}
	short := newStrip(history[:1], 3)
	if last := short.Layers[len(short.Layers)-1]; short.Text != "0 of 1 valid" || short.Layers[0].Path != "M8 0h3v16h-3z" || last.Kind != "none" {
		t.Errorf("%+v", short)
	}
	heights := make(map[int]string)
	for _, kind := range kinds {
		heights[stripHeights[kind]] += kind + " "
	}
	for height, same := range heights {
		if height == 0 || strings.Contains(same, kindOK) && same != kindOK+" " {
			t.Errorf("height %d for %s", height, same)
		}
	}
}

// What was withheld has no latency, however long it waited, and makes a gap.
func TestSpark(t *testing.T) {
	got := newSpark([]collector.Past{past(probe.Valid, 2*time.Millisecond), withheld(probe.LoginSuspended, 5*time.Second), past(probe.Valid, 4*time.Millisecond), past(probe.Valid, 4*time.Millisecond)})
	if got.Text != "latency from 2.00 ms to 4.00 ms" || strings.Count(got.Path, "M") != 2 || strings.Count(got.Path, "L") != 1 {
		t.Errorf("%+v", got)
	}
	if got := newSpark([]collector.Past{withheld(probe.LoginSuspended, 5*time.Second)}); got.Path != "" {
		t.Errorf("drawn from nothing: %+v", got)
	}
}

// A timeout does not flatten what happens among milliseconds.
func TestChart(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	history := []collector.Past{past(probe.Valid, 3*time.Millisecond), past(probe.Timeout, 10*time.Second), withheld(probe.LoginSuspended, 30*time.Second)}
	for i := range history {
		history[i].Start = now.Add(time.Duration(i) * time.Minute)
	}
	got := newChart(history, now)
	if want := "Latency of the last 3 probes: from 3.00 ms to 10.0 s."; got.Text != want {
		t.Errorf("%q, want %q", got.Text, want)
	}
	var lines []string
	for _, line := range got.Lines {
		lines = append(lines, line.Text)
	}
	if want := "1 ms, 10 ms, 100 ms, 1 s, 10 s"; strings.Join(lines, ", ") != want {
		t.Errorf("lines at %q, want %q", lines, want)
	}
	quick, slow, none := got.Bars[0], got.Bars[1], got.Bars[2]
	if quick.Height < 10 || slow.Height != chartHeight-16 || none.Height != lowestBar || none.Y+none.Height != chartHeight {
		t.Errorf("bars %+v", got.Bars)
	}
	if slow.Kind != kindTrouble || slow.Title != "2026-11-23 12:01:00 UTC: timeout, 10.0 s" || none.Title != "2026-11-23 12:02:00 UTC: login_suspended, nothing was sent" || none.X != "98.00%" {
		t.Errorf("bars %+v", got.Bars)
	}
	if newChart(history[2:], now) != nil {
		t.Error("a chart of nothing")
	}
}
