package probe

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	promconfig "github.com/prometheus/common/config"

	"session_exporter/config"
	"session_exporter/secret"
	"session_exporter/sessionapi"
	"session_exporter/simulator"
)

// longToken is a canary that is long enough for an impossible token of its shape.
const longToken = canaryToken + "-0123456789abcdef"

// A tokenServer accepts one token, and passes all other requests to the handler others.
type tokenServer struct {
	header, token string
	valid         reply
	others        http.Handler

	mu  sync.Mutex // guards got
	got []*http.Request
}

func (s *tokenServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && r.Header.Get(s.header) == s.token {
		s.valid.ServeHTTP(w, r)
		return
	}
	s.mu.Lock()
	s.got = append(s.got, r)
	s.mu.Unlock()
	s.others.ServeHTTP(w, r)
}

// impossible returns the requests without the real token.
func (s *tokenServer) impossible() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

var hcxAlice = json200(`{"success": true, "completed": true, "time": 946684800000, "version": "1", "data": {"user": {"username": "alice", "roles": ["Admin"]}}}`)

// controlledEndpoint returns an endpoint with a token and a daily negative control.
func controlledEndpoint() *config.Endpoint {
	e := endpointFor("hcx", sessionapi.AuthToken)
	e.Credential.Secret.Inline = secret.New(longToken)
	e.NegativeControl = 24 * time.Hour
	return e
}

// controlled probes twice, with the end of the negative control in between, and returns the
// second result and the requests without the real token.
func controlled(t *testing.T, e *config.Endpoint, others http.Handler) (Result, []*http.Request) {
	t.Helper()
	server := &tokenServer{header: hcxTokenHeader, token: longToken, valid: hcxAlice, others: others}
	if e.Auth == sessionapi.AuthBearer {
		server.header, server.token = "Authorization", "Bearer "+longToken
	}
	p := piped(t, e, server)
	first := mustProbe(t, p)
	if first.NegativeControl != nil {
		t.Errorf("a verdict before the first control: %v", first.NegativeControl)
	}
	time.Sleep(time.Minute)
	second := mustProbe(t, p)
	for _, r := range []Result{first, second} {
		if r.State != sessionapi.Valid || len(r.Steps) != 1 || r.Duration != 0 || r.Logins+r.Logouts+r.LogoutFailures+r.Expirations != 0 {
			t.Errorf("the probe was disturbed: %+v", r)
		}
	}
	closeProber(t, p)
	return second, server.impossible()
}

// hang responds to nothing.
var hang = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })

// A response of the API that refuses the impossible token or names no user is a refusal. An
// outage, a rate limit, a redirect or a login page is inconclusive.
func TestNegativeControlVerdict(t *testing.T) {
	const forbiddenAlice = `{"success": false, "completed": true, "time": 1, "version": "1", "errorCode": "NOT_ENOUGH_PRIVILEGES", "data": {"user": {"username": "alice"}}}`
	for name, c := range map[string]struct {
		others http.Handler
		want   sessionapi.Verdict
	}{
		"401":                      {reply{status: 401, body: `{"success": false, "completed": true, "time": 1, "version": "1", "errorCode": "INVALID_SESSION_TOKEN"}`}, sessionapi.Refused},
		"200 without a user":       {json200(`{"success": true, "completed": true, "time": 1, "version": "1"}`), sessionapi.Refused},
		"malformed":                {reply{status: 400}, sessionapi.Refused},
		"403":                      {reply{status: 403}, sessionapi.Refused},
		"accepted":                 {hcxAlice, sessionapi.Accepted},
		"403 of a user":            {reply{status: 403, body: forbiddenAlice}, sessionapi.Accepted},
		"429":                      {reply{429, map[string]string{"Retry-After": "3600"}, ""}, sessionapi.Inconclusive},
		"503":                      {reply{status: 503}, sessionapi.Inconclusive},
		"redirect":                 {reply{302, map[string]string{"Location": "/login"}, ""}, sessionapi.Inconclusive},
		"login page":               {reply{200, map[string]string{"Content-Type": "text/html"}, "<html>"}, sessionapi.Inconclusive},
		"no response":              {hang, sessionapi.Inconclusive},
		"truncated":                {reply{200, map[string]string{"Content-Length": "1000"}, `{"success": tr`}, sessionapi.Inconclusive},
		"accepted, but never ends": {endlessBody{}, sessionapi.Inconclusive},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, got := controlled(t, controlledEndpoint(), c.others)
				verdict := sessionapi.Inconclusive
				if r.NegativeControl != nil {
					verdict = sessionapi.Accepted
					if r.NegativeControl.Refused {
						verdict = sessionapi.Refused
					}
				}
				if verdict != c.want || len(got) != 1 {
					t.Errorf("%s after %d requests, want %s", verdict, len(got), c.want)
				}
				if provesNothing := strings.Contains(r.Diagnosis, "accepted an impossible token"); provesNothing != (c.want == sessionapi.Accepted) {
					t.Errorf("the diagnosis says that an impossible token was accepted: %t: %s", provesNothing, r.Diagnosis)
				}
			})
		})
	}
}

