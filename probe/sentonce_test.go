package probe

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	promconfig "github.com/prometheus/common/config"

	"session_exporter/config"
	"session_exporter/sessionapi"
)

// An appliance may refuse a secret by closing the connection. The request is not sent again,
// whatever its method and the transport.
func TestSecretsAreNotSentAgain(t *testing.T) {
	const getLogin = `
    login: {path: /login, method: GET, send: basic}
    session: [{from: header, name: x-token}]
    check: {path: /me}
    body: {user: text}
    answer: {username: body.user}
`
	basic := endpointFor("hcx", sessionapi.AuthBasic)
	login := endpointOf(t, getLogin, sessionapi.AuthLogin)
	for _, c := range []struct {
		name     string
		endpoint *config.Endpoint
		body     string
	}{{"HTTP Basic", basic, hcxOK}, {"login with GET", login, `{"user": "alice"}`}} {
		for _, standard := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, net/http %t", c.name, standard), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testSecretNotSentAgain(t, c.endpoint, c.body, standard) })
			})
		}
	}
}

func testSecretNotSentAgain(t *testing.T, e *config.Endpoint, body string, standard bool) {
	t.Helper()
	changed, sent := false, 0
	server := newPipeServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _, secret := r.BasicAuth()
		switch {
		case changed && secret:
			sent++
			panic(http.ErrAbortHandler) // closes the connection
		case changed:
			w.WriteHeader(http.StatusUnauthorized)
		default:
			reply{200, map[string]string{"x-token": canaryToken}, body}.ServeHTTP(w, r)
		}
	}))
	own := *e
	if standard { // net/http's transport is for proxies
		own.HTTP = &config.HTTP{Proxy: promconfig.ProxyConfig{ProxyFromEnvironment: true}}
	}
	p := newProber(t, &own)
	if standard {
		p.client.Transport.(*http.Transport).DialContext = server.dial
	} else {
		directly(p).DialContext = server.dial
	}
	for range 2 { // on a connection that is kept
		if r := mustProbe(t, p); r.State != sessionapi.Valid {
			t.Fatalf("%s: %s", r.State, r.Diagnosis)
		}
		time.Sleep(e.Interval)
	}
	changed = true
	if r := mustProbe(t, p); r.State != sessionapi.Unreachable || sent != 1 {
		t.Errorf("%s after %d requests with the secret, want unreachable after 1: %s", r.State, sent, r.Diagnosis)
	}
}
