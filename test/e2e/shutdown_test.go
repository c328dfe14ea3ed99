package e2e

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"session_exporter/simulator"
)

// inTime is how long a shutdown may take on a busy machine. Logouts take at most 3.5 s, as a
// test in virtual time proves. Docker kills a container after 10 s.
const inTime = 3500*time.Millisecond + slack

// watchSessions starts n appliances of both kinds and an exporter, and waits until it holds a
// session on each.
func watchSessions(t *testing.T, n int) (*exporter, []*appliance) {
	t.Helper()
	appliances := make([]*appliance, n)
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
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
%s`, user, secretFile(t, password), &endpoints)
	x.await(t, want{"session_up": float64(n), "session_exporter_sessions_held": float64(n)})
	for i, a := range appliances {
		if got := a.Stats().Sessions; got != 1 {
			t.Errorf("%d sessions on appliance %d, want 1", got, i)
		}
	}
	return x, appliances
}

// TestShutdown: the exporter logs out of all sessions.
func TestShutdown(t *testing.T) {
	t.Parallel()
	for name, signal := range map[string]os.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": os.Interrupt} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, appliances := watchSessions(t, 12)
			stopInTime(t, x, signal)
			for i, a := range appliances {
				if stats := a.Stats(); stats.Sessions > 0 || stats.Logouts != 1 {
					t.Errorf("appliance %d has seen %+v", i, stats)
				}
			}
		})
	}
}

// TestShutdownWhileSomeHang: a quarter of the appliances hang, which does not affect
// the others.
func TestShutdownWhileSomeHang(t *testing.T) {
	t.Parallel()
	x, appliances := watchSessions(t, 12)
	hanging := appliances[:3]
	for _, a := range hanging {
		a.mayLeak = true
		a.setFaults(simulator.Fault{Hang: true})
	}
	x.await(t, want{`session_state{state="timeout"}`: 3})
	stopInTime(t, x, syscall.SIGTERM)
	for i, a := range appliances[3:] {
		if stats := a.Stats(); stats.Sessions > 0 || stats.Logouts != 1 {
			t.Errorf("appliance %d has seen %+v", 3+i, stats)
		}
	}
	if log := x.stderr.String(); !strings.Contains(log, "some sessions may have been left") {
		t.Errorf("the log does not report the remaining sessions:\n%s", log)
	}
}

// TestShutdownDuringLogin: a session whose login completes during the shutdown is logged out.
func TestShutdownDuringLogin(t *testing.T) {
	t.Parallel()
	a := newHCX(t, with(withAccount(password), simulator.Fault{On: simulator.Login, After: true, Delay: time.Second}))
	b := newDR(t, with(withAccount(password), simulator.Fault{On: simulator.Login, Delay: time.Second}))
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
  other: {username: %[1]s, password_file: %[2]q}
endpoints:
  - {name: a, url: %[3]s, module: hcx, credential: account, interval: 3s, timeout: 3s}
  - {name: b, url: %[4]s, module: dr, credential: other, interval: 3s, timeout: 3s}
`, user, secretFile(t, password), a.url, b.url)
	eventually(t, func() error {
		if a.Stats().Attempts+b.Stats().Attempts == 0 {
			return fmt.Errorf("no login yet")
		}
		return nil
	})
	stopInTime(t, x, syscall.SIGTERM)
	for _, a := range []*appliance{a, b} {
		if stats := a.Stats(); stats.Sessions > 0 || stats.Logouts != stats.Logins {
			t.Errorf("the appliance has seen %+v", stats)
		}
	}
}

// TestShutdownWithoutALog: the reader of the log exits before the exporter, as in
// `session_exporter 2>&1 | tee log` on Ctrl-C.
func TestShutdownWithoutALog(t *testing.T) {
	t.Parallel()
	x, appliances := watchSessions(t, 4)
	x.stderr.close()
	for range 3 {
		x.post(t, "/-/reload") // writes to the log
	}
	x.get(t, "/-/healthy")
	stopInTime(t, x, syscall.SIGTERM)
	for i, a := range appliances {
		if stats := a.Stats(); stats.Sessions > 0 {
			t.Errorf("appliance %d has seen %+v", i, stats)
		}
	}
}

// TestShutdownWhileASecretHangs: the file system of a secret no longer responds. The test uses
// a named pipe instead, which has no writer.
func TestShutdownWhileASecretHangs(t *testing.T) {
	t.Parallel()
	a, b := newHCX(t, withAccount(password)), newDR(t, withAccount(password))
	secret := secretFile(t, password)
	x := watch(t, `
credentials:
  mounted: {username: %s, password_file: %q}
  account: {username: %[1]s, password: %[3]q}
endpoints:
  - {name: a, url: %[4]s, module: hcx, credential: mounted, session_max_age: 3s}
  - {name: b, url: %[5]s, module: dr, credential: account}
`, user, secret, password, a.url, b.url)
	x.await(t, want{"session_up": 2})
	if err := syscall.Mkfifo(secret+".new", 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(secret+".new", secret); err != nil {
		t.Fatal(err)
	}
	x.await(t, want{`session_state{endpoint="a",state="credential_missing"}`: 1, `session_up{endpoint="b"}`: 1})
	m := x.awaitProbes(t, "b", 3)
	m.check(t, want{`session_state{endpoint="a",state="credential_missing"}`: 1})
	stopInTime(t, x, syscall.SIGTERM)
	for _, a := range []*appliance{a, b} {
		if stats := a.Stats(); stats.Sessions > 0 {
			t.Errorf("the appliance has seen %+v", stats)
		}
	}
}

// stopInTime stops the exporter and checks its exit code and duration.
func stopInTime(t *testing.T, x *exporter, signal os.Signal) {
	t.Helper()
	start := time.Now()
	if code := x.stop(t, signal); code != 0 {
		t.Errorf("exit code %d:\n%s", code, &x.stderr)
	}
	if took := time.Since(start); took > inTime {
		t.Errorf("stopping took %s:\n%s", took.Round(10*time.Millisecond), &x.stderr)
	}
}