// Some APIs treat any other token as that of a guest. That is a refusal if `expect` names
// another user, because the state valid then still proves something.
func TestNegativeControlOfAGuest(t *testing.T) {
	guest := json200(strings.Replace(hcxAlice.body, `"alice"`, `"guest"`, 1))
	for expected, refused := range map[string]bool{"alice": true, "": false} {
		synctest.Test(t, func(t *testing.T) {
			e := controlledEndpoint()
			e.Expect.Username = expected
			if r, _ := controlled(t, e, guest); r.NegativeControl == nil || r.NegativeControl.Refused != refused {
				t.Errorf("expecting %q: %+v, want refused: %t: %s", expected, r.NegativeControl, refused, r.Diagnosis)
			}
		})
	}
}

// endlessBody accepts any token, in a body that does not end.
type endlessBody struct{}

func (endlessBody) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = w.Write([]byte(hcxAlice.body))
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}

// The request with an impossible token has no secret: neither a configured header that is
// secret, nor a part of the real token.
func TestNegativeControlSendsNoSecret(t *testing.T) {
	for _, auth := range []sessionapi.Auth{sessionapi.AuthToken, sessionapi.AuthBearer} {
		synctest.Test(t, func(t *testing.T) {
			e := controlledEndpoint()
			e.Auth = auth
			e.HTTP = &config.HTTP{Headers: &promconfig.Headers{Headers: map[string]promconfig.Header{
				"X-Key":           {Secrets: []promconfig.Secret{"hunter2hunter2"}, Values: []string{"aB3dE6gH9jK2mN5p"}},
				"Cookie":          {Values: []string{"gate=hunter2hunter2"}},
				"Accept-Language": {Values: []string{"en"}},
			}}}
			_, got := controlled(t, e, reply{status: 401})
			if len(got) != 1 {
				t.Fatalf("%d requests without the real token, want 1", len(got))
			}
			sent := got[0]
			header := sent.Header.Get(hcxTokenHeader) + sent.Header.Get("Authorization")
			if sent.Method != http.MethodGet || len(header) < len(longToken) || strings.Count(header, "-") != 2 || sent.Header.Get("Accept-Language") != "en" {
				t.Errorf("sent %s %v", sent.Method, sent.Header)
			}
			for name, values := range sent.Header {
				for _, value := range values {
					if strings.Contains(value, "canary") || strings.Contains(value, "hunter2") || strings.Contains(value, "aB3d") {
						t.Errorf("sent %s: %s", name, value)
					}
				}
			}
		})
	}
}

// A negative control of a held session ends neither that session nor its connection, does not
// log in, and is repeated after a period.
func TestNegativeControlOfAHeldSession(t *testing.T) {
	forEachLogin(t, alice, func(on trial) {
		on.p.endpoint.NegativeControl, on.p.endpoint.SessionMaxAge = 24*time.Hour, 0
		on.p.endpoint.Interval, on.p.endpoint.ConnectionMaxAge = 4*time.Minute, 100*time.Hour
		server := newPipeServer(on.t, on.a)
		p := newProber(on.t, on.p.endpoint)
		directly(p).DialContext = server.dial
		began := time.Now()
		results := probesFor(on.t, p, 49*time.Hour)
		if stats := on.a.Stats(); stats.Logins != 1 || stats.Sessions != 1 || stats.Refusals != 0 {
			on.t.Errorf("the appliance has %+v, want 1 login and 1 session, and no refusal", stats)
		}
		if dials := server.dialed(); len(dials) != 4 || dials[2].Sub(began) != 24*time.Hour || dials[3].Sub(began) != 48*time.Hour {
			on.t.Errorf("connections at %v, want 4, the last two 24h and 48h after %s", dials, began)
		}
		for _, r := range results[1:] {
			if r.State != sessionapi.Valid || r.Logins+r.Expirations > 0 || len(r.Steps) != 1 || r.NegativeControl == nil || !r.NegativeControl.Refused {
				on.t.Fatalf("%s, %d logins, verdict %+v, want valid, none, and refused", r.State, r.Logins, r.NegativeControl)
			}
		}
		if last := results[len(results)-1].NegativeControl.Time; last.Sub(began) != 48*time.Hour {
			on.t.Errorf("the last verdict came after %s, want 48h", last.Sub(began))
		}
		closeProber(on.t, p)
	})
}

