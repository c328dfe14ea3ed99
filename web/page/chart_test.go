package page

import (
	"slices"
	"strings"
	"testing"
	"time"

	"session_exporter/collector"
	"session_exporter/sessionapi"
)

func past(state sessionapi.State, took time.Duration) collector.PastProbe {
	return collector.PastProbe{State: state, Duration: took, HasRequest: true}
}

// heldBack returns a probe that sent nothing, but may have waited.
func heldBack(state sessionapi.State, took time.Duration) collector.PastProbe {
	return collector.PastProbe{State: state, Duration: took}
}

// A strip has the newest result on the right, and the height of a bar shows its kind.
func TestStrip(t *testing.T) {
	history := []collector.PastProbe{past(sessionapi.Timeout, 0), past(sessionapi.Valid, 1), heldBack(sessionapi.LoginSuspended, 0), past(sessionapi.Valid, 1)}
	got := newStrip(&collector.Status{History: history}, 3)
	if got.Text != "2 of 3 valid" || got.Width != 11 || got.Height != 16 || len(got.Layers) != 2 {
		t.Errorf("%+v", got)
	}
	for i, want := range []layer{{sessionapi.KindOK, "M0 9h3v7h-3zM8 9h3v7h-3z"}, {sessionapi.KindHeld, "M4 6h3v10h-3z"}} {
		if got.Layers[i] != want {
			t.Errorf("layer %+v, want %+v", got.Layers[i], want)
		}
	}
	short := newStrip(&collector.Status{History: history[:1]}, 3)
	if last := short.Layers[len(short.Layers)-1]; short.Text != "0 of 1 valid" || short.Layers[0].Path != "M8 0h3v16h-3z" || last.Kind != "none" {
		t.Errorf("%+v", short)
	}
	heights := make(map[int]string)
	for _, kind := range kinds {
		heights[stripHeights[kind]] += string(kind) + " "
	}
	for height, same := range heights {
		if height == 0 || strings.Contains(same, string(sessionapi.KindOK)) && same != string(sessionapi.KindOK)+" " {
			t.Errorf("height %d for %s", height, same)
		}
	}
}

// A probe that sent nothing has no latency, even if it waited, and leaves a gap.
func TestSpark(t *testing.T) {
	const ms = time.Millisecond
	history := []collector.PastProbe{past(sessionapi.Valid, 2*ms), heldBack(sessionapi.LoginSuspended, 5*time.Second), past(sessionapi.Valid, 4*ms), past(sessionapi.Valid, 4*ms), past(sessionapi.Valid, 4*ms)}
	if got := newSpark(history, newScale(2*ms, 4*ms)); got.Path != "" {
		t.Errorf("drawn from four latencies: %+v", got)
	}
	history = append(history, past(sessionapi.Valid, 3*ms))
	got := newSpark(history, newScale(2*ms, 4*ms))
	if got.Text != "latency from 2.00 ms to 4.00 ms" || strings.Count(got.Path, "M") != 2 || strings.Count(got.Path, "L") != 3 {
		t.Errorf("%+v", got)
	}
	if !strings.Contains(got.Path, "L79.0 ") { // the newest is at the right edge
		t.Errorf("not aligned to the right: %s", got.Path)
	}
}

// The same latency is at the same height in all rows.
func TestSharedScale(t *testing.T) {
	row := func(took time.Duration) collector.Status {
		return collector.Status{History: slices.Repeat([]collector.PastProbe{past(sessionapi.Valid, took)}, minSamples)}
	}
	statuses := []collector.Status{row(2 * time.Millisecond), row(10 * time.Second), {History: []collector.PastProbe{heldBack(sessionapi.LoginSuspended, time.Hour)}}}
	shared := sharedScale(statuses)
	if *shared != (scale{-3, 1}) {
		t.Errorf("scale %+v", *shared)
	}
	for i, want := range []string{"M71.0 15.8h", "M71.0 1.0h"} {
		if got := newSpark(statuses[i].History, shared); !strings.HasPrefix(got.Path, want) {
			t.Errorf("%s, want %s", got.Path, want)
		}
	}
	if empty := sharedScale(nil); empty.position(time.Millisecond) < 0 || empty.position(time.Hour) > 1 {
		t.Errorf("scale of nothing: %+v", *empty)
	}
}
