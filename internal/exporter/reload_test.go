package exporter

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/simulator"
)

// TestReloadKeepsGuard reloads while an account is suspended: whatever changes, nothing
// is sent early.
func TestReloadKeepsGuard(t *testing.T) {
	plain := oneAccount(10, passwordModules["hcx login"])
	credential := func(more string) string {
		return strings.Replace(plain, "password_file: password", "password_file: password, "+more, 1)
	}
	for name, changed := range map[string]string{
		"nothing":                plain,
		"labels":                 strings.Replace(plain, "module: m}", "module: m, labels: {site: a}}", 1),
		"timeouts":               strings.Replace(plain, "api: hcx", "api: hcx, timeout: 5s", 1),
		"another endpoint":       plain + "  - {name: added, url: \"http://site-0.test\", module: m}\n",
		"laxer guard":            credential("lockout_guard: {max_refusals: 5, retry_after: 1h}"),
		"stricter guard":         credential("lockout_guard: {max_refusals: 1, retry_after: 1m, max_retry_after: 2m}"),
		"an expiry":              credential("expires: 2030-01-31"),
		"origins":                credential(`origins: ["https://*.example.com"]`),
		"the password elsewhere": strings.Replace(plain, "password_file: password", "password: wrong", 1),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, _ := newShared(t, 10, passwordModules["hcx login"], "wrong")
				time.Sleep(3 * time.Minute)
				checkRefusals(t, w, 2)
				sent := w.total(received)
				w.load(changed)
				time.Sleep(10 * time.Minute)
				if now := w.total(received); now != sent {
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

// TestReloadKeepsEndpointBackoff reloads while one endpoint is in back-off because it
// alone refused the account. The others keep their sessions.
func TestReloadKeepsEndpointBackoff(t *testing.T) {
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
				checkRefusals(t, w, 2) // the second one after a minute
				if got := w.total(func(s simulator.Stats) int { return s.Attempts }); got != 11 {
					t.Errorf("the appliances have seen %d logins, want one at each and a second one at site-3", got)
				}
				if got := states(w.scrape()); got["valid"] != 9 || got["login_suspended"] != 1 {
					t.Errorf("the states are %v, want 9 valid and 1 login_suspended", got)
				}
			})
		})
	}
}

// TestReloadAnotherAccount changes the user of a suspended credential.
func TestReloadAnotherAccount(t *testing.T) {
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
		for _, problem := range backwards(before, after) {
			t.Error(problem)
		}
	})
}

// TestReloadKeepsUnchangedSessions checks that unchanged endpoints keep their sessions and all
// other sessions are logged out.
func TestReloadKeepsUnchangedSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newShared(t, 100, passwordModules["hcx login"], "right")
		time.Sleep(2*time.Minute + 30*time.Second)
		before := w.scrape()

		changed := strings.Split(oneAccount(100, passwordModules["hcx login"]), "\n")
		const first = 3 // line of the first endpoint
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
		check("immediately", always(1), held)
		time.Sleep(time.Minute)
		check("a minute later", always(1), held)
		after := w.scrape()
		for _, problem := range backwards(before, after) {
			t.Error(problem)
		}
		want(t, after, series{"session_exporter_endpoints", "", ""}, 90)
		want(t, after, series{"session_exporter_sessions_held", "", ""}, 80)
		if got := states(after); got["valid"] != 90 {
			t.Errorf("the states are %v, want 90 valid", got)
		}
		if _, ok := after[series{"session_up", "site-0", ""}]; ok {
			t.Error("session_up of site-0 is still exposed, want no series of an endpoint that was removed")
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

// TestReloadAllOrNothing checks that the previous configuration stays in use after a
// broken file.
func TestReloadAllOrNothing(t *testing.T) {
	good := oneAccount(10, passwordModules["hcx login"])
	for name, broken := range map[string]string{
		"half written":     good[:len(good)/2] + "\n  - {name: ",
		"empty":            "",
		"one bad endpoint": strings.Replace(good, "site-1.test", "site-1.test?x=y", 1),
		"no such CA":       strings.Replace(good, "api: hcx", "api: hcx, tls_config: {ca_file: elsewhere}", 1),
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

// TestLogLoaded loads one endpoint into exporters with different shards.
func TestLogLoaded(t *testing.T) {
	const nothing = `level=WARN msg="shard has no endpoints" shard=%s listed=1`
	file := &config.Config{Endpoints: []*config.Endpoint{{Name: "site-0"}}}
	owner := slices.IndexFunc([]int{0, 1, 2}, func(i int) bool { return len(file.WithShard(config.Shard{Index: i, Count: 3}).Endpoints) == 1 })
	other := (owner + 1) % 3
	has, hasNot := fmt.Sprintf("%d/3", owner), fmt.Sprintf("%d/3", other)
	for _, c := range []struct {
		name            string
		shard           config.Shard
		endpoints       int
		loaded, warning string // texts in the log; an empty warning means none
	}{
		{"no shards", config.Shard{}, 1, "endpoints=1 credentials=1\n", ""},
		{"the endpoint's shard", config.Shard{Index: owner, Count: 3}, 1, "endpoints=1 credentials=1 shard=" + has + "\n", ""},
		{"another shard", config.Shard{Index: other, Count: 3}, 1, "endpoints=0 credentials=1 shard=" + hasNot + "\n", fmt.Sprintf(nothing, hasNot)},
		{"no endpoints", config.Shard{Index: other, Count: 3}, 0, "endpoints=0 credentials=1 shard=" + hasNot + "\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			w := newWorld(t, slog.New(slog.NewTextHandler(&log, nil)))
			w.shard = c.shard
			w.write("password", "secret")
			w.load(oneAccount(c.endpoints, passwordModules["hcx login"]))
			if got := log.String(); !strings.Contains(got, c.loaded) || !strings.Contains(got, c.warning) {
				t.Errorf("the log is\n%s\nwant in it %q and %q", got, c.loaded, c.warning)
			}
			if c.warning == "" && strings.Contains(log.String(), "shard has no endpoints") {
				t.Errorf("unexpected warning:\n%s", log.String())
			}
		})
	}
}

// Neither the response to a reload nor the log quotes a secret.
func TestReloadQuotesNoSecret(t *testing.T) {
	var log bytes.Buffer
	file := fileOf(t, oneEndpoint)
	e := newExporter([]string{file}, probe.NewManager(), slog.New(slog.NewTextHandler(&log, nil)))
	must(t, e.Reload())
	must(t, os.WriteFile(file, []byte(strings.Replace(oneEndpoint, "credential: account", "credential: account, http_headers: {X:S3cr3t}, proxy_url: 'http://p', proxy_connect_header: {Y:S3cr3t}", 1)), 0o600))
	err := e.Reload()
	if err == nil || strings.Count(err.Error(), "http_headers.*: ") != 1 || strings.Contains(err.Error()+log.String(), "S3cr3t") {
		t.Errorf("error %v, log\n%s", err, log.String())
	}
}
