package main

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/simulator"
)

// TestVirtualShutdown has a quarter of the appliances hang meanwhile.
func TestVirtualShutdown(t *testing.T) {
	const n = 500
	synctest.Test(t, func(t *testing.T) {
		w, _ := newShared(t, n, passwordModules["dr login"], "right")
		time.Sleep(2 * time.Minute)
		want(t, w.scrape(), series{"session_exporter_sessions_held", "", ""}, n)
		for i := range n / 4 {
			w.site(fmt.Sprintf("site-%d.test", i)).Change(func(s *simulator.Settings) { s.Faults = []simulator.Fault{{Hang: true}} })
		}
		time.Sleep(5 * time.Second)
		if took := w.stop(); took > 4*time.Second {
			t.Errorf("the shutdown took %v, want at most 4s", took)
		}
		if w.left == nil || strings.Count(w.left.Error(), "endpoint ") != n/4 {
			t.Errorf("sessions are said to be left by: %v\nwant each appliance that hangs", w.left)
		}
		for i := range n {
			if left := w.site(fmt.Sprintf("site-%d.test", i)).Stats().Sessions; left != count(i < n/4) {
				t.Errorf("site-%d has %d sessions left, want %d", i, left, count(i < n/4))
			}
		}
	})
}

// TestVirtualUnanswered loses the answers of logins that were accepted, or has
// them come too late for the probe. Only what comes can be logged out of.
func TestVirtualUnanswered(t *testing.T) {
	for name, module := range passwordModules {
		if name == "hcx basic" {
			continue // has no logins
		}
		for name, c := range map[string]struct {
			fault simulator.Fault
			lost  int
		}{
			name + " hang":  {simulator.Fault{Hang: true}, 1},
			name + " reset": {simulator.Fault{Reset: true}, 1},
			name + " late":  {simulator.Fault{Delay: 15 * time.Second}, 0},
		} {
			c.fault.On, c.fault.After, c.fault.Times = simulator.Login, true, 1
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, slog.New(slog.DiscardHandler))
					settings := account("right")
					settings.Faults = []simulator.Fault{c.fault}
					s := w.add("site-0", newAppliance(module, settings))
					w.write("password", "right")
					w.load(oneAccount(1, module))
					w.start()
					time.Sleep(time.Minute - time.Second)
					if attempts := s.Stats().Attempts; attempts != 1 {
						t.Errorf("the appliance got %d logins, want 1", attempts)
					}
					now := w.scrape()
					want(t, now, series{"session_login_failures_total", "site-0", ""}, 1)
					want(t, now, series{"session_exporter_sessions_held", "", ""}, 0)
					want(t, now, series{"session_exporter_credential_refusals_total", "shared", ""}, 0)
					time.Sleep(2 * time.Minute)
					now = w.scrape()
					want(t, now, series{"session_up", "site-0", ""}, 1)
					want(t, now, series{"session_logins_unanswered_total", "site-0", ""}, float64(c.lost))
					want(t, now, series{"session_logouts_total", "site-0", ""}, float64(1-c.lost))
					w.stop()
					if left := s.Stats().Sessions; left != c.lost || w.left != nil {
						t.Errorf("the shutdown left %d sessions (%v), want the %d unanswered", left, w.left, c.lost)
					}
				})
			})
		}
	}
}

// TestVirtualLateRefusal: a password that is refused later than the probe's timeout is
// told to be wrong, and not only as an outage.
func TestVirtualLateRefusal(t *testing.T) {
	for name, module := range passwordModules {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, _ := newShared(t, 1, module, "wrong")
				w.site("site-0.test").Change(func(s *simulator.Settings) {
					s.Faults = []simulator.Fault{{After: true, Delay: 15 * time.Second}}
				})
				time.Sleep(10 * time.Minute)
				now := w.scrape()
				want(t, now, series{"session_auth_success", "site-0", ""}, 0)
				want(t, now, series{"session_login_suspended", "site-0", ""}, 1)
				if strings.Contains(module, "api: hcx") { // whose codes are documented
					want(t, now, series{"session_errors_total", "site-0", "INVALID_CREDENTIALS"}, 1)
				}
				want(t, now, series{"session_exporter_credential_refusals_total", "shared", ""}, 1)
				w.stop()
			})
		})
	}
}

// TestVirtualSlowLogout has an appliance that is slow to end a session, while
// the account's password is refused elsewhere.
func TestVirtualSlowLogout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newShared(t, 100, passwordModules["hcx login"], "right")
		time.Sleep(2 * time.Minute)
		for i := range 100 {
			w.site(fmt.Sprintf("site-%d.test", i)).Change(func(s *simulator.Settings) {
				setPassword("changed")(s)
				s.Faults = []simulator.Fault{{On: simulator.Logout, Delay: 9 * time.Second}}
			})
		}
		time.Sleep(28*time.Minute - time.Second)
		for i := range 3 { // the first session to be renewed is still being ended
			w.site(fmt.Sprintf("site-%d.test", i)).restart()
		}
		time.Sleep(5 * time.Minute)
		checkRefusals(t, w, 2)
	})
}

// TestVirtualRenewalsAreFair: with renewals that take their time, each endpoint
// gets its turn. A password may be changed on one appliance alone, and only that
// one's own renewal notices.
func TestVirtualRenewalsAreFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, delay = 100, 2 * time.Second
		w := newWorld(t, slog.New(slog.DiscardHandler))
		for i := range n {
			settings := account("right")
			settings.Faults = []simulator.Fault{{On: simulator.Login, Delay: delay}}
			w.add(fmt.Sprintf("site-%d", i), newAppliance("api: hcx", settings))
		}
		w.write("password", "right")
		// With a budget of one refusal they take place one after the other.
		w.load(strings.Replace(oneAccount(n, "{api: hcx, credential: shared}"), "password_file: password", "password_file: password, lockout_guard: {max_refusals: 1}", 1))
		w.start()
		const maxAge = 30 * time.Minute // by default
		for range 180 {
			time.Sleep(time.Minute)
			for s, established := range w.scrape() {
				if s.name != "session_established_timestamp_seconds" {
					continue
				}
				if age := time.Since(time.UnixMilli(int64(established * 1000))); age > maxAge+2*n*delay {
					t.Fatalf("the session of %s is %s old", s.subject, age)
				}
			}
		}
	})
}
