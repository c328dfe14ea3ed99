package page

import (
	"slices"
	"testing"
	"time"

	"session_exporter/collector"
	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

func TestStateView(t *testing.T) {
	kinds := make(map[sessionapi.Kind]bool)
	for _, state := range sessionapi.States() {
		view := newStateView(state, false)
		kinds[view.Kind] = true
		if view.Name != state || view.Meaning == "" || (view.Kind == sessionapi.KindUnknown) != (state == sessionapi.Unknown) {
			t.Errorf("%s has the view %+v", state, view)
		}
		if (view.Kind == sessionapi.KindHeld) != (state == sessionapi.LoginSuspended) {
			t.Errorf("%s is %s", state, view.Kind)
		}
	}
	if len(kinds) != 6 {
		t.Errorf("kinds %v", kinds)
	}
	if got := newStateView(sessionapi.LoginSuspended, true); got.Kind != sessionapi.KindRefused || got.Name != sessionapi.LoginSuspended {
		t.Errorf("after the endpoint's own refusal: %+v", got)
	}
}

// A login that is held back is red after the endpoint's own refusal, even if that is
// older than the history, and violet after a refusal elsewhere.
func TestPastKinds(t *testing.T) {
	start := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	history := func(states ...sessionapi.State) (all []collector.PastProbe) {
		for i, state := range states {
			all = append(all, collector.PastProbe{Start: start.Add(time.Duration(i) * time.Minute), State: state})
		}
		return all
	}
	const held, rejected = sessionapi.LoginSuspended, sessionapi.CredentialsRejected
	for _, tc := range []struct {
		name      string
		rejected  bool
		verdictAt time.Time
		history   []collector.PastProbe
		want      []sessionapi.Kind
	}{
		{"its own refusal", true, start, history(sessionapi.Valid, rejected, held, held), []sessionapi.Kind{sessionapi.KindOK, sessionapi.KindRefused, sessionapi.KindRefused, sessionapi.KindRefused}},
		{"elsewhere", false, start, history(sessionapi.Valid, held), []sessionapi.Kind{sessionapi.KindOK, sessionapi.KindHeld}},
		{"elsewhere, after its own refusal", false, start, history(rejected, held, sessionapi.Valid, held), []sessionapi.Kind{sessionapi.KindRefused, sessionapi.KindRefused, sessionapi.KindOK, sessionapi.KindHeld}},
		{"an outage in between", true, start, history(rejected, sessionapi.Timeout, held), []sessionapi.Kind{sessionapi.KindRefused, sessionapi.KindTrouble, sessionapi.KindRefused}},
		{"a session expired in between", false, start, history(rejected, sessionapi.SessionExpired, held), []sessionapi.Kind{sessionapi.KindRefused, sessionapi.KindRefused, sessionapi.KindHeld}},
		{"its secret was replaced", false, start, history(rejected, held, held), []sessionapi.Kind{sessionapi.KindRefused, sessionapi.KindRefused, sessionapi.KindHeld}},
		{"older than the history", true, start.Add(-time.Hour), history(held, held), []sessionapi.Kind{sessionapi.KindRefused, sessionapi.KindRefused}},
		{"not probed yet", false, time.Time{}, nil, []sessionapi.Kind{}},
	} {
		status := &collector.Status{Overview: collector.Overview{Rejected: tc.rejected}, Record: collector.Record{VerdictAt: tc.verdictAt}, History: tc.history}
		if got := pastKinds(status); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestRejection(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	later := now.Add(19 * time.Minute)
	status := func(auth sessionapi.Auth, held string, result probe.Result) *collector.Status {
		e := &config.Endpoint{Settings: config.Settings{Auth: auth, Credential: &config.Credential{Name: "a"}}}
		return &collector.Status{Overview: collector.Overview{Endpoint: e, Rejected: true, HeldCredential: held}, Record: collector.Record{Result: result}}
	}
	for _, tc := range []struct {
		status *collector.Status
		secret string
		until  time.Time
	}{
		{status(sessionapi.AuthLogin, "", probe.Result{State: sessionapi.CredentialsRejected, HeldUntil: later}), "password", later},
		{status(sessionapi.AuthLogin, "a", probe.Result{State: sessionapi.LoginSuspended, ResumeAt: later}), "password", later},
		{status(sessionapi.AuthBasic, "", probe.Result{State: sessionapi.CredentialsRejected}), "password", time.Time{}},
		{status(sessionapi.AuthBearer, "", probe.Result{State: sessionapi.CredentialsRejected, HeldUntil: now.Add(-time.Second)}), "token", time.Time{}},
	} {
		if got := newRejection(tc.status, now); got == nil || got.Secret != tc.secret || !got.Until.Equal(tc.until) {
			t.Errorf("%+v, want %s until %s", got, tc.secret, tc.until)
		}
	}
	if got := newRejection(&collector.Status{}, now); got != nil {
		t.Errorf("without a refusal: %+v", got)
	}
}

// A login that is held back after the endpoint's refusal has the refusal's runbook.
func TestRunbook(t *testing.T) {
	for _, tc := range []struct {
		o    collector.Overview
		want string
	}{
		{collector.Overview{State: sessionapi.CredentialsRejected, Rejected: true}, "runbooks/SessionCredentialsRejected"},
		{collector.Overview{State: sessionapi.LoginSuspended, Rejected: true}, "runbooks/SessionCredentialsRejected"},
		{collector.Overview{State: sessionapi.LoginSuspended}, "runbooks/SessionLoginSuspended"},
		{collector.Overview{State: sessionapi.Valid}, ""},
	} {
		if got := runbook(&tc.o); got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.o, got, tc.want)
		}
	}
}
