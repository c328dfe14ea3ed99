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

	"session_exporter/config"
	"session_exporter/probe/transport/http1"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// authServer is an authorization server, at sso.test, and the appliance that accepts its
// tokens, at any other host.
type authServer struct {
	mu       sync.Mutex      // guards the fields below
	response http.Handler    // to token requests, if not nil, instead of a token
	given    int             // tokens
	accepted int             // number of the token that the appliance accepts; 0: the last
	refuses  bool            // the appliance accepts none
	lifetime int             // of a token, in seconds
	seen     []*http.Request // token requests
}

func (a *authServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
	if a.response != nil {
		a.response.ServeHTTP(w, r)
		return
	}
	a.given++
	_, _ = fmt.Fprintf(w, `{"access_token": "%s-%d", "token_type": "Bearer", "expires_in": %d}`, canaryToken, a.given, a.lifetime)
}

// counts returns the number of tokens and of token requests.
func (a *authServer) counts() (given, requests int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.given, len(a.seen)
}

// prober returns a prober that gets its tokens from the server.
func (a *authServer) prober(t *testing.T) *Prober {
	t.Helper()
	return a.proberOf(t, func(*config.OAuth2) {})
}

// proberOf is prober with changed OAuth 2.0 settings.
func (a *authServer) proberOf(t *testing.T, change func(*config.OAuth2)) *Prober {
	t.Helper()
	e := endpointFor("hcx", sessionapi.AuthBearer)
	e.Credential = oauthCredential("http://sso.test/token")
	e.Credential.OAuth2.Scopes = []string{"read", "sessions"}
	change(e.Credential.OAuth2)
	p := newProber(t, e)
	dial := newPipeServer(t, a).dial
	directly(p).DialContext = dial
	tokenTransport(p).DialContext = dial
	return p
}

// tokenTransport returns the transport of token requests.
func tokenTransport(p *Prober) *http1.Transport {
	return p.credential.oauth.client.Transport.(*http1.Transport)
}

// A token is used until shortly before it expires.
func TestOAuthTokenIsReused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authServer{lifetime: 600}
		p := a.prober(t)
		begin := time.Now()
		results := probesFor(t, p, 15*time.Minute)
		if n := states(results); n[sessionapi.Valid] != 15 {
			t.Errorf("states: %v", n)
		}
		if given, _ := a.counts(); given != 2 {
			t.Errorf("%d tokens, want 2", given)
		}
		if expires := results[0].CredentialExpiries["oauth2"]; !expires.Equal(begin.Add(10 * time.Minute)) {
			t.Errorf("the token expires at %s, want 10m after %s", expires, begin)
		}
		if s := results[0].Steps; len(s) != 2 || s[0].Step != sessionapi.Token || s[0].Status != 200 || s[0].URL != "http://sso.test/token" || s[1].Step != sessionapi.Check {
			t.Errorf("steps: %+v", s)
		}
		r := a.seen[0]
		if id, current, _ := r.BasicAuth(); id != "exporter" || current != canaryClient || r.Form.Get("grant_type") != "client_credentials" || r.Form.Get("scope") != "read sessions" {
			t.Errorf("request of %s with %v", id, r.Form)
		}
	})
}

// A token with a lifetime of seconds serves more than one probe.
func TestOAuthShortLivedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &authServer{lifetime: 8}
		p := server.prober(t)
		for range 5 {
			if r := mustProbe(t, p); r.State != sessionapi.Valid {
				t.Fatalf("%s: %s", r.State, r.Diagnosis)
			}
			time.Sleep(time.Second)
		}
		if given, _ := server.counts(); given != 1 {
			t.Errorf("fetched %d tokens in 5 s, want 1 that lives for 8 s", given)
		}
		time.Sleep(time.Second) // a quarter of its lifetime is left
		if r := mustProbe(t, p); r.State != sessionapi.Valid {
			t.Errorf("%s: %s", r.State, r.Diagnosis)
		}
		if given, _ := server.counts(); given != 2 {
			t.Errorf("fetched %d tokens, want 2: the first is about to expire", given)
		}
	})
}

