package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"session_exporter/simulator"
)

// TestRotatedPasswordRaisesAlerts: the password of an account is changed on two appliances, and
// a third refuses the right password once. Alertmanager sends a notification for each of the
// first two, and none for the third. The files and intervals are those that users get, except for
// the addresses.
func TestRotatedPasswordRaisesAlerts(t *testing.T) {
	t.Parallel()
	receiver := newReceiver(t)
	appliances := map[string]*appliance{"first": newHCX(t, withAccount(password)), "second": newHCX(t, withAccount(password)), "once": newHCX(t, withAccount(password))}
	x := serve(t, fmt.Sprintf(`
modules:
  hcx: {api: hcx, tls_config: {ca_file: %q}}
credentials:
  shared: {username: %s, password_file: %q}
  own: {username: %[2]s, password_file: %[4]q, lockout_guard: {account: own}}
endpoints:
  - {name: first, url: %[5]q, module: hcx, credential: shared}
  - {name: second, url: %[6]q, module: hcx, credential: shared}
  - {name: once, url: %[7]q, module: hcx, credential: own}
`, caFile, user, secretFile(t, password), secretFile(t, password+"2"), appliances["first"].url, appliances["second"].url, appliances["once"].url))
	appliances["once"].setPassword(password + "2")
	prometheusWith(t, x, alertmanager(t, receiver.URL, ""), "10s")
	for name := range appliances {
		response, err := http.Post(x.url+"/-/probe?endpoint="+name, "", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close() // not read
		x.await(t, want{fmt.Sprintf("session_up{endpoint=%q}", name): 1})
	}

	changed := time.Now()
	for name, a := range appliances {
		if name == "once" {
			a.setFaults(simulator.Fault{On: simulator.Login, Times: 1, Status: http.StatusUnauthorized})
		} else {
			a.setPassword(newPassword)
		}
		a.EndSessions()
	}
	// The worst case of docs/alerts.md for the second appliance, without the duration of the
	// probe: the appliances refuse immediately.
	const worst = time.Minute + 10*time.Second + 10*time.Second + 90*time.Second + 10*time.Second
	for _, name := range []string{"first", "second"} {
		got := receiver.await(t, worst+slack, "firing", "SessionCredentialsRejected", name)
		t.Logf("%s: %s from the change to the webhook", name, got.received.Sub(changed).Round(time.Second/10))
		checkLinks(t, x, got)
		if got.Labels["credential"] != "shared" {
			t.Errorf("the labels are %v, want the credential shared", got.Labels)
		}
	}
	m := x.scrape(t)
	m.check(t, want{`session_up{endpoint="once"}`: 1, `session_exporter_credential_refusals_total{credential="own"}`: 1, `session_exporter_credential_refusals_total{credential="shared"}`: 2})
	for _, a := range receiver.all() {
		if a.Labels["endpoint"] == "once" || a.Labels["alertname"] != "SessionCredentialsRejected" {
			t.Errorf("unexpected notification of %v", a.Labels)
		}
	}
}