// The negative control of a pairing presents an impossible local session.
func TestNegativeControlOfAPairing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := pairingEndpoint()
		e.NegativeControl = time.Hour
		a := simulator.NewDR("", paired())
		p := pipedAll(t, a, e)[0]
		mustProbe(t, p)
		time.Sleep(time.Minute)
		r := mustProbe(t, p)
		if r.NegativeControl == nil || !r.NegativeControl.Refused || steps(r) != "local check, remote check" {
			t.Errorf("%v, sent %s", r.NegativeControl, steps(r))
		}
		if stats := a.Stats(); stats.Logins != 1 || stats.RemoteLogins != 1 || stats.Refusals+stats.RemoteRefusals != 0 {
			t.Errorf("the appliance has %+v, want 1 login at each site, and no refusal", stats)
		}
		closeProber(t, p)
	})
}

// An API may start a session for any request. The exporter logs out of the session that an
// impossible token got.
func TestNegativeControlLogsOutOfItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := endpointFor("couchdb", sessionapi.AuthToken)
		e.SessionAPI = definition("couchdb")
		e.Credential.Secret.Inline = secret.New(longToken)
		e.NegativeControl = time.Hour
		var deleted []string
		p := piped(t, e, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			cookie := r.Header.Get("Cookie")
			switch {
			case r.Method == http.MethodDelete:
				deleted = append(deleted, cookie)
			case cookie == "AuthSession="+longToken:
				json200(`{"userCtx": {"name": "alice", "roles": []}}`).ServeHTTP(w, r)
			default:
				reply{200, map[string]string{"Set-Cookie": "AuthSession=left; Path=/"}, `{"userCtx": {"name": null, "roles": []}}`}.ServeHTTP(w, r)
			}
		}))
		mustProbe(t, p)
		time.Sleep(time.Minute)
		r := mustProbe(t, p)
		if r.NegativeControl == nil || !r.NegativeControl.Refused || r.Logouts != 0 || !slices.Equal(deleted, []string{"AuthSession=left"}) {
			t.Errorf("%v, logged out of %q, want refused, and AuthSession=left", r.NegativeControl, deleted)
		}
		closeProber(t, p)
	})
}

// A reload that replaces the prober repeats no negative control, and keeps the verdict.
func TestNegativeControlOutlivesAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &tokenServer{header: hcxTokenHeader, token: longToken, valid: hcxAlice, others: reply{status: 401}}
		m := NewManagerWithDial(newPipeServer(t, server).dial)
		reload := func(change func(e *config.Endpoint)) *Prober {
			e := controlledEndpoint()
			change(e)
			g, err := m.Prepare(&config.Config{Credentials: map[string]*config.Credential{"monitor": e.Credential}, Endpoints: []*config.Endpoint{e}})
			if err != nil {
				t.Fatal(err)
			}
			g.Commit()
			return proberOf(t, g, e)
		}
		p := reload(func(*config.Endpoint) {})
		for _, change := range []func(e *config.Endpoint){
			func(e *config.Endpoint) { e.Timeout = time.Second },
			func(e *config.Endpoint) { e.NegativeControl = 0 },
			func(*config.Endpoint) {},
		} {
			mustProbe(t, p)
			time.Sleep(time.Minute)
			p = reload(change)
		}
		if r := mustProbe(t, p); r.NegativeControl == nil || len(server.impossible()) != 1 {
			t.Errorf("%v after %d negative controls, want a verdict after 1", r.NegativeControl, len(server.impossible()))
		}
		if r := mustProbe(t, reload(func(e *config.Endpoint) { e.NegativeControl = 0 })); r.NegativeControl != nil {
			t.Errorf("without negative controls, the result has the verdict %v", r.NegativeControl)
		}
	})
}

// No impossible token is presented for a password or a short token, in a state other than
// valid, or by a process that ends after one probe.
func TestNoNegativeControl(t *testing.T) {
	for name, change := range map[string]func(e *config.Endpoint){
		"basic": func(e *config.Endpoint) {
			e.Auth, e.Credential = sessionapi.AuthBasic, credentialFor(sessionapi.AuthBasic)
		},
		"short token":       func(e *config.Endpoint) { e.Credential.Secret.Inline = secret.New(canaryToken) },
		"process that ends": func(*config.Endpoint) {},
		"unexpected":        func(e *config.Endpoint) { e.Expect.Username = "bob" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := controlledEndpoint()
				change(e)
				server := newPipeServer(t, hcxAlice)
				m := NewManagerWithDial(server.dial)
				m.Once = name == "process that ends"
				g, err := m.Prepare(&config.Config{Credentials: map[string]*config.Credential{"monitor": e.Credential}})
				if err != nil {
					t.Fatal(err)
				}
				p := proberOf(t, g, e)
				mustProbe(t, p)
				synctest.Wait()
				if dials := len(server.dialed()); dials != 1 {
					t.Errorf("%d connections, want 1", dials)
				}
				closeProber(t, p)
			})
		})
	}
}

