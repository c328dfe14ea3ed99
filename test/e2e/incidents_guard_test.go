package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"session_exporter/simulator"
)

// many lists 100 endpoints that share an account, spread over appliances.
func many(appliances ...*appliance) string {
	var endpoints strings.Builder
	for i := range 100 {
		fmt.Fprintf(&endpoints, "  - {name: e%d, url: %s, module: hcx, credential: account, interval: 3s, timeout: 3s}\n", i, appliances[i%len(appliances)].url)
	}
	return endpoints.String()
}

// TestWrongPasswordEverywhere: a wrong password of an account that 100 endpoints share is
// sent twice, which does not lock the account.
func TestWrongPasswordEverywhere(t *testing.T) {
	t.Parallel()
	needsTheMachine(t)
	appliances := make([]*appliance, 4)
	for i := range appliances {
		appliances[i] = newHCX(t, withAccount(newPassword))
	}
	secret := secretFile(t, password)
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
%s`, user, secret, many(appliances...))
	x.await(t, want{`session_state{state="login_suspended"}`: 100})
	m := x.awaitProbes(t, "e0", 2)
	m.check(t, want{
		`session_state{state="login_suspended"}`: 100, "session_login_suspended": 100, "session_up": 0,
		"session_logins_total": 2, "session_login_failures_total": 2, "session_exporter_sessions_held": 0,
	})
	if judged := len(m.series("session_auth_success")); judged != 2 {
		t.Errorf("%d endpoints have a verdict, want the 2 that got the secret", judged)
	}
	for i, a := range appliances {
		if stats := a.Stats(); stats.Locked > 0 || stats.Logins > 0 {
			t.Errorf("appliance %d has seen %+v", i, stats)
		}
	}
	if attempts, refusals := total(appliances); attempts != 2 || refusals != 2 {
		t.Errorf("%d logins, %d refused, want 2", attempts, refusals)
	}

	write(t, secret, newPassword)
	x.await(t, want{"session_up": 100, "session_auth_success": 100, "session_login_suspended": 0, "session_logins_total": 102})
	if attempts, refusals := total(appliances); attempts != 102 || refusals != 2 {
		t.Errorf("%d logins, %d refused, want 102 and 2", attempts, refusals)
	}
}

// TestOneApplianceRefusesTheSharedAccount: one appliance refuses the password of a shared
// account. The other appliances are not affected.
func TestOneApplianceRefusesTheSharedAccount(t *testing.T) {
	t.Parallel()
	needsTheMachine(t)
	good := make([]*appliance, 3)
	for i := range good {
		good[i] = newHCX(t, withAccount(password))
	}
	bad := newHCX(t, withAccount(newPassword))
	endpoints := strings.Replace(many(good...), good[0].url, bad.url, 1) // that of e0
	begin := time.Now()
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
%s`, user, secretFile(t, password), endpoints)
	allButOne := want{
		"session_up": 99, `session_up{endpoint="e0"}`: 0, `session_state{endpoint="e0",state="login_suspended"}`: 1, "session_login_failures_total": 1,
		`session_auth_success{endpoint="e0"}`: 0, "session_auth_success": 99,
	}
	x.await(t, allButOne).check(t, want{"session_expirations_total": 0, "session_logins_total": 100})

	for _, a := range good {
		a.EndSessions()
	}
	m := x.until(t, func(m metrics) error {
		return m.differ(want{"session_expirations_total": 99, "session_up": 99, "session_exporter_sessions_held": 99})
	})
	m.check(t, allButOne)
	m.check(t, want{"session_logins_total": 199, `session_login_suspended`: 1})
	if attempts, refusals := total(good); attempts != 198 || refusals != 0 {
		t.Errorf("%d logins, %d refused where the password is right, want 198 and none", attempts, refusals)
	}
	most := 1
	if time.Since(begin) > 50*time.Second {
		most = 2 // the password, which the others accepted, is tried once more after 50 s
	}
	if stats := bad.Stats(); stats.Refusals < 1 || stats.Refusals > most || stats.Attempts != stats.Refusals {
		t.Errorf("the appliance that refuses has seen %+v, want 1 to %d refused logins", stats, most)
	}
}

// TestGuardOfBasic: a check with HTTP Basic counts as a login.
func TestGuardOfBasic(t *testing.T) {
	t.Parallel()
	a := newHCX(t, withAccount(newPassword))
	b := newHCX(t, withAccount(newPassword))
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
  - {name: a, url: %s, module: hcx, credential: account, auth: basic}
  - {name: b, url: %s, module: hcx, credential: account, auth: basic}
  - {name: c, url: %[4]s, module: hcx, credential: account}
`, user, secretFile(t, password), a.url, b.url)
	x.await(t, want{`session_state{state="login_suspended"}`: 3})
	x.awaitProbes(t, "a", 2)
	if attempts, refusals := total([]*appliance{a, b}); refusals != 2 {
		t.Errorf("%d refusals in %d logins and the checks with Basic, want 2", refusals, attempts)
	}
}

// TestCredentialMissing: nothing is sent while the secret file is empty. Once it has a secret, no
// restart is needed.
func TestCredentialMissing(t *testing.T) {
	t.Parallel()
	a := newHCX(t, withAccount(password))
	secret := secretFile(t, "")
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
  - {name: a, url: %s, module: hcx, credential: account}
`, user, secret, a.url)
	x.await(t, want{`session_state{state="credential_missing"}`: 1, "session_up": 0, "session_auth_success": absent, "session_http_status_code": 0})
	if stats := a.Stats(); stats != (simulator.Stats{}) {
		t.Errorf("the appliance has seen %+v", stats)
	}
	write(t, secret, password)
	x.await(t, want{"session_up": 1, "session_auth_success": 1})
}

// total adds up the logins that appliances received, and their refusals: of logins, and of
// checks with HTTP Basic.
func total(appliances []*appliance) (attempts, refusals int) {
	for _, a := range appliances {
		stats := a.Stats()
		attempts += stats.Attempts
		refusals += stats.Refusals
	}
	return attempts, refusals
}
