package exporter

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/simulator"
)

// passwordModules are the ways to send a password, each as a module.
var passwordModules = map[string]string{
	"hcx login": "{api: hcx, credential: shared}",
	"hcx basic": "{api: hcx, credential: shared, auth: basic}",
	"dr login":  "{api: dr, credential: shared}",
}

// oneAccount returns the configuration of n endpoints that share an account, whose
// password is in the file "password".
func oneAccount(n int, module string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "credentials: {shared: {username: monitor, password_file: password}}\nmodules: {m: %s}\nendpoints:\n", module)
	for i := range n {
		fmt.Fprintf(&b, "  - {name: site-%d, url: \"http://site-%d.test\", module: m}\n", i, i)
	}
	return b.String()
}

// newAppliance returns an appliance with a module's API.
func newAppliance(module string, settings simulator.Settings) *simulator.Appliance {
	if strings.Contains(module, "api: dr") {
		return simulator.NewDR("", settings)
	}
	return simulator.NewHCX(settings)
}

// account returns the settings of an appliance that knows the account.
func account(password string) simulator.Settings {
	return simulator.Settings{Accounts: map[string]simulator.Account{"monitor": {Password: password}}}
}

func setPassword(password string) func(*simulator.Settings) {
	return func(s *simulator.Settings) { s.Accounts["monitor"] = simulator.Account{Password: password} }
}

// refusalLog records the times of refusals.
type refusalLog struct {
	mu    sync.Mutex // guards times
	times []time.Time
}

func (l *refusalLog) note(v passwordVerdict) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !v.accepted {
		l.times = append(l.times, v.end)
	}
}

func (l *refusalLog) refusals() []time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.times)
}

// newShared returns a running world of n endpoints that share an account. The
// appliances expect "right"; the exporter has password.
func newShared(t *testing.T, n int, module, password string) (w *world, refused *refusalLog) {
	t.Helper()
	w, refused = newWorld(t, slog.New(slog.DiscardHandler)), new(refusalLog)
	for i := range n {
		w.add(fmt.Sprintf("site-%d", i), newAppliance(module, account("right"))).onVerdict = refused.note
	}
	w.write("password", password)
	w.load(oneAccount(n, module))
	w.start()
	return w, refused
}

// TestWrongPassword starts 100 endpoints with a wrong password and runs for nine hours.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	for name, module := range passwordModules {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, refused := newShared(t, 100, module, "wrong")
				time.Sleep(time.Minute - time.Millisecond)
				first := w.scrape()
				if got := states(first); got["credentials_rejected"] != 2 || got["login_suspended"] != 98 {
					t.Errorf("a minute after the start, the states are %v, want 2 credentials_rejected and 98 login_suspended", got)
				}
				withVerdict := 0
				for s := range first {
					if s.name == "session_auth_success" {
						withVerdict++
						want(t, first, s, 0)
					}
				}
				if withVerdict != 2 {
					t.Errorf("%d endpoints have a verdict, want the 2 that got the secret", withVerdict)
				}
				time.Sleep(19 * time.Minute)
				checkRefusals(t, w, 2)
				want(t, w.scrape(), series{"session_exporter_credential_suspended", "shared", ""}, 1)
				if got := states(w.scrape()); got["login_suspended"] != 100 {
					t.Errorf("after 20 minutes, the states are %v, want 100 login_suspended", got)
				}
				// With a longer interval, the test takes less time.
				w.load(oneAccount(100, strings.Replace(module, "{", "{interval: 5m, ", 1)))
				time.Sleep(9*time.Hour - 18*time.Minute)
				checkRefusals(t, w, 7)
				checkGaps(t, refused.refusals(), 0, 20*time.Minute, 40*time.Minute, 80*time.Minute, 160*time.Minute, 240*time.Minute)
			})
		})
	}
}

// checkRefusals compares what the appliances and the exporter have counted.
func checkRefusals(t *testing.T, w *world, n int) {
	t.Helper()
	if got := w.total(refusals); got != n {
		t.Errorf("the appliances refused %d passwords, want %d", got, n)
	}
	want(t, w.scrape(), series{"session_exporter_credential_refusals_total", "shared", ""}, float64(n))
}

// checkGaps checks the time between refusals: at least the gap, and at most two minutes more,
// because a login waits for the next probe.
func checkGaps(t *testing.T, times []time.Time, gaps ...time.Duration) {
	t.Helper()
	if len(times) != len(gaps)+1 {
		t.Fatalf("%d refusals, want %d: %v", len(times), len(gaps)+1, times)
	}
	for i, gap := range gaps {
		if got := times[i+1].Sub(times[i]); got < gap || got > gap+2*time.Minute {
			t.Errorf("refusal %d came %v after refusal %d, want %v", i+1, got, i, gap)
		}
	}
}