// Close does not wait for the response to an impossible token.
func TestCloseInterruptsANegativeControl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended atomic.Bool
		server := &tokenServer{header: hcxTokenHeader, token: longToken, valid: hcxAlice, others: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			hang(w, r)
			ended.Store(true)
		})}
		p := piped(t, controlledEndpoint(), server)
		mustProbe(t, p)
		synctest.Wait()
		began := time.Now()
		closeProber(t, p)
		synctest.Wait()
		if time.Since(began) != 0 || !ended.Load() {
			t.Errorf("closed after %s, the request interrupted: %t", time.Since(began), ended.Load())
		}
	})
}

// A panic while an impossible token is judged is not a verdict, and does not end the
// exporter.
func TestPanicInANegativeControl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &tokenServer{header: hcxTokenHeader, token: longToken, valid: hcxAlice, others: reply{status: 401}}
		p := piped(t, controlledEndpoint(), server)
		broken := breakAPI(p, sessionapi.Login) // the response to a control is interpreted as a login's, too: see sessionIn
		mustProbe(t, p)
		time.Sleep(time.Minute)
		broken.Store(false)
		if r := mustProbe(t, p); r.State != sessionapi.Valid || r.NegativeControl != nil || len(server.impossible()) != 1 {
			t.Errorf("%s, verdict %v after %d negative controls, want valid, and no verdict after 1", r.State, r.NegativeControl, len(server.impossible()))
		}
		closeProber(t, p)
	})
}

// The refusal of an impossible token neither drops the bearer token that OAuth 2.0 issued nor
// fetches another.
func TestNegativeControlOfOAuth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requests, refused, fetched atomic.Int32
		server := newPipeServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Host == "sso.test":
				fetched.Add(1)
				json200(`{"access_token": "`+longToken+`", "token_type": "Bearer", "expires_in": 86400}`).ServeHTTP(w, r)
			case r.Header.Get("Authorization") == "Bearer "+longToken:
				requests.Add(1)
				hcxAlice.ServeHTTP(w, r)
			default:
				refused.Add(1)
				reply{status: 401}.ServeHTTP(w, r)
			}
		}))
		e := endpointFor("hcx", sessionapi.AuthBearer)
		e.Credential, e.NegativeControl = oauthCredential("http://sso.test/token"), time.Hour
		p := newProber(t, e)
		directly(p).DialContext, tokenTransport(p).DialContext = server.dial, server.dial
		results := probesFor(t, p, 10*time.Minute)
		if last := results[9]; last.NegativeControl == nil || !last.NegativeControl.Refused || fetched.Load() != 1 || requests.Load() != 10 || refused.Load() != 1 {
			t.Errorf("%v: %d tokens, %d checks, %d impossible tokens, want 1, 10 and 1", last.NegativeControl, fetched.Load(), requests.Load(), refused.Load())
		}
		closeProber(t, p)
	})
}

// All parts of a session are replaced: an API that checks only the cookie must not get the
// real cookie with a random header.
func TestNegativeControlOfASessionWithParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := endpointFor("nsx", sessionapi.AuthLogin)
		e.SessionAPI, e.NegativeControl = definition("nsx"), time.Hour
		given := reply{200, map[string]string{"Set-Cookie": "JSESSIONID=" + longToken + "; Path=/; HttpOnly", "X-XSRF-TOKEN": longToken + "-x"}, ""}
		var others []http.Header
		p := piped(t, e, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodPost:
				given.ServeHTTP(w, r)
			case strings.Contains(r.Header.Get("Cookie"), longToken):
				json200(`{"user_name": "alice", "roles": []}`).ServeHTTP(w, r)
			default:
				others = append(others, r.Header)
				reply{status: 403}.ServeHTTP(w, r)
			}
		}))
		mustProbe(t, p)
		time.Sleep(time.Minute)
		r := mustProbe(t, p)
		if r.NegativeControl == nil || !r.NegativeControl.Refused || len(others) != 1 {
			t.Fatalf("%v after %d requests", r.NegativeControl, len(others))
		}
		cookie, header := others[0].Get("Cookie"), others[0].Get("X-Xsrf-Token")
		if !strings.HasPrefix(cookie, "JSESSIONID=") || len(cookie) != len("JSESSIONID="+longToken) || len(header) != len(longToken)+2 || strings.Contains(cookie+header, "canary") {
			t.Errorf("sent %q and %q", cookie, header)
		}
		closeProber(t, p)
	})
}
