package page

import (
	"testing"
	"time"

	"session_exporter/collector"
	"session_exporter/sessionapi"
)

// 300 equal results are one line, including those that the history does not keep.
func TestRuns(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	minute := func(n int) time.Time { return now.Add(time.Duration(n-320) * time.Minute) }
	status := &collector.Status{Changes: []collector.Change{
		{Time: minute(0), From: sessionapi.Unknown, To: sessionapi.Valid, Probes: 17},
		{Time: minute(17), From: sessionapi.Valid, To: sessionapi.CredentialsRejected, Reason: "401 INVALID_CREDENTIALS", Probes: 1},
		{Time: minute(18), From: sessionapi.CredentialsRejected, To: sessionapi.LoginSuspended, Probes: 300},
		{Time: minute(318), From: sessionapi.LoginSuspended, To: sessionapi.Valid, Probes: 2},
	}}
	for i := 220; i < 320; i++ {
		p := heldBack(sessionapi.LoginSuspended, 0)
		if i >= 318 {
			p = past(sessionapi.Valid, time.Millisecond)
		}
		p.Start = minute(i)
		status.History = append(status.History, p)
	}
	runs := newRuns(status, now)
	if len(runs) != 4 {
		t.Fatalf("%d runs: %+v", len(runs), runs)
	}
	for i, want := range []run{
		{View: newStateView(sessionapi.Valid, false), Probes: 2, Lasted: "2 min", Open: true},
		{View: newStateView(sessionapi.LoginSuspended, true), Probes: 300, Lasted: "5 h", Reason: newStateView(sessionapi.LoginSuspended, true).Meaning},
		{View: newStateView(sessionapi.CredentialsRejected, false), Probes: 1, Lasted: "1 min", Reason: "401 INVALID_CREDENTIALS"},
		{View: newStateView(sessionapi.Valid, false), Probes: 17, Lasted: "17 min"},
	} {
		got := runs[i]
		if got.View != want.View || got.Probes != want.Probes || got.Lasted != want.Lasted || got.Reason != want.Reason || got.Open != want.Open || got.Ended.IsZero() != (i == 0) {
			t.Errorf("run %d: %+v\nwant %+v", i, got, want)
		}
	}
	if r := runs[0].Results; len(r) != 2 || !r[0].Start.Equal(minute(319)) || runs[0].Kept() != "" {
		t.Errorf("the results of the last run are %+v", r)
	}
	if len(runs[1].Results) != 0 {
		t.Errorf("results of logins that were not sent are listed: %+v", runs[1].Results)
	}
	if !runs[1].Ended.Equal(minute(318)) || runs[1].ID == runs[3].ID {
		t.Errorf("%+v", runs)
	}
}

// The page says how many results of a run are kept.
func TestRunLongerThanTheHistory(t *testing.T) {
	now := time.Now()
	status := &collector.Status{Changes: []collector.Change{{Time: now.Add(-time.Hour), From: sessionapi.Unknown, To: sessionapi.Timeout, Probes: 3}}}
	status.History = []collector.PastProbe{past(sessionapi.Timeout, time.Second), past(sessionapi.Timeout, time.Second)}
	if got := newRuns(status, now)[0]; got.Kept() != "The last 2 of 3 results." || got.Lasted != "1 h" {
		t.Errorf("%q: %+v", got.Kept(), got)
	}
	if got := newRuns(&collector.Status{}, now); len(got) != 0 {
		t.Errorf("runs before the first probe: %+v", got)
	}
}

// Only a ratio of 1 is shown as 100 %, and only 0 as 0 %.
func TestShares(t *testing.T) {
	for ratio, want := range map[float64]string{1: "100 %", 0: "0 %", 0.99999: "99.9 %", 0.00001: "0.1 %", 0.4567: "45.7 %"} {
		if got := formatShare(ratio); got != want {
			t.Errorf("%g: %q, want %q", ratio, got, want)
		}
	}
	got := newShares(&collector.Status{
		ValidHour: collector.ValidShare{Ratio: 0.5, Observed: time.Hour},
		ValidDay:  collector.ValidShare{Ratio: 1, Observed: 90 * time.Minute},
	})
	if got[0] != (share{"last hour", "50.0 %", ""}) || got[1] != (share{"last 24 hours", "100 %", "1 h 30 min"}) {
		t.Errorf("%+v", got)
	}
	if got := newShares(&collector.Status{}); got[0].Text != "" || got[1].Since != "" {
		t.Errorf("before the first probe: %+v", got)
	}
}
