package collector

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// midnight is a time at which a bucket begins.
var midnight = time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)

// Each change has its time, its reason, and how many probes had the new state.
func TestChanges(t *testing.T) {
	s := newState(nil, "")
	if got := s.changes.all(s.consecutive); len(got) != 0 {
		t.Errorf("before the first probe: %+v", got)
	}
	login := func(status int, code string) probe.StepResult {
		return probe.StepResult{Step: sessionapi.Login, Status: status, Code: code}
	}
	refused := &probe.Trace{Failure: "connect: connection refused"}
	s = recorded(
		at(0, sessionapi.Valid, login(200, "")),
		at(1, sessionapi.Valid, login(200, "")),
		at(2, sessionapi.CredentialsRejected, login(401, "INVALID_CREDENTIALS"), probe.StepResult{Step: sessionapi.Logout, Status: 204}),
		at(3, sessionapi.LoginSuspended),
		at(4, sessionapi.LoginSuspended),
		at(5, sessionapi.LoginSuspended),
		at(6, sessionapi.Unreachable, probe.StepResult{Step: sessionapi.Check, Trace: refused}),
		at(7, sessionapi.Timeout, probe.StepResult{Step: sessionapi.Check, Trace: &probe.Trace{}}),
		at(8, sessionapi.Unexpected, login(200, "")),
		at(9, sessionapi.InvalidResponse, login(200, strings.Repeat("x", 100))),
	)
	want := []Change{
		{minute(0), sessionapi.Unknown, sessionapi.Valid, "", 2},
		{minute(2), sessionapi.Valid, sessionapi.CredentialsRejected, "401 INVALID_CREDENTIALS", 1},
		{minute(3), sessionapi.CredentialsRejected, sessionapi.LoginSuspended, "", 3},
		{minute(6), sessionapi.LoginSuspended, sessionapi.Unreachable, "connect: connection refused", 1},
		{minute(7), sessionapi.Unreachable, sessionapi.Timeout, "no response", 1},
		{minute(8), sessionapi.Timeout, sessionapi.Unexpected, "", 1},
		{minute(9), sessionapi.Unexpected, sessionapi.InvalidResponse, sessionapi.CleanText("200 "+strings.Repeat("x", 100), 72), 1},
	}
	got := s.changes.all(s.consecutive)
	if !slices.EqualFunc(got, want, func(a, b Change) bool {
		sameTime := a.Time.Equal(b.Time)
		a.Time = b.Time
		return sameTime && a == b
	}) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// An endpoint that flaps keeps the last changes, in bounded memory.
func TestChangesOfAFlappingEndpoint(t *testing.T) {
	s := newState(nil, "")
	for i := range 10_001 {
		r := at(i, sessionapi.Valid, check)
		if i%2 == 1 {
			r = at(i, sessionapi.CredentialsRejected, probe.StepResult{Step: sessionapi.Login, Status: 401, Code: "INVALID_CREDENTIALS"})
		}
		s.record(&r)
	}
	got := s.changes.all(s.consecutive)
	if len(got) != ChangesLength || !got[0].Time.Equal(minute(9981)) || !got[19].Time.Equal(minute(10_000)) ||
		got[19].From != sessionapi.CredentialsRejected || got[19].To != sessionapi.Valid || got[18].Reason != "401 INVALID_CREDENTIALS" || got[18].Probes != 1 {
		t.Errorf("%d: %+v", len(got), got)
	}
	if size := cap(s.changes.data); size > 640 {
		t.Errorf("the changes take %d bytes", size)
	}
	if size := cap(s.valid.buckets); size != bucketCount {
		t.Errorf("the valid time takes %d bytes", size)
	}
}

// The shares of an endpoint that fails now and then differ from the exact ones by at most
// the width of a bucket.
func TestValidShare(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, interval := range []time.Duration{5 * time.Second, time.Minute, 7 * time.Minute, 3 * time.Hour} {
		var v validTime
		type result struct {
			start time.Time
			valid bool
		}
		var results []result
		start, valid := midnight.Add(17*time.Second), true
		for start.Before(midnight.Add(49 * time.Hour)) {
			if random.IntN(40) == 0 {
				valid = !valid
			}
			v.record(start, valid)
			results = append(results, result{start, valid})
			start = start.Add(interval + time.Duration(random.Int64N(int64(interval/10))))
		}
		now := start
		for _, window := range []time.Duration{time.Hour, 24 * time.Hour} {
			exact := time.Duration(0)
			for i, r := range results {
				until := now
				if i+1 < len(results) {
					until = results[i+1].start
				}
				if begin := now.Add(-window); r.start.Before(begin) {
					r.start = begin
				}
				if r.valid && until.After(r.start) {
					exact += until.Sub(r.start)
				}
			}
			got := v.share(now, window)
			if difference := math.Abs(got.Ratio - exact.Seconds()/window.Seconds()); difference > bucketWidth.Seconds()/window.Seconds() || got.Observed != window {
				t.Errorf("every %s, %s: %+v, want %g", interval, window, got, exact.Seconds()/window.Seconds())
			}
		}
	}
}

// A share covers no more time than was observed. After the clock was set back, it starts again
// at the next probe.
func TestValidShareSinceStart(t *testing.T) {
	after := func(minutes float64) time.Time { return midnight.Add(time.Duration(minutes * float64(time.Minute))) }
	near := func(got ValidShare, ratio float64, observed time.Duration) bool {
		return math.Abs(got.Ratio-ratio) < 1e-6 && got.Observed == observed
	}
	var v validTime
	if got := v.share(after(0), time.Hour); got != (ValidShare{}) {
		t.Errorf("before the first probe: %+v", got)
	}
	v.record(after(4), true)
	if got := v.share(after(4), time.Hour); got.Observed != 0 {
		t.Errorf("at the first probe: %+v", got)
	}
	if got := v.share(after(5), time.Hour); !near(got, 1, time.Minute) {
		t.Errorf("after a minute: %+v", got)
	}
	v.record(after(7), false)
	if got := v.share(after(10), time.Hour); !near(got, 0.5, 6*time.Minute) {
		t.Errorf("half of six minutes: %+v", got)
	}
	// The first bucket was observed for a minute, all of it valid.
	if got := v.share(after(64.5), time.Hour); !near(got, 2.5/60, time.Hour) {
		t.Errorf("after an hour: %+v", got)
	}
	v.record(after(8), true)
	if got := v.share(after(6), time.Hour); !near(got, 5.0/6, 2*time.Minute) {
		t.Errorf("after the clock was set back, before the next probe: %+v", got)
	}
	v.record(after(3), true)
	if got := v.share(after(4), time.Hour); !near(got, 1, time.Minute) {
		t.Errorf("after the clock was set back: %+v", got)
	}
	v.record(after(3).AddDate(50, 0, 0), false) // it was set forward
	if got := v.share(after(3).AddDate(50, 0, 0), validWindow); !near(got, 1, validWindow) || len(v.buckets) > bucketCount {
		t.Errorf("after the clock was set forward: %+v, %d buckets", got, len(v.buckets))
	}
}

// A reload keeps the changes and the valid time of an endpoint, even if its settings change.
func TestReloadKeepsChangesAndValidTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := sessionapi.Valid
		prober := func(*config.Endpoint) Prober {
			return &fake{probe: func(context.Context) (probe.Result, error) { return found(state), nil }}
		}
		c := watch(t, newSettings(newEndpoint("a")), prober)
		for _, next := range []sessionapi.State{sessionapi.Valid, sessionapi.Timeout, sessionapi.Timeout} {
			state = next
			if _, err := c.Probe(t.Context(), "a", RequestOptions{}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Minute)
			changed := newEndpoint("a")
			changed.Timeout = 5 * time.Second
			reload(t, c, prober, changed)
			reload(t, c, prober, newEndpoint("a"), newEndpoint("b"))
		}
		all := c.Statuses("a", "b")
		got, other := all[0], all[1]
		if len(got.Changes) != 2 || got.Changes[1].To != sessionapi.Timeout || got.Changes[1].Probes != 2 {
			t.Errorf("%+v", got.Changes)
		}
		if math.Abs(got.ValidHour.Ratio-1./3) > 1e-6 || got.ValidHour != got.ValidDay || got.ValidDay.Observed != 30*time.Minute {
			t.Errorf("%+v, %+v", got.ValidHour, got.ValidDay)
		}
		if len(other.Changes) != 0 || other.ValidDay.Observed != 0 {
			t.Errorf("a new endpoint has %+v", other)
		}
	})
}
