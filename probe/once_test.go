package probe

import (
	"strings"
	"testing"

	"session_exporter/sessionapi"
	"session_exporter/simulator"
)

// The guard ends with the process of a one-shot probe, so the result does not state how
// long logins are held back.
func TestOnceOmitsHeldUntil(t *testing.T) {
	settings := func() simulator.Settings {
		s := alice()
		s.Accounts["alice"] = simulator.Account{Password: "another"}
		return s
	}
	forEachLogin(t, settings, func(on trial) {
		on.p.oneShot = true
		for _, want := range []sessionapi.State{sessionapi.CredentialsRejected, sessionapi.LoginSuspended} {
			r, err := on.p.Probe(on.t.Context(), Options{})
			if err != nil || r.State != want {
				on.t.Fatalf("%v, %v; want %s", r, err, want)
			}
			for _, word := range []string{"until", "before"} {
				if strings.Contains(r.Diagnosis, word) {
					on.t.Errorf("%s: the diagnosis has the word %q: %s", r.State, word, r.Diagnosis)
				}
			}
		}
	})
}
