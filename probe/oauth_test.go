package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"session_exporter/config"
)

// authorization is a token server and the appliance that accepts its tokens.
type authorization struct {
	mu       sync.Mutex // guards the fields below
	answer   http.Handler
	given    int  // tokens
	accepted int  // number of the token that the appliance accepts; 0: the last
	refuses  bool // the appliance accepts none
	lifetime int
	seen     []*http.Request
}

func (a *authorization) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.Host != "sso.test" {
		accepted := a.given
		if a.accepted > 0 {
			accepted = a.accepted
		}
		if a.refuses || r.Header.Get("Authorization") != fmt.Sprintf("Bearer %s-%d", canaryToken, accepted) {
			reply{status: 401, body: hcxUnauthorized}.ServeHTTP(w, r)
			return
		}
		reply{status: 200, body: hcxOK}.ServeHTTP(w, r)
		return
	}
	_ = r.ParseForm()
	a.seen = append(a.seen, r)
	w.Header().Set("Content-Type", "application/json")
	if a.answer != nil {
		a.answer.ServeHTTP(w, r)
		return
	}
	a.given++
	_, _ = fmt.Fprintf(w, `{"access_token": "%s-%d", "token_type": "Bearer", "expires_in": %d}`, canaryToken, a.given, a.lifetime)
}

func (a *authorization) counts() (given, requests int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.given, len(a.seen)
}

// prober returns one that gets its tokens there.
func (a *authorization) prober(t *testing.T) *Prober {
	t.Helper()
	e := endpointFor("hcx", config.AuthBearer)
	e.Credential = oauthCredential("http://sso.test/token")
	e.Credential.OAuth2.Scopes = []string{"read", "sessions"}
	p := newProber(t, e)
	dial := newPipeServer(t, a).dial
	directly(p).DialContext = dial
	p.credential.oauth.client.Transport.(*http.Transport).DialContext = dial
	return p
}

func TestOAuthTokenIsReused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authorization{lifetime: 600}
		p := a.prober(t)
		begin := time.Now()
		results := probesFor(t, p, 15*time.Minute)
		if n := states(results); n[Valid] != 15 {
			t.Errorf("states: %v", n)
		}
		if given, _ := a.counts(); given != 2 {
			t.Errorf("%d tokens", given)
		}
		if end := results[0].CredentialExpiries["oauth2"]; !end.Equal(begin.Add(10 * time.Minute)) {
			t.Errorf("expires %s", end)
		}
		if s := results[0].Steps; len(s) != 2 || s[0].Step != Token || s[0].Status != 200 || s[0].URL != "http://sso.test/token" || s[1].Step != Check {
			t.Errorf("steps: %+v", s)
		}
		r := a.seen[0]
		if id, secret, _ := r.BasicAuth(); id != "exporter" || secret != canaryClient || r.Form.Get("grant_type") != "client_credentials" || r.Form.Get("scope") != "read sessions" {
			t.Errorf("asked by %s with %v", id, r.Form)
		}
	})
}

// A token that is refused is fetched afresh, once.
func TestOAuthTokenIsRefreshedOnRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authorization{lifetime: 36000}
		p := a.prober(t)
		mustProbe(t, p)
		a.mu.Lock()
		a.accepted = 2
		a.mu.Unlock()
		if r := mustProbe(t, p); r.State != Valid || r.Logins != 1 || len(r.Steps) != 3 {
			t.Errorf("%s: %s", r.State, r.Diagnosis)
		}
		a.mu.Lock()
		a.refuses = true
		a.mu.Unlock()
		if r := mustProbe(t, p); r.State != SessionExpired || r.Logins != 1 || !strings.Contains(r.Advice, "authorization server") {
			t.Errorf("%s: %s", r.State, r.Diagnosis)
		}
		if given, _ := a.counts(); given != 3 {
			t.Errorf("%d tokens", given)
		}
	})
}

