package e2e

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"testing"
	"time"
)

const credentialChanged = `session_exporter_credential_changed_timestamp_seconds{credential="account"}`

// TestPasswordRotated: the password is changed on the appliance, and a Kubernetes Secret is
// updated with the new one later.
func TestPasswordRotated(t *testing.T) {
	t.Parallel()
	a := newHCX(t, withAccount(password))
	secret := newMount(t, map[string]string{"password": password})
	const interval = 4 * time.Second
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
  - {name: a, url: %s, module: hcx, credential: account, interval: %s, session_max_age: 1s}
`, user, secret.path("password"), a.url, interval)
	first := x.await(t, want{"session_up": 1}).sum(credentialChanged)
	if math.IsNaN(first) || first <= 0 || first > unix(time.Now()) {
		t.Errorf("%s is %v", credentialChanged, first)
	}
	a.setPassword(newPassword)
	x.await(t, want{"session_auth_success": 0, "session_up": 0, credentialChanged: first})

	published := time.Now()
	at := secret.publish(t, map[string]string{"password": newPassword})
	m := x.await(t, want{"session_up": 1, "session_auth_success": 1, credentialChanged: unix(at)})
	// With the old secret, the guard would hold the login back for 50 s.
	if took := m.sum("session_auth_timestamp_seconds") - unix(published); took > (interval + slack).Seconds() {
		t.Errorf("valid only %.1f s after the secret changed", took)
	}
	m.check(t, want{"session_login_suspended": 0, reloadSuccessful: 1})
	if stats := a.Stats(); stats.Refusals != 1 || stats.Locked > 0 {
		t.Errorf("the appliance has seen %+v", stats)
	}
	x.awaitProbes(t, "a", 1).check(t, want{"session_up": 1})
	if got := x.states(t, "a"); slices.Contains(got[2:], "credentials_rejected") || got[len(got)-1] != "valid" {
		t.Errorf("states %v", got)
	}
}

// TestTokenRotated: a token that another program obtained expires, and its file gets a new
// one.
func TestTokenRotated(t *testing.T) {
	t.Parallel()
	a := newDR(t, withAccount(password))
	token := newMount(t, map[string]string{"token": a.token()})
	x := watch(t, `
credentials:
  account: {token_file: %q}
endpoints:
  - {name: a, url: %s, module: dr, credential: account, interval: 4s}
`, token.path("token"), a.url)
	x.await(t, want{"session_up": 1})
	a.EndSessions()
	a.issued = 0
	x.await(t, want{`session_state{state="session_expired"}`: 1, "session_auth_success": 0})

	published := time.Now()
	at := token.publish(t, map[string]string{"token": a.token() + "\n"})
	m := x.await(t, want{"session_up": 1, "session_auth_success": 1, credentialChanged: unix(at)})
	if took := m.sum("session_auth_timestamp_seconds") - unix(published); took > (4*time.Second + slack).Seconds() {
		t.Errorf("valid only %.1f s after the token changed", took)
	}
	m.check(t, want{"session_logins_total": 0, "session_logouts_total": 0})
	if stats := a.Stats(); stats.Attempts > 0 || stats.Requests != stats.Checks {
		t.Errorf("the appliance has seen %+v", stats)
	}
}

// TestResumeWithWrongPassword: each resume with a wrong password costs one login. After the
// password is corrected on the appliance, one resume is enough for all endpoints.
func TestResumeWithWrongPassword(t *testing.T) {
	t.Parallel()
	settings := withAccount(newPassword)
	settings.LockAfter = 0 // the refusals of this test would lock the account
	a := newHCX(t, settings)
	const suspended, refusals = `session_exporter_credential_suspended{credential="account"}`, `session_exporter_credential_refusals_total{credential="account"}`
	x := serve(t, listing(secretFile(t, password), a.endpoint("a", "hcx"), a.endpoint("b", "hcx"), a.endpoint("c", "hcx")))
	x.await(t, want{`session_state{state="login_suspended"}`: 3, suspended: 1, refusals: 2})
	for _, path := range []string{"/-/resume?credential=nobody", "/-/resume?credential=Account"} {
		if status, text := x.post(t, path); status != http.StatusNotFound {
			t.Errorf("%s: status %d: %s", path, status, text)
		}
	}
	if status, text := x.post(t, "/-/resume"); status != http.StatusBadRequest {
		t.Errorf("without a name: status %d: %s", status, text)
	}
	x.awaitProbes(t, "a", 1).check(t, want{refusals: 2})

	for round := 1; round <= 2; round++ {
		resumed := time.Now()
		if status, text := x.post(t, "/-/resume?credential=account"); status != http.StatusOK {
			t.Fatalf("status %d: %s", status, text)
		}
		x.await(t, want{`session_state{state="login_suspended"}`: 3, suspended: 1, refusals: float64(2 + round)})
		for _, name := range []string{"a", "b", "c"} {
			x.probedAfter(t, name, resumed)
		}
		if stats := a.Stats(); stats.Refusals != 2+round || stats.Attempts != stats.Refusals {
			t.Errorf("round %d: the appliance has seen %+v", round, stats)
		}
	}
	a.setPassword(password)
	if status, text := x.post(t, "/-/resume?credential=account"); status != http.StatusOK {
		t.Fatalf("status %d: %s", status, text)
	}
	resumed := time.Now()
	m := x.await(t, want{"session_up": 3, suspended: 0, refusals: 4, "session_login_suspended": 0})
	if took := m.sum(`session_auth_timestamp_seconds{endpoint="a"}`) - unix(resumed); took > (4*time.Second + slack).Seconds() {
		t.Errorf("probed only %.1f s after the resume", took)
	}
}

// TestResumeImmediately: Resume sends the suspended login immediately, not at the next
// interval.
func TestResumeImmediately(t *testing.T) {
	t.Parallel()
	a := newHCX(t, withAccount(newPassword))
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q, lockout_guard: {max_refusals: 1}}
endpoints:
  - {name: a, url: %s, module: hcx, credential: account, interval: 30s}
`, user, secretFile(t, password), a.url)
	x.await(t, want{"session_auth_success": 0, `session_exporter_credential_suspended{credential="account"}`: 1})
	a.setPassword(password)
	resumed := time.Now()
	if status, text := x.post(t, "/-/resume?credential=account"); status != http.StatusOK {
		t.Fatalf("status %d: %s", status, text)
	}
	m := x.await(t, want{"session_up": 1})
	if took := m.sum("session_last_probe_timestamp_seconds") - unix(resumed); took > slack.Seconds() {
		t.Errorf("probed only %.1f s after the resume", took)
	}
	if got := fmt.Sprint(x.states(t, "a")); got != "[credentials_rejected valid]" {
		t.Errorf("states %s", got)
	}
}
