package exporter

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/simulator"
)

// TestShutdown lets a quarter of the appliances hang during the shutdown.
func TestShutdown(t *testing.T) {
	const n = 500
	synctest.Test(t, func(t *testing.T) {
		w, _ := newShared(t, n, passwordModules["dr login"], "right")
		time.Sleep(2 * time.Minute)
		want(t, w.scrape(), series{"session_exporter_sessions_held", "", ""}, n)
		for i := range n / 4 {
			w.site(fmt.Sprintf("site-%d.test", i)).Change(func(s *simulator.Settings) { s.Faults = []simulator.Fault{{Hang: true}} })
		}
		time.Sleep(5 * time.Second)
		if took := w.stop(); took > 3500*time.Millisecond {
			t.Errorf("the shutdown took %v, want at most 3.5s", took)
		}
		if rest := fmt.Sprintf("and %d more", n/4-10); w.left == nil || strings.Count(w.left.Error(), "endpoint ") != 10 || !strings.HasSuffix(w.left.Error(), rest) {
			t.Errorf("reported as left: %v\nwant ten of the endpoints that hang, %s", w.left, rest)
		}
		for i := range n {
			if left := w.site(fmt.Sprintf("site-%d.test", i)).Stats().Sessions; left != count(i < n/4) {
				t.Errorf("site-%d has %d sessions left, want %d", i, left, count(i < n/4))
			}
		}
	})
}

// TestUnanswered loses the responses of accepted logins, or delays them until after the
// probe. Only a session whose response arrives can be logged out.
func TestUnanswered(t *testing.T) {
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

// TestLateRefusal checks that a password that is refused after the probe's timeout is
// reported as wrong, not only as an outage.
func TestLateRefusal(t *testing.T) {
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
				if strings.Contains(module, "api: hcx") { // its error codes are documented
					want(t, now, series{"session_errors_total", "site-0", "INVALID_CREDENTIALS"}, 1)
				}
				want(t, now, series{"session_exporter_credential_refusals_total", "shared", ""}, 1)
				w.stop()
			})
		})
	}
}

// TestSlowLogout changes the password on all appliances, which are slow to log out. The
// account's refusals stay within its budget although some endpoints log in while the first
// renewal waits for its logout.
func TestSlowLogout(t *testing.T) {
	t.Parallel()
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
		for i := range 3 { // the logout of the first renewed session is still in flight
			w.site(fmt.Sprintf("site-%d.test", i)).restart()
		}
		time.Sleep(5 * time.Minute)
		checkRefusals(t, w, 2)
	})
}

// TestRenewalsAreFair checks that every endpoint renews its session although renewals
// are slow: a password that was changed on one appliance alone is noticed only by the renewal
// there.
func TestRenewalsAreFair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const delay = 2 * time.Second
		n := size(100, 50)
		w := newWorld(t, slog.New(slog.DiscardHandler))
		for i := range n {
			settings := account("right")
			settings.Faults = []simulator.Fault{{On: simulator.Login, Delay: delay}}
			w.add(fmt.Sprintf("site-%d", i), newAppliance("api: hcx", settings))
		}
		w.write("password", "right")
		// With a budget of one refusal, renewals run one after the other.
		w.load(strings.Replace(oneAccount(n, "{api: hcx, credential: shared}"), "password_file: password", "password_file: password, lockout_guard: {max_refusals: 1}", 1))
		w.start()
		const maxAge = 30 * time.Minute // the default session_max_age
		for range size(180, 100) {
			time.Sleep(time.Minute)
			for s, established := range w.scrape() {
				if s.name != "session_established_timestamp_seconds" {
					continue
				}
				if age := time.Since(time.UnixMilli(int64(established * 1000))); age > maxAge+time.Duration(2*n)*delay {
					t.Fatalf("the session of %s is %s old", s.subject, age)
				}
			}
		}
	})
}
