package exporter

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/sessionapi"
)

// checkRejected checks a site's state, and whether the site rejected the secret in use.
func checkRejected(t *testing.T, w *world, name string, state sessionapi.State, rejected bool) {
	t.Helper()
	for _, o := range w.collector.Overviews() {
		if o.Endpoint.Name == name && (o.State != state || o.Rejected != rejected) {
			t.Errorf("%s is %s, rejected: %t; want %s, %t", name, o.State, o.Rejected, state, rejected)
		}
	}
}

// TestRejectedSecretReplaced replaces a refused secret until the account's budget is
// spent. The last one is held back without a login, so it is not a rejected password.
func TestRejectedSecretReplaced(t *testing.T) {
	for way, module := range passwordModules {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, refused := newShared(t, 1, module, "wrong")
				time.Sleep(time.Minute)
				checkRejected(t, w, "site-0", sessionapi.CredentialsRejected, true)
				time.Sleep(time.Minute)
				checkRejected(t, w, "site-0", sessionapi.LoginSuspended, true)
				const budget = 6 // three times max_refusals
				for i := range budget {
					w.write("password", fmt.Sprintf("wrong %d", i))
					w.applyChanges()
					time.Sleep(5 * time.Second)
				}
				if got := len(refused.refusals()); got != budget {
					t.Fatalf("%d refusals, want %d", got, budget)
				}
				checkRejected(t, w, "site-0", sessionapi.LoginSuspended, false)
			})
		})
	}
}

// TestRejectedSecretReplacedInOutage replaces a refused secret while the appliance that
// refused it is down. After the outage, its logins are held back because the other two
// appliances refused the new secret.
func TestRejectedSecretReplacedInOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newShared(t, 3, "{api: hcx, credential: shared}", "wrong")
		others := map[string]*site{"site-1.test": w.site("site-1.test"), "site-2.test": w.site("site-2.test")}
		refusing := map[string]*site{"site-0.test": w.site("site-0.test")}
		reachable := func(sites map[string]*site) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.sites = sites
		}
		reachable(refusing)
		time.Sleep(2 * time.Minute)
		checkRejected(t, w, "site-0", sessionapi.LoginSuspended, true)
		reachable(others)
		w.write("password", "also wrong")
		w.applyChanges()
		time.Sleep(time.Second)
		checkRejected(t, w, "site-0", sessionapi.Unreachable, false)
		time.Sleep(2 * time.Minute)
		checkRejected(t, w, "site-1", sessionapi.LoginSuspended, true)
		checkRejected(t, w, "site-2", sessionapi.LoginSuspended, true)
		reachable(refusing)
		time.Sleep(time.Minute)
		checkRejected(t, w, "site-0", sessionapi.LoginSuspended, false)
	})
}
