package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"session_exporter/simulator"
)

// TestShutdownOf500: the exporter logs out of 500 sessions in time. Appliances that hang do
// not delay the logouts of the others.
func TestShutdownOf500(t *testing.T) {
	t.Parallel()
	for name, hanging := range map[string]int{"all respond": 0, "a quarter hangs": 125} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			needsTheMachine(t)
			x, appliances := watch500(t)
			for _, a := range appliances[:hanging] {
				a.mayLeak = true
				a.setFaults(simulator.Fault{Hang: true})
			}
			stopInTime(t, x, syscall.SIGTERM)
			left, logouts := 0, 0
			for _, a := range appliances[hanging:] {
				stats := a.Stats()
				left += stats.Sessions
				logouts += stats.Logouts
			}
			if left > 0 || logouts < 500-hanging { // on a busy machine, some may have been renewed
				t.Errorf("%d sessions remain on the appliances that respond, %d were logged out", left, logouts)
			}
			if reported := strings.Contains(x.stderr.String(), "some sessions may have been left"); reported != (hanging > 0) {
				t.Errorf("the log reports that sessions may remain: %t, want %t", reported, hanging > 0)
			}
		})
	}
}

// watch500 returns an exporter that holds a session on each of 500 appliances.
func watch500(t *testing.T) (*exporter, []*appliance) {
	t.Helper()
	appliances := make([]*appliance, 500)
	var endpoints strings.Builder
	for i := range appliances {
		module := "hcx"
		if i%2 == 0 {
			appliances[i] = newHCX(t, withAccount(password))
		} else {
			module, appliances[i] = "dr", newDR(t, withAccount(password))
		}
		fmt.Fprintf(&endpoints, "  - {name: e%d, url: %s, module: %s, credential: account}\n", i, appliances[i].url, module)
	}
	x := serve(t, fmt.Sprintf(strings.Replace(prelude, "interval: 4s, timeout: 4s", "interval: 6s, timeout: 4s", 1)+`
credentials:
  account: {username: %s, password_file: %q}
endpoints:
%s`, caFile, user, secretFile(t, password), &endpoints))
	x.await(t, want{"session_up": 500, "session_exporter_sessions_held": 500})
	return x, appliances
}

// TestShutdownDuringManyLogins: every session whose login completes during the shutdown is
// logged out.
func TestShutdownDuringManyLogins(t *testing.T) {
	t.Parallel()
	const n = 20
	appliances := make([]*appliance, n)
	var credentials, endpoints strings.Builder
	secret := secretFile(t, password)
	for i := range appliances {
		// The delay is before or after the appliance creates the session.
		settings := with(withAccount(password), simulator.Fault{On: simulator.Login, After: i%2 == 0, Delay: 1500 * time.Millisecond})
		module := "hcx"
		if i%4 < 2 {
			appliances[i] = newHCX(t, settings)
		} else {
			module, appliances[i] = "dr", newDR(t, settings)
		}
		fmt.Fprintf(&credentials, "  c%d: {username: %s, password_file: %q}\n", i, user, secret)
		fmt.Fprintf(&endpoints, "  - {name: e%d, url: %s, module: %s, credential: c%[1]d, timeout: 3s, interval: 3s}\n", i, appliances[i].url, module)
	}
	x := watch(t, "credentials:\n%sendpoints:\n%s", &credentials, &endpoints)
	inFlight := func() (n int) {
		for _, a := range appliances {
			if stats := a.Stats(); stats.Attempts > stats.Logins || stats.Checks == 0 && stats.Attempts > 0 {
				n++
			}
		}
		return n
	}
	eventually(t, func() error {
		if n := inFlight(); n < 3 {
			return fmt.Errorf("%d logins are in flight, want 3", n)
		}
		return nil
	})
	stopInTime(t, x, syscall.SIGTERM)
	late := 0
	for i, a := range appliances {
		stats := a.Stats()
		if stats.Sessions > 0 || stats.Logouts != stats.Logins || stats.Logins != stats.Attempts {
			t.Errorf("appliance %d has seen %+v", i, stats)
		}
		if stats.Logins > 0 && stats.Checks == 0 {
			late++
		}
	}
	if late == 0 {
		t.Error("no login completed during the shutdown")
	}
}

// TestReloadLeavesNothing: a reload removes one endpoint during its login, and changes the
// session_max_age of another and the URL of a third. None leaves a session.
func TestReloadLeavesNothing(t *testing.T) {
	t.Parallel()
	slow := newHCX(t, with(withAccount(password), simulator.Fault{On: simulator.Login, After: true, Delay: time.Second}))
	changed, moved := newHCX(t, withAccount(password)), newDR(t, withAccount(password))
	there := newDR(t, withAccount(password))
	secret := secretFile(t, password)
	configuration := func(endpoints ...string) string {
		text := listing(secret, endpoints...)
		return strings.Replace(text, "endpoints:", fmt.Sprintf("  other: {username: %s, password_file: %q}\nendpoints:", user, secret), 1)
	}
	drop := strings.Replace(slow.endpoint("slow", "hcx"), "credential: account", "credential: other", 1)
	file := configFile(t, configuration(changed.endpoint("changed", "hcx"), moved.endpoint("moved", "dr"), drop))
	x := onFile(t, file)
	x.await(t, want{`session_up{endpoint="changed"}`: 1, `session_up{endpoint="moved"}`: 1})
	eventually(t, func() error {
		if stats := slow.Stats(); stats.Attempts == 0 {
			return fmt.Errorf("no login yet")
		}
		return nil
	})
	write(t, file, configuration(strings.Replace(changed.endpoint("changed", "hcx"), "}", ", session_max_age: 20m}", 1), there.endpoint("moved", "dr")))
	x.await(t, want{"session_up": 2, "session_exporter_endpoints": 2, "session_exporter_sessions_held": 2})
	eventually(t, func() error {
		if a, b, c := slow.Stats(), changed.Stats(), moved.Stats(); a.Logouts != a.Logins || a.Sessions > 0 || b.Sessions > 1 || b.Logouts != b.Logins-1 || c.Sessions > 0 {
			return fmt.Errorf("sessions remain or logouts are missing:\nslow %+v\nchanged %+v\nmoved %+v", a, b, c)
		}
		return nil
	})
}