func TestOAuthFailures(t *testing.T) {
	text := map[string]string{"Content-Type": "text/html"}
	for _, c := range []struct {
		name   string
		answer http.Handler
		state  State
		why    string
	}{
		{"invalid_client", reply{401, nil, `{"error": "invalid_client", "error_description": "Client ` + canaryClient + ` is not known"}`}, CredentialsRejected, `sso.test refused the OAuth 2.0 client "exporter" (401 invalid_client, "Client <secret> is not known")`},
		{"invalid_client with 400", reply{400, nil, `{"error": "invalid_client"}`}, CredentialsRejected, "invalid_client"},
		{"invalid_client with 200", reply{200, nil, `{"error": "invalid_client"}`}, CredentialsRejected, "invalid_client"},
		{"401 of a proxy", reply{401, text, "<html>"}, CredentialsRejected, "401"},
		{"invalid_scope", reply{400, nil, `{"error": "invalid_scope"}`}, BadRequest, "invalid_scope"},
		{"500", reply{500, text, "<html>"}, ServerError, "500"},
		{"temporarily_unavailable", reply{400, nil, `{"error": "temporarily_unavailable"}`}, ServerError, "temporarily_unavailable"},
		{"429", reply{429, nil, ""}, RateLimited, "429"},
		{"302", reply{302, map[string]string{"Location": "http://elsewhere.test/"}, ""}, InvalidResponse, "302"},
		{"404", reply{404, text, "<html>"}, InvalidResponse, "404"},
		{"garbage", reply{200, nil, "garbage"}, InvalidResponse, "no OAuth 2.0 token response"},
		{"no token", reply{200, nil, `{"token_type": "Bearer"}`}, InvalidResponse, "no OAuth 2.0 token response"},
		{"token not for a header", reply{200, nil, `{"access_token": "a\nb"}`}, InvalidResponse, "characters that no HTTP header can carry"},
		{"not HTTP", raw("garbage\r\n\r\n"), InvalidResponse, "sso.test that does not speak HTTP"},
		{"truncated", raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), InvalidResponse, "no OAuth 2.0 token response"},
		{"truncated 401", raw("HTTP/1.1 401 Unauthorized\r\nContent-Length: 100\r\n\r\n{"), CredentialsRejected, `sso.test refused the OAuth 2.0 client "exporter" (401)`},
		{"truncated 429", raw("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 600\r\nContent-Length: 100\r\n\r\n{"), RateLimited, "(429)"},
		{"truncated 503", raw("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 100\r\n\r\n{"), ServerError, "the answer to the token request was 503."},
		{"302 to nowhere", reply{302, map[string]string{"Location": "http://%zz/"}, ""}, InvalidResponse, "302, a redirect"},
		{"closed", raw(""), Unreachable, "sso.test broke before the token request was answered"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &authorization{answer: c.answer}
				p := a.prober(t)
				r := mustProbe(t, p)
				if r.State != c.state || !strings.Contains(r.Diagnosis, c.why) {
					t.Errorf("%s: %s\nwant %s: … %s …", r.State, r.Diagnosis, c.state, c.why)
				}
				// What is refused in the header is tried in the body, and both count.
				sent := 1
				if c.state == CredentialsRejected {
					sent = 2
				}
				if _, refusals := p.credential.guard.status(); refusals != sent && c.state == CredentialsRejected {
					t.Errorf("%d refusals", refusals)
				}
				if r.Logins != sent || r.LoginFailures != sent || len(r.Steps) != sent {
					t.Errorf("%+v", r)
				}
				<-time.After(p.endpoint.Interval)
				probesFor(t, p, time.Hour)
				// A server that was not told yet how clients present themselves is
				// asked in two ways.
				if _, requests := a.counts(); requests > 30 {
					t.Errorf("%d requests in an hour", requests)
				}
			})
		})
	}
}

func TestOAuthServerSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := (&authorization{}).prober(t)
		p.credential.oauth.client.Transport.(*http.Transport).DialContext = newPipeServer(t, http.HandlerFunc(silent)).dial
		r := mustProbe(t, p)
		if r.State != Timeout || !strings.Contains(r.Diagnosis, "sso.test did not answer the token request completely within 10s: the request was sent and no answer began") {
			t.Errorf("%s: %s", r.State, r.Diagnosis)
		}
		<-time.After(p.endpoint.Interval)
		p.credential.oauth.client.Transport.(*http.Transport).DialContext = newPipeServer(t, http.HandlerFunc(drip)).dial
		p.credential.oauth.client.CloseIdleConnections()
		if r := mustProbe(t, p); r.State != Timeout || !strings.Contains(r.Diagnosis, "began and did not end") {
			t.Errorf("%s: %s", r.State, r.Diagnosis)
		}
	})
}

