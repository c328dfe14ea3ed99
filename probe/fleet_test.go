package probe

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/simulator"
)

// A fleet is a hundred endpoints of one account, each with an appliance.
func fleet(t *testing.T, way way, appliance func(i int) *simulator.Appliance) []*Prober {
	t.Helper()
	first := way.endpoint()
	batch, credential := batchOf(t, first), first.Credential
	probers := make([]*Prober, 100)
	for i := range probers {
		e := way.endpoint()
		e.Name, e.Credential = fmt.Sprint("site-", i), credential
		e.SessionMaxAge = 10 * time.Minute // so that they have to log in again
		probers[i] = proberOf(t, batch, e)
		directly(probers[i]).DialContext = newPipeServer(t, appliance(i)).dial
	}
	return probers
}

// probeAll probes all endpoints side by side, once an interval for a while.
func probeAll(t *testing.T, probers []*Prober, while time.Duration) map[State]int {
	t.Helper()
	var mu sync.Mutex
	total := make(map[State]int)
	var all sync.WaitGroup
	for i, p := range probers {
		all.Go(func() {
			<-time.After(time.Duration(i) * 10 * time.Millisecond)
			for state, n := range states(probesFor(t, p, while)) {
				mu.Lock()
				total[state] += n
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return total
}

// However many endpoints have the wrong password, two logins are refused.
func TestFleetWithAWrongPassword(t *testing.T) {
	for _, w := range []way{{"hcx", config.AuthLogin}, {"hcx", config.AuthBasic}, {"dr", config.AuthLogin}} {
		t.Run(w.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := alice()
				s.Accounts["alice"] = simulator.Account{Password: "another"}
				directory := newAppliance(w.api, s)
				probers := fleet(t, w, func(int) *simulator.Appliance { return directory })
				total := probeAll(t, probers, 19*time.Minute)
				if n := directory.Stats().Refusals; n != 2 || total[CredentialsRejected] != 2 || total[LoginSuspended] != 1898 {
					t.Errorf("%d refusals; states: %v", n, total)
				}
				probeAll(t, probers, time.Hour)
				if n := directory.Stats().Refusals; n != 4 {
					t.Errorf("%d refusals in 79 minutes", n)
				}
			})
		})
	}
}

// One endpoint that refuses what all others accept waits by itself.
func TestFleetWithOneThatRefuses(t *testing.T) {
	for _, w := range []way{{"hcx", config.AuthLogin}, {"hcx", config.AuthBasic}, {"dr", config.AuthLogin}} {
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
				if total[Valid] != 99*22 || total[CredentialsRejected] != 2 || refuses.Stats().Refusals != 2 {
					t.Errorf("states: %v, %d refusals", total, refuses.Stats().Refusals)
				}
			})
		})
	}
}
