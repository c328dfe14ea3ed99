package e2e

import (
	"fmt"
	"math/bits"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"session_exporter/simulator"
)

// TestPasswordChanged: the password is changed on the appliance, and later in the secret file.
// The exporter notices both, and does not lock the account.
func TestPasswordChanged(t *testing.T) {
	t.Parallel()
	a := newHCX(t, withAccount(password))
	secret := secretFile(t, password)
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
  - {name: a, url: %s, module: hcx, credential: account, session_max_age: 3s}
`, user, secret, a.url)
	x.await(t, want{"session_up": 1, "session_auth_success": 1})

	a.setPassword(newPassword)
	changed := time.Now()
	m := x.await(t, want{"session_auth_success": 0, "session_up": 0, "session_login_failures_total": 1})
	// session_max_age, and an interval until the next probe. The default of session_max_age is
	// half an hour.
	if noticed := m.sum("session_auth_timestamp_seconds") - unix(changed); noticed > 3+4+slack.Seconds() {
		t.Errorf("the changed password was noticed only after %.1f s", noticed)
	}
	m = x.awaitProbes(t, "a", 4)
	m.check(t, want{
		"session_up": 0, "session_auth_success": 0, "session_login_suspended": 1, "session_login_failures_total": 1,
		`session_errors_total{code="INVALID_CREDENTIALS"}`: 1, "session_established_timestamp_seconds": absent,
	})
	// The guard counts from the refusal, and the metric from the end of the probe, which takes
	// at most 4 s.
	if wait := m.sum("session_login_resume_timestamp_seconds") - m.sum("session_auth_timestamp_seconds"); wait < 46 || wait > 54 {
		t.Errorf("logins resume %.1f s after the refusal, want 50 s, because the password was accepted before", wait)
	}
	if got := x.states(t, "a"); !slices.Equal(got, []string{"valid", "credentials_rejected", "login_suspended"}) {
		t.Errorf("states %v", got)
	}
	if stats := a.Stats(); stats.Refusals > 2 || stats.Locked > 0 || stats.Sessions > 0 {
		t.Errorf("the appliance has seen %+v", stats)
	}

	write(t, secret, newPassword)
	m = x.probedAfter(t, "a", time.Now()) // the very next probe
	m.check(t, want{
		"session_up": 1, "session_auth_success": 1, "session_login_suspended": 0, "session_login_failures_total": 1,
		"session_login_resume_timestamp_seconds": absent, "session_consecutive_failures": 0,
	})
	if stats := a.Stats(); stats.Refusals != 1 || stats.Locked > 0 {
		t.Errorf("the appliance has seen %+v", stats)
	}
}

// TestSessionExpires: an appliance terminates sessions, as in normal operation. They are
// renewed, and the state stays valid.
func TestSessionExpires(t *testing.T) {
	t.Parallel()
	for _, api := range []struct {
		name string
		make func(*testing.T, simulator.Settings) *appliance
	}{{"hcx", newHCX}, {"dr", newDR}} {
		for _, end := range []struct {
			name              string
			idle, age         time.Duration
			shortest, longest float64 // lifetimes, in seconds
			expirations       float64
		}{
			// Each probe finds that the session has been idle too long. A lifetime is about
			// one interval of 4 s: less after a late login, and more before a late probe.
			{name: "idle timeout", idle: 2 * time.Second, shortest: 2, longest: 7, expirations: 2},
			// The lifetime begins when the appliance accepts the login; the exporter counts
			// from the response. The first probe after the login, 4 s later, finds the session
			// alive.
			{name: "absolute lifetime", age: 7 * time.Second, shortest: 7 - 2, longest: 7 + 4 + slack.Seconds(), expirations: 1},
		} {
			t.Run(api.name+" "+end.name, func(t *testing.T) {
				t.Parallel()
				settings := withAccount(password)
				settings.IdleTimeout, settings.MaxLifetime = end.idle, end.age
				a := api.make(t, settings)
				x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
  - {name: a, url: %s, module: %s, credential: account, interval: 4s, timeout: 4s}
`, user, secretFile(t, password), a.url, api.name)
				m := x.await(t, want{"session_up": 1, "session_expirations_total": end.expirations, "session_exporter_sessions_held": 1})
				m.check(t, want{
					"session_probe_failures_total": 0, "session_consecutive_failures": 0, "session_auth_success": 1, "session_logouts_total": 0,
					"session_logins_total": end.expirations + 1, "session_login_failures_total": 0,
				})
				if got := m.sum("session_lifetime_seconds"); got < end.shortest || got > end.longest {
					t.Errorf("the session lived %.1f s, want %.0f to %.0f", got, end.shortest, end.longest)
				}
				if stats := a.Stats(); stats.Refusals > 0 {
					t.Errorf("the appliance has seen %+v", stats)
				}
				if got := x.states(t, "a"); !slices.Equal(got, []string{"valid"}) {
					t.Errorf("states %v", got)
				}
			})
		}
	}
}