func TestOAuthServerDown(t *testing.T) {
	p := (&authorization{}).prober(t)
	p.credential.oauth.client.Transport.(*http.Transport).DialContext = (&net.Dialer{Timeout: time.Second}).DialContext
	p.credential.oauth.settings.TokenURL = "http://127.0.0.1:1/token"
	r := mustProbe(t, p)
	if r.State != Unreachable || !strings.HasPrefix(r.Diagnosis, "127.0.0.1:1 cannot be reached: connect: connection refused.") {
		t.Errorf("%s: %s", r.State, r.Diagnosis)
	}
}

// The client secret is read again for each fetch, and one token serves all
// endpoints of the account.
func TestOAuthIsShared(t *testing.T) {
	a := &authorization{lifetime: 3600}
	p := a.prober(t)
	held, ok := p.credential.oauth.held(config.NewSecret(canaryClient))
	if ok || !held.IsZero() {
		t.Error("a token before the first fetch")
	}
	mustProbe(t, p)
	other := *p
	mustProbe(t, &other)
	if given, _ := a.counts(); given != 1 {
		t.Errorf("%d tokens", given)
	}
	if _, ok := p.credential.oauth.held(config.NewSecret("another")); ok {
		t.Error("a token of another secret")
	}
	another := p.credential.oauth.attempt(config.NewSecret("another"), oauth2.AuthStyleInHeader)
	another.make(t.Context())
	if another.x.reading.State != Valid {
		t.Errorf("%+v", another.x.reading)
	}
}

// Endpoints that need a token at once get one for all: some servers void a token when
// they give the next.
func TestOAuthTokenIsFetchedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authorization{lifetime: 600}
		dial := newPipeServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-time.After(200 * time.Millisecond)
			a.ServeHTTP(w, r)
		})).dial
		first := a.prober(t)
		first.credential.oauth.client.Transport.(*http.Transport).DialContext = dial
		for round := range 2 {
			var all sync.WaitGroup
			for range 20 {
				p := *first
				p.pause = new(pause)
				all.Go(func() {
					if r := mustProbe(t, &p); r.State != Valid {
						t.Errorf("%s: %s", r.State, r.Diagnosis)
					}
				})
			}
			all.Wait()
			if given, _ := a.counts(); given != round+1 {
				t.Errorf("round %d: %d tokens", round, given)
			}
			<-time.After(time.Hour)
		}
	})
}

// A server that takes the client secret in the body alone gets it there, whatever
// the budget of refusals.
func TestOAuthInBodyWithOneRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authorization{lifetime: 3600}
		p := a.prober(t)
		p.credential.guard.configure(config.LockoutGuard{MaxRefusals: 1, RetryAfter: 20 * time.Minute, MaxRetryAfter: 4 * time.Hour})
		p.credential.oauth.client.Transport.(*http.Transport).DialContext = newPipeServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, _, inHeader := r.BasicAuth(); inHeader {
				reply{status: 401, header: map[string]string{"Content-Type": "application/json"}, body: `{"error":"invalid_client"}`}.ServeHTTP(w, r)
				return
			}
			a.ServeHTTP(w, r)
		})).dial
		if n := states(probesFor(t, p, time.Hour)); n[CredentialsRejected] != 1 || n[LoginSuspended] != 19 || n[Valid] != 40 {
			t.Errorf("found %v", n)
		}
	})
}

// Who waits for somebody else's token does not keep us from stopping.
func TestOAuthWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := (&authorization{}).prober(t)
		p.credential.oauth.fetching <- struct{}{}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		begin := time.Now()
		if _, err := p.Probe(ctx); !errors.Is(err, context.Canceled) || time.Since(begin) != time.Second {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
	})
}
