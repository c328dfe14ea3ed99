package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"session_exporter/simulator"
)

// watchBackingOff returns an appliance whose first login has failed and which is repaired,
// and an exporter that backs off from it.
func watchBackingOff(t *testing.T, fault simulator.Fault) (*appliance, *exporter) {
	t.Helper()
	settings := withAccount(password)
	settings.Faults = []simulator.Fault{fault}
	a := newDR(t, settings)
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
  - {name: a, url: %s, module: dr, credential: account, interval: 10s}
`, user, secretFile(t, password), a.url)
	x.await(t, want{`session_state{state="server_error"}`: 1, "session_logins_total": 1, "session_login_failures_total": 1})
	a.Change(func(s *simulator.Settings) { s.Faults = nil })
	return a, x
}

// TestProbeNow: Probe now and Resume probe a repaired appliance immediately, in spite of the
// back-off, but not before its Retry-After has passed.
func TestProbeNow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault  simulator.Fault
		path   string
		status int
		text   string
		up     float64
	}{
		"probe":                    {simulator.Fault{On: simulator.Login, Status: 503}, "/-/probe?endpoint=a", http.StatusOK, "valid\n", 1},
		"probe before Retry-After": {simulator.Fault{On: simulator.Login, Status: 503, Header: map[string]string{"Retry-After": "600"}}, "/-/probe?endpoint=a", http.StatusConflict, "Nothing was sent: the appliance requested a pause (Retry-After). Try again in 9 min", 0},
		"resume":                   {simulator.Fault{On: simulator.Login, Status: 503}, "/-/resume?credential=account", http.StatusOK, "Resumed", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, x := watchBackingOff(t, c.fault)
			if status, text := x.post(t, c.path); status != c.status || !strings.HasPrefix(text, c.text) {
				t.Fatalf("status %d: %s", status, text)
			}
			m := x.await(t, want{"session_up": c.up, "session_logins_total": 1 + c.up})
			if attempts := fmt.Sprint(a.Stats().Attempts); attempts != fmt.Sprint(m.sum("session_logins_total")) {
				t.Errorf("%s logins have arrived, want %v", attempts, m.sum("session_logins_total"))
			}
			if status, text := x.post(t, "/-/probe?endpoint=a"); strings.Contains(c.path, "/probe") && status != http.StatusConflict {
				t.Errorf("a second request within 10 s: status %d, want 409: %s", status, text)
			}
		})
	}
}