// TestSessionLifetime: session_lifetime_seconds of a session that the appliance terminates at
// a known time.
func TestSessionLifetime(t *testing.T) {
	t.Parallel()
	a := newDR(t, withAccount(password))
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
  - {name: a, url: %s, module: dr, credential: account, interval: 1s}
`, user, secretFile(t, password), a.url)
	established := x.await(t, want{"session_up": 1, "session_lifetime_seconds": absent}).sum("session_established_timestamp_seconds")
	x.awaitProbes(t, "a", 4)
	before := unix(time.Now())
	a.EndSessions()
	m := x.await(t, want{"session_expirations_total": 1, "session_up": 1})
	after := unix(time.Now())
	const rounding = .1 // of the metrics
	if got := m.sum("session_lifetime_seconds"); got < before-established-rounding || got > after-established+rounding {
		t.Errorf("session_lifetime_seconds is %.2f, want %.2f to %.2f", got, before-established, after-established)
	}
}

// TestExternalTokenExpires: a token that another program obtained expires. The exporter does
// not renew it or log it out.
func TestExternalTokenExpires(t *testing.T) {
	t.Parallel()
	a := newHCX(t, withAccount(password))
	secret := secretFile(t, a.token())
	x := watch(t, `
credentials:
  script: {token_file: %q}
endpoints:
  - {name: a, url: %s, module: hcx, credential: script, session_max_age: 2s}
`, secret, a.url)
	m := x.await(t, want{"session_up": 1, "session_auth_success": 1})
	m.check(t, want{`session_errors_total{code="INVALID_SESSION_TOKEN"}`: 0})

	a.EndSessions()
	x.await(t, want{`session_state{state="session_expired"}`: 1, "session_up": 0, "session_auth_success": 0})
	m = x.awaitProbes(t, "a", 2)
	if got := m.sum(`session_errors_total{code="INVALID_SESSION_TOKEN"}`); got < 3 {
		t.Errorf("%v errors are counted, want at least 3, one for each probe", got)
	}
	m.check(t, want{"session_logins_total": 0, "session_logouts_total": 0, "session_established_timestamp_seconds": absent})

	write(t, secret, a.token())
	x.await(t, want{"session_up": 1, "session_auth_success": 1})
	if code := x.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if stats := a.Stats(); stats.Requests != stats.Checks || stats.Sessions != 1 {
		t.Errorf("the appliance has seen more than checks, or the session is gone: %+v", stats)
	}
}

// TestNoUserIsLoggedIn: the responses with which dr may report that no user is logged in.
func TestNoUserIsLoggedIn(t *testing.T) {
	t.Parallel()
	replies := map[string]simulator.Response{
		"empty-object":   {Status: http.StatusOK, Body: `{}`},
		"empty-username": {Status: http.StatusOK, Body: `{"username": ""}`},
		"null-username":  {Status: http.StatusOK, Body: `{"username": null}`},
		"no-content":     {Status: http.StatusNoContent},
		"empty-body":     {Status: http.StatusOK},
		"unauthorized":   {Status: http.StatusUnauthorized},
		"bad-request":    {Status: http.StatusBadRequest, Body: `{"error_code":"com.example.not_logged_in","message":"No session"}`},
	}
	var endpoints strings.Builder
	for name, reply := range replies {
		a := newDR(t, simulator.Settings{NoSession: reply})
		fmt.Fprintf(&endpoints, "  - {name: %s, url: %s, module: dr, credential: script}\n", name, a.url)
		b := newDR(t, with(withAccount(password), simulator.Fault{On: simulator.Check, Status: reply.Status, Body: reply.Body}))
		fmt.Fprintf(&endpoints, "  - {name: %s-login, url: %s, module: dr, credential: account}\n", name, b.url)
	}
	x := watch(t, `
credentials:
  script: {token_file: %q}
  account: {username: %s, password_file: %q}
endpoints:
%s`, secretFile(t, canary+"stray"), user, secretFile(t, password), &endpoints)
	n := float64(2 * len(replies))
	m := x.await(t, want{`session_state{state="session_expired"}`: n, "session_auth_success": 0})
	m.check(t, want{"session_up": 0})
	for _, line := range x.logLines(t) {
		if line["state"] == "valid" {
			t.Errorf("%s was valid", line["endpoint"])
		}
	}
}

// TestErrorInsideA200: no response with status 200 and a documented error code is valid.
func TestErrorInsideA200(t *testing.T) {
	t.Parallel()
	states := map[string]string{
		"BAD_REQUEST":           "bad_request",
		"INVALID_CREDENTIALS":   "session_expired", // or credentials_rejected
		"NOT_ENOUGH_PRIVILEGES": "forbidden",
		"INVALID_SESSION_TOKEN": "session_expired",
		"INTERNAL_SERVER_ERROR": "server_error",
	}
	var endpoints strings.Builder
	for code := range states {
		a := newHCX(t, with(withAccount(password), simulator.Fault{Status: http.StatusOK, Code: code}))
		fmt.Fprintf(&endpoints, "  - {name: %s, url: %s, module: hcx, credential: script}\n", code, a.url)
	}
	x := watch(t, `
credentials:
  script: {token_file: %q}
endpoints:
%s`, secretFile(t, canary+"token"), &endpoints)
	for code, state := range states {
		if code == "INVALID_CREDENTIALS" {
			continue // either state would do; the last check ensures that it is not valid
		}
		x.await(t, want{
			fmt.Sprintf("session_state{endpoint=%q,state=%q}", code, state): 1,
			fmt.Sprintf("session_http_status_code{endpoint=%q}", code):      200,
		})
		if got := x.scrape(t).sum(fmt.Sprintf("session_errors_total{endpoint=%q,code=%q}", code, code)); got < 1 {
			t.Errorf("%s is counted %v times, want at least once", code, got)
		}
	}
	x.await(t, want{`session_up{endpoint="INVALID_CREDENTIALS"}`: 0, `session_auth_success{endpoint="INVALID_CREDENTIALS"}`: 0, "session_up": 0})
}

// TestRoles: a session lacks an expected role, or has one more.
func TestRoles(t *testing.T) {
	t.Parallel()
	a := newHCX(t, withAccount(password))
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
  - name: a
    url: %s
    module: hcx
    credential: account
    expect: {roles: [System Administrator, Appliance Administrator], roles_exact: true, organizations: [DEFAULT]}
`, user, secretFile(t, password), a.url)
	setRoles := func(roles ...string) {
		a.Change(func(s *simulator.Settings) {
			account := s.Accounts[user]
			account.Roles = roles
			s.Accounts[user] = account
		})
	}
	const system, other = `session_role_present{role="System Administrator"}`, `session_role_present{role="Appliance Administrator"}`
	x.await(t, want{"session_up": 1, system: 1, other: 1, "session_roles": 2, "session_organizations": 1})

	setRoles("Appliance Administrator")
	x.await(t, want{`session_state{state="unexpected"}`: 1, "session_up": 0, "session_auth_success": 1, system: 0, other: 1, "session_roles": 1})

	setRoles("System Administrator", "Appliance Administrator", "Super User")
	x.await(t, want{`session_state{state="unexpected"}`: 1, "session_up": 0, "session_auth_success": 1, system: 1, other: 1, "session_roles": 3})

	setRoles("System Administrator", "Appliance Administrator")
	x.await(t, want{"session_up": 1, "session_auth_success": 1, system: 1, other: 1, "session_logins_total": 1})
}