// TestOneRefuses lets one of many appliances refuse the password. The others are not
// affected.
func TestOneRefuses(t *testing.T) {
	t.Parallel()
	n := size(100, 30)
	synctest.Test(t, func(t *testing.T) {
		w, refused := newShared(t, n, "{api: hcx, credential: shared, interval: 2m}", "right")
		for i := range n {
			w.site(fmt.Sprintf("site-%d.test", i)).Change(func(s *simulator.Settings) {
				s.IdleTimeout = 5 * time.Minute
				if i%4 == 0 {
					s.MaxLifetime = 17 * time.Minute
				}
			})
		}
		const bad = "site-17"
		w.site(bad + ".test").Change(setPassword("another"))
		for range 6 {
			time.Sleep(time.Hour)
			want(t, w.scrape(), series{"session_exporter_credential_suspended", "shared", ""}, 1)
		}
		for s, failures := range w.scrape() {
			if s.name == "session_probe_failures_total" && (failures == 0) == (s.subject == bad) {
				t.Errorf("in 6 hours, %v probes of %s failed", failures, s.subject)
			}
		}
		checkRefusals(t, w, 6)
		checkGaps(t, refused.refusals(), time.Minute, 20*time.Minute, 40*time.Minute, 80*time.Minute, 160*time.Minute)
		for i := range n {
			stats := w.site(fmt.Sprintf("site-%d.test", i)).Stats()
			logins := 12 // one every 30 minutes for 6 hours
			if i%4 == 0 {
				logins = 20 // one every 18 minutes: the first probe after 17 minutes finds the session expired
			}
			if name := fmt.Sprintf("site-%d", i); name != bad && (stats.Logins < logins-1 || stats.Logins > logins+1 || stats.Sessions != 1 && i%4 != 0) {
				t.Errorf("%s had %d logins and has %d sessions, want about %d and 1", name, stats.Logins, stats.Sessions, logins)
			}
		}
	})
}

// TestSecretReadBeforeItsChangeIsNoticed corrects the password of a suspended account. One
// endpoint is probed before the file watcher notices the change; when it does, the others are
// probed immediately.
func TestSecretReadBeforeItsChangeIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newShared(t, 100, "{api: hcx, credential: shared, interval: 10m}", "wrong")
		time.Sleep(15 * time.Minute)
		checkRefusals(t, w, 2)
		w.write("password", "right")
		for w.total(func(s simulator.Stats) int { return s.Logins }) == 0 {
			time.Sleep(time.Second)
		}
		w.applyChanges()
		time.Sleep(5 * time.Second)
		if got := states(w.scrape()); got["valid"] != 100 {
			t.Errorf("after the secret's change, the states are %v, want 100 valid", got)
		}
	})
}

// TestPasswordChanged changes the password on the appliances first and in the file
// later. Logins are slow, so that several are due before the first verdict.
func TestPasswordChanged(t *testing.T) {
	t.Parallel()
	for _, watched := range []bool{false, true} {
		t.Run(fmt.Sprintf("the file watcher notices the change: %t", watched), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, refused := newShared(t, 100, passwordModules["hcx login"], "right")
				time.Sleep(2 * time.Minute)
				if got := states(w.scrape()); got["valid"] != 100 {
					t.Fatalf("after 2 minutes, the states are %v, want 100 valid", got)
				}
				for i := range 100 {
					w.site(fmt.Sprintf("site-%d.test", i)).Change(func(s *simulator.Settings) {
						setPassword("changed")(s)
						s.IdleTimeout = 5 * time.Minute
						s.Faults = []simulator.Fault{{On: simulator.Login, Delay: 4 * time.Second}}
					})
				}
				time.Sleep(30*time.Minute - time.Second)
				noticed := w.scrape()
				if got := states(noticed); got["credentials_rejected"]+got["login_suspended"] != 2 || got["valid"] != 98 {
					t.Errorf("30 minutes after the change, the states are %v, want 2 refused, and 98 valid with their old sessions", got)
				}
				zeros := 0
				for s, value := range noticed {
					if s.name == "session_auth_success" && value == 0 {
						zeros++
					}
				}
				if zeros != 2 {
					t.Errorf("session_auth_success is 0 for %d endpoints, want the 2 that refused", zeros)
				}
				checkRefusals(t, w, 2)
				want(t, noticed, series{"session_exporter_credential_suspended", "shared", ""}, 1)
				time.Sleep(20 * time.Minute)
				checkRefusals(t, w, 3)
				checkGaps(t, refused.refusals()[1:], 20*time.Minute)

				w.write("password", "changed\n")
				if watched {
					w.applyChanges()
				}
				time.Sleep(time.Minute + 4*time.Second)
				after := w.scrape()
				if got := states(after); got["valid"] != 100 {
					t.Errorf("an interval after the secret's change, the states are %v, want 100 valid", got)
				}
				want(t, after, series{"session_exporter_credential_suspended", "shared", ""}, 0)
				checkRefusals(t, w, 3)
			})
		})
	}
}
