package probe

import (
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/sessionapi"
)

// The wait for a late refusal does not include the time that the login waited for other logins
// of the account.
func TestSlowRefusalAfterPermit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logins atomic.Int64
		appliance := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				delay := 4 * time.Second
				if logins.Add(1) > 1 {
					delay = 29 * time.Second
				}
				time.Sleep(delay)
			}
			w.WriteHeader(http.StatusUnauthorized)
		})
		first, second := endpointFor("dr", sessionapi.AuthLogin), endpointFor("dr", sessionapi.AuthLogin)
		second.Name, second.URL, second.Credential = "site-b", &url.URL{Scheme: "http", Host: "appliance.test", Path: "/b"}, first.Credential
		g := generationOf(t, first, second)
		p, q := proberOf(t, g, first), proberOf(t, g, second)
		directly(p).DialContext = newPipeServer(t, appliance).dial
		directly(q).DialContext = directly(p).DialContext
		go func() { _, _ = p.Probe(t.Context(), Options{}) }()
		synctest.Wait()
		mustProbe(t, q)
		time.Sleep(time.Minute)
		if _, refusals := p.credential.guard.Status(func(string) bool { return true }); refusals != 2 || logins.Load() != 2 {
			t.Errorf("%d refusals of %d logins, want 2 of 2", refusals, logins.Load())
		}
	})
}
