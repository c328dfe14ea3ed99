package probe

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/sessionapi"
	"session_exporter/simulator"
)

// fleet returns the probers of a hundred endpoints of one account. appliance returns the
// appliance of each.
func fleet(t *testing.T, way way, appliance func(i int) *simulator.Appliance) []*Prober {
	t.Helper()
	first := way.endpoint()
	generation, credential := generationOf(t, first), first.Credential
	probers := make([]*Prober, 100)
	for i := range probers {
		e := way.endpoint()
		e.Name, e.Credential = fmt.Sprint("site-", i), credential
		e.URL.Host = e.Name + ".test"
		e.SessionMaxAge = 10 * time.Minute // so that they have to log in again
		probers[i] = proberOf(t, generation, e)
		directly(probers[i]).DialContext = newPipeServer(t, appliance(i)).dial
	}
	return probers
}

// probeAll probes all endpoints concurrently, once per interval, for a duration. It returns
// the number of results by state.
func probeAll(t *testing.T, probers []*Prober, duration time.Duration) map[sessionapi.State]int {
	t.Helper()
	var mu sync.Mutex
	total := make(map[sessionapi.State]int)
	var all sync.WaitGroup
	for i, p := range probers {
		all.Go(func() {
			<-time.After(time.Duration(i) * 10 * time.Millisecond)
			for state, n := range states(probesFor(t, p, duration)) {
				mu.Lock()
				total[state] += n
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return total
}

// However many endpoints have the wrong password, two logins are refused, and one more after
// each suspension.
func TestFleetWithAWrongPassword(t *testing.T) {
	for _, w := range []way{{"hcx", sessionapi.AuthLogin}, {"hcx", sessionapi.AuthBasic}, {"dr", sessionapi.AuthLogin}} {
		t.Run(w.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := alice()
				s.Accounts["alice"] = simulator.Account{Password: "another"}
				directory := newAppliance(w.api, s)
				probers := fleet(t, w, func(int) *simulator.Appliance { return directory })
				total := probeAll(t, probers, 19*time.Minute)
				if n := directory.Stats().Refusals; n != 2 || total[sessionapi.CredentialsRejected] != 2 || total[sessionapi.LoginSuspended] != 1898 {
					t.Errorf("%d refusals, states %v, want 2 refusals and 1898 suspended logins", n, total)
				}
				probeAll(t, probers, time.Hour)
				if n := directory.Stats().Refusals; n != 4 {
					t.Errorf("%d refusals in 79 minutes, want 4", n)
				}
			})
		})
	}
}

// If one endpoint refuses the password that all others accept, logins are held back from it
// alone.
func TestFleetWithOneRefusal(t *testing.T) {
	for _, w := range []way{{"hcx", sessionapi.AuthLogin}, {"hcx", sessionapi.AuthBasic}, {"dr", sessionapi.AuthLogin}} {
		t.Run(w.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wrong := alice()
				wrong.Accounts["alice"] = simulator.Account{Password: "another"}
				refuses := newAppliance(w.api, wrong)
				probers := fleet(t, w, func(i int) *simulator.Appliance {
					if i == 17 {
						return refuses
					}
					return newAppliance(w.api, alice())
				})
				total := probeAll(t, probers, 22*time.Minute)
				// The refusals are the first one, that of the second try, and one 20 minutes later.
				if total[sessionapi.Valid] != 99*22 || total[sessionapi.CredentialsRejected] != 3 || refuses.Stats().Refusals != 3 {
					t.Errorf("states %v, %d refusals, want 3, and the others valid", total, refuses.Stats().Refusals)
				}
			})
		})
	}
}