// A refused token is replaced once.
func TestOAuthTokenIsReplacedOnRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authServer{lifetime: 36000}
		p := a.prober(t)
		mustProbe(t, p)
		a.mu.Lock()
		a.accepted = 2
		a.mu.Unlock()
		if r := mustProbe(t, p); r.State != sessionapi.Valid || r.Logins != 1 || len(r.Steps) != 3 {
			t.Errorf("%s: %s", r.State, r.Diagnosis)
		}
		a.mu.Lock()
		a.refuses = true
		a.mu.Unlock()
		if r := mustProbe(t, p); r.State != sessionapi.SessionExpired || r.Logins != 1 || !strings.Contains(r.Advice, "authorization server") {
			t.Errorf("%s, want %s: %s", r.State, sessionapi.SessionExpired, r.Diagnosis)
		}
		if given, _ := a.counts(); given != 3 {
			t.Errorf("%d tokens, want 3", given)
		}
	})
}

func TestOAuthServerSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := (&authServer{}).prober(t)
		tokenTransport(p).DialContext = newPipeServer(t, http.HandlerFunc(silent)).dial
		r := mustProbe(t, p)
		if r.State != sessionapi.Timeout || !strings.Contains(r.Diagnosis, "No complete response to the token request from sso.test within 10s: the request was sent, and no response arrived") {
			t.Errorf("%s, want %s: %s", r.State, sessionapi.Timeout, r.Diagnosis)
		}
		<-time.After(p.endpoint.Interval)
		tokenTransport(p).DialContext = newPipeServer(t, http.HandlerFunc(drip)).dial
		if r := mustProbe(t, p); r.State != sessionapi.Timeout || !strings.Contains(r.Diagnosis, "began but was not completed") {
			t.Errorf("%s, want %s: %s", r.State, sessionapi.Timeout, r.Diagnosis)
		}
	})
}

func TestOAuthServerDown(t *testing.T) {
	p := (&authServer{}).prober(t)
	tokenTransport(p).DialContext = (&net.Dialer{Timeout: time.Second}).DialContext
	p.credential.oauth.endpoint.Host = "127.0.0.1:1"
	r := mustProbe(t, p)
	if r.State != sessionapi.Unreachable || !strings.HasPrefix(r.Diagnosis, "Nothing listens on 127.0.0.1:1: connect: connection refused.") {
		t.Errorf("%s, want %s: %s", r.State, sessionapi.Unreachable, r.Diagnosis)
	}
}

// One token serves all endpoints of the account, but only for the secret that it was issued
// for.
func TestOAuthIsShared(t *testing.T) {
	a := &authServer{lifetime: 3600}
	p := a.prober(t)
	held, ok := p.credential.oauth.tokenFor(secret.New(canaryClient))
	if ok || !held.IsZero() {
		t.Error("there is a token before the first token request")
	}
	mustProbe(t, p)
	mustProbe(t, sibling(p))
	if given, _ := a.counts(); given != 1 {
		t.Errorf("%d tokens, want 1", given)
	}
	if _, ok := p.credential.oauth.tokenFor(secret.New("another")); ok {
		t.Error("the token is used for another secret")
	}
	another := p.credential.oauth.prepare(secret.New("another"), secret.Secret{})
	another.Send(t.Context())
	p.interpret(another)
	if another.interpretation.State != sessionapi.Valid {
		t.Errorf("a token request with another secret: %+v", another.interpretation)
	}
}

// Endpoints that need a token at the same time share one request: some servers revoke a
// token when they issue the next.
func TestOAuthTokenIsFetchedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authServer{lifetime: 600}
		dial := newPipeServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-time.After(200 * time.Millisecond)
			a.ServeHTTP(w, r)
		})).dial
		first := a.prober(t)
		tokenTransport(first).DialContext = dial
		for round := range 2 {
			var all sync.WaitGroup
			for range 20 {
				p := sibling(first)
				all.Go(func() {
					if r := mustProbe(t, p); r.State != sessionapi.Valid {
						t.Errorf("%s: %s", r.State, r.Diagnosis)
					}
				})
			}
			all.Wait()
			if given, _ := a.counts(); given != round+1 {
				t.Errorf("round %d: %d tokens, want %d", round, given, round+1)
			}
			<-time.After(time.Hour)
		}
	})
}

// A probe that waits for another endpoint's token request can be canceled.
func TestOAuthWaitCanBeCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := (&authServer{}).prober(t)
		p.credential.oauth.fetching <- struct{}{}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		begin := time.Now()
		if _, err := p.Probe(ctx, Options{}); !errors.Is(err, context.Canceled) || time.Since(begin) != time.Second {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
	})
}