// TestForbidden: a session is no longer permitted to read its own identity. It is renewed
// once.
func TestForbidden(t *testing.T) {
	t.Parallel()
	a := newHCX(t, withAccount(password))
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
  - {name: a, url: %s, module: hcx, credential: account}
`, user, secretFile(t, password), a.url)
	x.await(t, want{"session_up": 1})
	a.Change(func(s *simulator.Settings) {
		account := s.Accounts[user]
		account.Forbidden = true
		s.Accounts[user] = account
	})
	x.await(t, want{`session_state{state="forbidden"}`: 1, "session_up": 0, "session_auth_success": 1, "session_http_status_code": 403})
	m := x.awaitProbes(t, "a", 3)
	m.check(t, want{"session_logins_total": 2}) // the session is renewed once
	if got := m.sum(`session_errors_total{code="NOT_ENOUGH_PRIVILEGES"}`); got < 1 {
		t.Errorf("NOT_ENOUGH_PRIVILEGES is counted %v times, want at least once", got)
	}
}

// TestDeadToken: each login succeeds, but its token is refused.
func TestDeadToken(t *testing.T) {
	t.Parallel()
	a := newHCX(t, with(withAccount(password), simulator.Fault{On: simulator.Login, DeadToken: true}))
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
  - {name: a, url: %s, module: hcx, credential: account}
`, user, secretFile(t, password), a.url)
	x.await(t, want{`session_state{state="session_expired"}`: 1, "session_auth_success": 0, "session_up": 0})
	x.awaitProbes(t, "a", 9)
	// With back-off, the probes 1, 2, 4, 8 and so on log in, twice each. Without it, each
	// probe would.
	stats := a.Stats()
	probes := int(x.scrape(t).sum("session_probes_total"))
	if stats.Attempts > 2*bits.Len(uint(probes)) {
		t.Errorf("the appliance has seen %+v in %d probes", stats, probes)
	}
	a.setFaults()
	x.await(t, want{"session_up": 1, "session_auth_success": 1})
}

// TestSlotsExhausted: the appliance has no free session slot. That is not a refusal, and logins
// back off.
func TestSlotsExhausted(t *testing.T) {
	t.Parallel()
	settings := withAccount(password)
	settings.MaxSessions = 1
	a := newDR(t, settings)
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
  - {name: a, url: %s, module: dr, credential: account}
`, user, secretFile(t, password), a.url)
	x.await(t, want{"session_up": 1})
	before := a.Stats().Attempts

	a.EndSessions()
	a.token() // another client takes the slot
	x.await(t, want{`session_state{state="server_error"}`: 1, "session_auth_success": 1, "session_up": 0, "session_http_status_code": 503})
	x.awaitProbes(t, "a", 9).check(t, want{"session_auth_success": 1, "session_up": 0})
	if attempts := a.Stats().Attempts - before; attempts > 4 { // of the probes 1, 2, 4 and 8
		t.Errorf("%d logins in 10 probes, want at most 4", attempts)
	}

	a.EndSessions()
	x.await(t, want{"session_up": 1, "session_auth_success": 1})
}
