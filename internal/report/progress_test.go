package report

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/collector"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

func TestProgressLine(t *testing.T) {
	for _, tc := range []struct {
		width, done int
		want        string
	}{
		{80, 0, "Probing: 0 of 30 done, 2 not valid [..............................]"},
		{80, 10, "Probing: 10 of 30 done, 2 not valid [##########....................]"},
		{80, 30, "Probing: 30 of 30 done, 2 not valid [##############################]"},
		{50, 15, "Probing: 15 of 30 done, 2 not valid [#####.....]"[:36] + "[#####......]"},
		{40, 15, "Probing: 15 of 30 done, 2 not valid"},
		{20, 15, "Probing: 15 of 30 …"},
	} {
		p := &Progress{width: tc.width, all: 30}
		p.done.Store(int64(tc.done))
		p.notValid.Store(2)
		if got := p.line(); got != tc.want || columns(got) >= tc.width {
			t.Errorf("%d of 30 on %d columns: %q, want %q", tc.done, tc.width, got, tc.want)
		}
	}
}

// TestProgressShows checks that nothing is drawn in the first second, then a bar that
// is redrawn in place and finally erased.
func TestProgressShows(t *testing.T) {
	for _, tc := range []struct {
		name  string
		takes time.Duration
		want  []string // lines drawn, each over the previous one
	}{
		{"quick", 900 * time.Millisecond, nil},
		{"slow", 1500 * time.Millisecond, []string{
			"Probing: 1 of 2 done, 0 not valid [###############...............]",
			"Probing: 1 of 2 done, 0 not valid [###############...............]",
			"Probing: 2 of 2 done, 1 not valid [##############################]",
			"",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				p := &Progress{out: &out, width: 80, all: 2}
				ctx, cancel := context.WithTimeout(t.Context(), tc.takes)
				defer cancel()
				p.Add(collector.EndpointResult{Result: probe.Result{State: sessionapi.Valid}})
				time.AfterFunc(1300*time.Millisecond, func() { p.Add(collector.EndpointResult{Result: probe.Result{State: sessionapi.Timeout}}) })
				p.Show(ctx)
				want := ""
				for _, line := range tc.want {
					want += eraseLine + line
				}
				if got := out.String(); got != want {
					t.Errorf("drawn: %q\nwant:  %q", got, want)
				}
				if strings.Contains(out.String(), "\n") {
					t.Error("a line break was written, and the line before it cannot be erased")
				}
				<-time.After(2 * time.Second) // until the test's AfterFunc has run
			})
		})
	}
}
