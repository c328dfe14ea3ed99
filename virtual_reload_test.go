package main

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/simulator"
)

// TestVirtualReloadKeepsGuard reloads while an account is suspended: whatever
// changes, nothing is sent before its time.
func TestVirtualReloadKeepsGuard(t *testing.T) {
	plain := oneAccount(10, passwordModules["hcx login"])
	credential := func(more string) string {
		return strings.Replace(plain, "password_file: password", "password_file: password, "+more, 1)
	}
	for name, changed := range map[string]string{
		"nothing":                plain,
		"labels":                 strings.Replace(plain, "module: m}", "module: m, labels: {site: a}}", 1),
		"timeouts":               strings.Replace(plain, "api: hcx", "api: hcx, timeout: 5s", 1),
		"another endpoint":       plain + "  - {name: added, url: \"http://site-0.test\", module: m}\n",
		"more patience":          credential("lockout_guard: {max_refusals: 5, retry_after: 1h}"),
		"less patience":          credential("lockout_guard: {max_refusals: 1, retry_after: 1m, max_retry_after: 2m}"),
		"an expiry":              credential("expires: 2030-01-31"),
		"origins":                credential(`origins: ["https://*.example.com"]`),
		"the password elsewhere": strings.Replace(plain, "password_file: password", "password: wrong", 1),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, _ := newShared(t, 10, passwordModules["hcx login"], "wrong")
				time.Sleep(3 * time.Minute)
				checkRefusals(t, w, 2)
				sent := w.total(attempts)
				w.load(changed)
				time.Sleep(10 * time.Minute)
				if now := w.total(attempts); now != sent {
					t.Errorf("after the reload, %d requests were sent, want none", now-sent)
				}
				after := w.scrape()
				want(t, after, series{"session_exporter_credential_suspended", "shared", ""}, 1)
				if got := states(after); got["login_suspended"] != len(w.settings.Endpoints) {
					t.Errorf("after the reload, the states are %v, want all login_suspended", got)
				}
				checkRefusals(t, w, 2)
			})
		})
	}
}

// TestVirtualReloadKeepsPatience reloads while one endpoint of many waits by
// itself, because it alone refused the account. The others keep their sessions.
func TestVirtualReloadKeepsPatience(t *testing.T) {
	plain := oneAccount(10, passwordModules["hcx login"])
	for name, changed := range map[string]string{
		"its settings":   strings.Replace(plain, "api: hcx", "api: hcx, timeout: 5s", 1),
		"the credential": strings.Replace(plain, "password_file: password", "password_file: password, expires: 2030-01-31", 1),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, _ := newShared(t, 10, passwordModules["hcx login"], "right")
				w.site("site-3.test").Change(setPassword("another"))
				time.Sleep(3 * time.Minute)
				w.load(changed)
				time.Sleep(10 * time.Minute)
				checkRefusals(t, w, 1)
				if got := w.total(func(s simulator.Stats) int { return s.Attempts }); got != 10 {
					t.Errorf("the appliances have seen %d logins, want the first of each", got)
				}
				if got := states(w.scrape()); got["valid"] != 9 || got["login_suspended"] != 1 {
					t.Errorf("the states are %v, want 9 valid and 1 login_suspended", got)
				}
			})
		})
	}
}

// TestVirtualReloadAnotherAccount gives a suspended credential another user.
func TestVirtualReloadAnotherAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newShared(t, 10, passwordModules["hcx login"], "wrong")
		time.Sleep(3 * time.Minute)
		for _, s := range w.sites {
			s.Change(func(s *simulator.Settings) { s.Accounts["other"] = simulator.Account{Password: "wrong"} })
		}
		before := w.scrape()
		w.load(strings.Replace(oneAccount(10, passwordModules["hcx login"]), "monitor", "other", 1))
		time.Sleep(time.Minute)
		after := w.scrape()
		if got := states(after); got["valid"] != 10 {
			t.Errorf("with another account, the states are %v, want 10 valid", got)
		}
		want(t, after, series{"session_exporter_credential_suspended", "shared", ""}, 0)
		for _, wrong := range backwards(before, after) {
			t.Error(wrong)
		}
	})
}

