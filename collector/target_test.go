package collector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

func TestDurationOfProbesWithRequests(t *testing.T) {
	c := watch(t, newSettings(newEndpoint("a")), idle)
	a := c.applied.Load().watched[0]
	for _, tc := range []struct {
		name     string
		result   probe.Result
		observed float64 // so far
	}{
		{"sent", at(0, sessionapi.Valid, check), 1},
		{"sent and failed", at(1, sessionapi.Timeout, check), 2},
		{"held back", at(2, sessionapi.LoginSuspended), 2},
		{"in back-off", at(3, sessionapi.RateLimited), 2},
		{"with an operation ID", at(4, sessionapi.Valid, probe.StepResult{Step: sessionapi.Check, OpID: strings.Repeat("é", 65)}), 3},
	} {
		a.record(&tc.result)
		if observed := float64(a.state.duration.dto(new(message)).GetSampleCount()); observed != tc.observed {
			t.Errorf("%s: %v observed, want %v", tc.name, observed, tc.observed)
		}
	}
}

// Only the counts of Close are added: not every session that is given up is logged out.
func TestClose(t *testing.T) {
	for _, tc := range []struct {
		name string
		did  probe.Result
		err  error
		want string
	}{
		{"logged out", probe.Result{Logouts: 1}, nil, "1 0 0 0"},
		{"logout failed", probe.Result{LogoutFailures: 1}, errors.New("the response was 500"), "0 1 0 0"},
		{"the API has no logout", probe.Result{LogoutFailures: 1}, nil, "0 1 0 0"},
		{"the appliance had terminated it", probe.Result{Expirations: 1, Lifetime: time.Minute}, nil, "0 0 0 1"},
		{"a late session logged out, too", probe.Result{Logouts: 2, Unanswered: 1}, nil, "2 0 1 0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			prober := &fake{did: &tc.did, close: func(context.Context) error { return tc.err }}
			a := watch(t, newSettings(newEndpoint("a")), func(*config.Endpoint) Prober { return prober }).applied.Load().watched[0]
			result := at(0, sessionapi.Valid, check)
			result.Established = minute(0)
			a.record(&result)
			if err := a.close(t.Context()); !errors.Is(err, tc.err) {
				t.Errorf("error %v, want %v", err, tc.err)
			}
			if got := fmt.Sprint(a.state.Logouts, a.state.logoutFailures, a.state.unanswered, a.state.Expirations); got != tc.want || a.holds() {
				t.Errorf("logouts, failures, unanswered, expirations %s, want %s; holds a session: %t", got, tc.want, a.holds())
			}
		})
	}
}

// A replacement that is due when a reload has removed the endpoint is no failure: the session
// was logged out of.
func TestReplacementOfARemovedEndpoint(t *testing.T) {
	a := watch(t, newSettings(newEndpoint("a")), func(*config.Endpoint) Prober { return &fake{} }).applied.Load().watched[0]
	a.setReplacement(&fake{})
	if err := a.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.installNow(t.Context()); err != nil {
		t.Errorf("error %v, want none", err)
	}
}

// Changes of state are logged, other probes only at level debug.
func TestLog(t *testing.T) {
	for _, tc := range []struct {
		name          string
		before, after sessionapi.State
		want          string
	}{
		{"first", sessionapi.Unknown, sessionapi.Valid, "level=INFO msg=probed endpoint=a api=hcx state=valid before=unknown duration=2s diagnosis=\"It is so.\"\n"},
		{"first, bad", sessionapi.Unknown, sessionapi.Timeout, "level=WARN msg=probed endpoint=a api=hcx state=timeout before=unknown duration=2s diagnosis=\"It is so.\"\n"},
		{"worse", sessionapi.Valid, sessionapi.Timeout, "level=WARN msg=probed endpoint=a api=hcx state=timeout before=valid duration=2s diagnosis=\"It is so.\"\n"},
		{"other", sessionapi.Timeout, sessionapi.Unreachable, "level=WARN msg=probed endpoint=a api=hcx state=unreachable before=timeout duration=2s diagnosis=\"It is so.\"\n"},
		{"better", sessionapi.Timeout, sessionapi.Valid, "level=INFO msg=probed endpoint=a api=hcx state=valid before=timeout duration=2s diagnosis=\"It is so.\"\n"},
		{"the same", sessionapi.Valid, sessionapi.Valid, "level=DEBUG msg=probed endpoint=a api=hcx state=valid before=valid duration=2s diagnosis=\"It is so.\"\n"},
		{"the same, bad", sessionapi.Timeout, sessionapi.Timeout, "level=DEBUG msg=probed endpoint=a api=hcx state=timeout before=timeout duration=2s diagnosis=\"It is so.\"\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var logged bytes.Buffer
			logger := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{
				Level: slog.LevelDebug,
				ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr {
					if attr.Key == slog.TimeKey {
						return slog.Attr{}
					}
					return attr
				},
			}))
			a := New(noCredentials, logger).newTarget(newEndpoint("a"), &fake{})
			a.state.Result.State = tc.before
			result := at(0, tc.after, check)
			result.Duration = 2*time.Second + 1
			result.Diagnosis = "It is so."
			a.record(&result)
			if logged.String() != tc.want {
				t.Errorf("logged %q, want %q", &logged, tc.want)
			}
		})
	}
}