// TestVirtualReloadByDifference keeps the sessions of what is still of use, and
// leaves none of the others.
func TestVirtualReloadByDifference(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newShared(t, 100, passwordModules["hcx login"], "right")
		time.Sleep(2*time.Minute + 30*time.Second)
		before := w.scrape()

		changed := strings.Split(oneAccount(100, passwordModules["hcx login"]), "\n")
		const first = 3 // line with an endpoint
		for i := range 10 {
			changed[first+i] = ""
			changed[first+10+i] = strings.Replace(changed[first+10+i], "module: m", "module: m, timeout: 7s", 1)
			changed[first+20+i] = strings.Replace(changed[first+20+i], "module: m", "module: m, labels: {site: a}", 1)
			changed[first+30+i] = strings.Replace(changed[first+30+i], "module: m", "module: m, interval: 30s", 1)
			changed[first+40+i] = strings.Replace(changed[first+40+i], "module: m", "module: m, auth: basic", 1)
		}
		w.load(strings.Join(changed, "\n"))
		synctest.Wait()
		check := func(when string, logins, sessions func(i int) int) {
			t.Helper()
			for i := range 100 {
				stats := w.site(fmt.Sprintf("site-%d.test", i)).Stats()
				if stats.Logins != logins(i) || stats.Sessions != sessions(i) {
					t.Errorf("%s, site-%d had %d logins and has %d sessions, want %d and %d", when, i, stats.Logins, stats.Sessions, logins(i), sessions(i))
				}
			}
		}
		held := func(i int) int { return count(i >= 10 && (i < 40 || i >= 50)) }
		check("at once", always(1), held)
		time.Sleep(time.Minute)
		check("a minute later", always(1), held)
		after := w.scrape()
		for _, wrong := range backwards(before, after) {
			t.Error(wrong)
		}
		want(t, after, series{"session_exporter_endpoints", "", ""}, 90)
		want(t, after, series{"session_exporter_sessions_held", "", ""}, 80)
		if got := states(after); got["valid"] != 90 {
			t.Errorf("the states are %v, want 90 valid", got)
		}
		if _, there := after[series{"session_up", "site-0", ""}]; there {
			t.Error("session_up of site-0 is still exposed, want no series of an endpoint that is gone")
		}
	})
}

func always(n int) func(int) int { return func(int) int { return n } }

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}

// TestVirtualReloadAllOrNothing is incident 23, for each way to break a file.
func TestVirtualReloadAllOrNothing(t *testing.T) {
	good := oneAccount(10, passwordModules["hcx login"])
	for name, broken := range map[string]string{
		"half written":     good[:len(good)/2] + "\n  - {name: ",
		"empty":            "",
		"one bad endpoint": strings.Replace(good, "site-1.test", "site-1.test?x=y", 1),
		"no such file":     strings.Replace(good, "password_file: password", "password_file: elsewhere", 1),
		"a broken CA":      strings.Replace(good, "api: hcx", "api: hcx, tls_config: {ca_file: password}", 1),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, _ := newShared(t, 10, passwordModules["hcx login"], "right")
				time.Sleep(time.Minute)
				w.write("session_exporter.yml", broken)
				if err := w.Reload(); err == nil {
					t.Fatal("the reload succeeded")
				}
				time.Sleep(time.Minute)
				now := w.scrape()
				want(t, now, series{"session_exporter_config_last_reload_successful", "", ""}, 0)
				want(t, now, series{"session_exporter_endpoints", "", ""}, 10)
				for i := range 10 {
					want(t, now, series{"session_probes_total", fmt.Sprintf("site-%d", i), ""}, 2)
					want(t, now, series{"session_logins_total", fmt.Sprintf("site-%d", i), ""}, 1)
				}
				w.load(good)
				now = w.scrape()
				want(t, now, series{"session_exporter_config_last_reload_successful", "", ""}, 1)
				want(t, now, series{"session_exporter_sessions_held", "", ""}, 10)
			})
		})
	}
}
