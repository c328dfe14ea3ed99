package probe

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/probe/guard"
	"session_exporter/secret"
	"session_exporter/sessionapi"
	"session_exporter/simulator"
)

// slowly returns a function that returns the settings of an appliance that delays the responses
// to one operation.
func slowly(on simulator.Operation, by time.Duration) func() simulator.Settings {
	return func() simulator.Settings {
		s := alice()
		s.Faults = []simulator.Fault{{On: on, After: true, Delay: by}}
		return s
	}
}

// A refusal counts even if it arrives after the probe's timeout, and the next probe
// reports it.
func TestLateRefusalCounts(t *testing.T) {
	for name, c := range map[string]struct {
		auth sessionapi.Auth
		on   simulator.Operation
	}{"login": {sessionapi.AuthLogin, simulator.Login}, "basic": {sessionapi.AuthBasic, simulator.Check}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := endpointFor("hcx", c.auth)
				e.Timeout, e.Interval = time.Second, 5*time.Second
				e.Credential.Secret.Inline = secret.New("wrong")
				a := newAppliance("hcx", slowly(c.on, 1500*time.Millisecond)())
				p := piped(t, e, a)
				results := probesFor(t, p, 19*time.Minute)
				if n := states(results); n[sessionapi.Timeout] != 1 || n[sessionapi.CredentialsRejected] != 1 || n[sessionapi.LoginSuspended] != len(results)-2 {
					t.Errorf("states %v, want one %s and one %s, and then %s", n, sessionapi.Timeout, sessionapi.CredentialsRejected, sessionapi.LoginSuspended)
				}
				second := results[1]
				if second.State != sessionapi.CredentialsRejected || len(second.Steps) != 1 || second.Steps[0].Code != "INVALID_CREDENTIALS" || second.Logins != 0 ||
					!strings.Contains(second.Diagnosis, "arrived after 1.5s") || !second.ResumeAt.Equal(results[2].ResumeAt) {
					t.Errorf("the second probe does not report the late refusal: %+v", second)
				}
				if _, refusals := p.credential.guard.Status(nil); refusals != 1 || a.Stats().Refusals != 1 {
					t.Errorf("the guard counts %d refusals, and the appliance %d, want 1", refusals, a.Stats().Refusals)
				}
			})
		})
	}
}

// The next probe reports a late refusal even during a back-off. If the secret has changed in
// the meantime, it logs in instead.
func TestLateRefusalIsReported(t *testing.T) {
	for name, c := range map[string]struct {
		secret string // at the next probe
		state  sessionapi.State
	}{"same secret": {canaryPassword, sessionapi.CredentialsRejected}, "another secret": {"another", sessionapi.ServerError}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				down := reply{status: 503}
				late := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					stall(r, 15*time.Second)
					reply{status: 401, body: hcxFailure("INVALID_CREDENTIALS")}.ServeHTTP(w, r)
				})
				e := endpointFor("hcx", sessionapi.AuthLogin)
				p := piped(t, e, &handwritten{post: []http.Handler{down, down, down, late, down}})
				results := probesFor(t, p, 6*time.Minute)
				if last := results[5]; last.State != sessionapi.Timeout {
					t.Fatalf("%s, want %s: %s", last.State, sessionapi.Timeout, last.Diagnosis)
				}
				e.Credential.Secret.Inline = secret.New(c.secret)
				if r := mustProbe(t, p); r.State != c.state || len(r.Steps) != 1 {
					t.Errorf("%s after %d steps: %s", r.State, len(r.Steps), r.Diagnosis)
				}
				if r := mustProbe(t, p); c.state == sessionapi.CredentialsRejected && (r.State != sessionapi.LoginSuspended || len(r.Steps) != 0) {
					t.Errorf("then %s: %s", r.State, r.Diagnosis)
				}
			})
		})
	}
}

// A timeout of more than 30 s applies to every request with a secret, and to connecting.
func TestLongTimeout(t *testing.T) {
	slowToken := func(t *testing.T) *Prober {
		t.Helper()
		a := &authServer{lifetime: 3600}
		p := a.prober(t)
		slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-time.After(40 * time.Second)
			a.ServeHTTP(w, r)
		})
		tokenTransport(p).DialContext = newPipeServer(t, slow).dial
		return p
	}
	slowResponse := func(auth sessionapi.Auth, on simulator.Operation) func(*testing.T) *Prober {
		return func(t *testing.T) *Prober {
			t.Helper()
			return piped(t, endpointFor("hcx", auth), newAppliance("hcx", slowly(on, 40*time.Second)()))
		}
	}
	slowConnection := func(t *testing.T) *Prober {
		t.Helper()
		e := endpointFor("hcx", sessionapi.AuthBasic)
		e.Timeout = time.Minute
		dial := newPipeServer(t, newAppliance("hcx", alice())).dial
		slow := NewManagerWithDial(func(ctx context.Context, network, address string) (net.Conn, error) {
			select {
			case <-time.After(40 * time.Second):
				return dial(ctx, network, address)
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		g, err := slow.Prepare(&config.Config{Credentials: map[string]*config.Credential{"monitor": e.Credential}, Endpoints: []*config.Endpoint{e}})
		if err != nil {
			t.Fatal(err)
		}
		return proberOf(t, g, e)
	}
	for name, prober := range map[string]func(*testing.T) *Prober{
		"login":      slowResponse(sessionapi.AuthLogin, simulator.Login),
		"basic":      slowResponse(sessionapi.AuthBasic, simulator.Check),
		"token":      slowToken,
		"connection": slowConnection,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := prober(t)
				p.endpoint.Timeout, p.endpoint.Interval = time.Minute, 2*time.Minute
				if r := mustProbe(t, p); r.State != sessionapi.Valid || r.Duration != 40*time.Second {
					t.Errorf("%s after %s: %s", r.State, r.Duration, r.Diagnosis)
				}
				closeProber(t, p)
			})
		})
	}
}

// One lost response does not affect the next login: a trusted secret is sent again at
// the next probe.
func TestOneLostResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := endpointFor("hcx", sessionapi.AuthBasic)
		e.Timeout, e.Interval = 5*time.Second, 10*time.Second
		var logins atomic.Int32
		p := piped(t, e, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if logins.Add(1) == 4 {
				<-r.Context().Done()
				return
			}
			reply{status: 200, body: hcxOK}.ServeHTTP(w, r)
		}))
		var found []sessionapi.State
		for _, r := range probesFor(t, p, time.Minute) {
			found = append(found, r.State)
		}
		if want := []sessionapi.State{sessionapi.Valid, sessionapi.Valid, sessionapi.Valid, sessionapi.Timeout, sessionapi.Valid, sessionapi.Valid}; !slices.Equal(found, want) {
			t.Errorf("found %v, want %v", found, want)
		}
		time.Sleep(maxLateWait)
	})
}

// A session that arrives after the probe's timeout is not held, but logged out.
func TestLateSessionIsLoggedOut(t *testing.T) {
	forEachLogin(t, slowly(simulator.Login, 15*time.Second), func(on trial) {
		t, p, a := on.t, on.p, on.a
		first := mustProbe(t, p)
		if first.State != sessionapi.Timeout || first.Duration != 10*time.Second || first.Logins != 1 || first.LoginFailures != 1 || first.Unanswered != 0 {
			t.Errorf("%s after %s, %d logins, %d failed, %d unanswered, want %s after 10s, 1, 1 and 0", first.State, first.Duration, first.Logins, first.LoginFailures, first.Unanswered, sessionapi.Timeout)
		}
		time.Sleep(time.Minute)
		if s := a.Stats(); s.Logouts != 1 || s.Sessions != 0 {
			t.Errorf("the appliance has %+v, want no session and 1 logout", s)
		}
		if next := mustProbe(t, p); next.Logouts != 1 || next.Unanswered != 0 {
			t.Errorf("the next probe counts %d logouts, %d unanswered, want 1 and 0", next.Logouts, next.Unanswered)
		}
		if did := closeProber(t, p); did.Logouts != 1 || did.Unanswered != 0 { // called while the second login is pending
			t.Errorf("Close counts %d logouts, %d unanswered, want 1 and 0", did.Logouts, did.Unanswered)
		}
		if s := a.Stats(); s.Logouts != 2 || s.Sessions != 0 {
			t.Errorf("the appliance has %+v, want no session and 2 logouts", s)
		}
	})
}

// A login without a response is counted when the exporter stops waiting for it.
func TestUnansweredLogin(t *testing.T) {
	forEachLogin(t, slowly(simulator.Login, time.Hour), func(on trial) {
		t, p := on.t, on.p
		if first := mustProbe(t, p); first.State != sessionapi.Timeout || first.Unanswered != 0 {
			t.Errorf("%s, %d unanswered, want %s and 0", first.State, first.Unanswered, sessionapi.Timeout)
		}
		if _, err := p.Close(t.Context()); err == nil {
			t.Error("Close returned no error, although a session may be left")
		}
		time.Sleep(maxLateWait)
		if next := mustProbe(t, p); next.Unanswered != 1 {
			t.Errorf("%d unanswered, want 1", next.Unanswered)
		}
	})
}

// Close waits only for requests that may establish a session.
func TestCloseWaitsOnlyForLogins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := piped(t, endpointFor("hcx", sessionapi.AuthBasic), newAppliance("hcx", slowly(simulator.Check, 15*time.Second)()))
		mustProbe(t, p)
		begin := time.Now()
		closeProber(t, p)
		if took := time.Since(begin); took != 0 {
			t.Errorf("Close took %s, want 0s", took)
		}
		time.Sleep(maxLateWait)
	})
}

// A token that arrives late is used by the next probe.
func TestLateTokenIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authServer{lifetime: 3600}
		p := a.prober(t)
		slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-time.After(15 * time.Second)
			a.ServeHTTP(w, r)
		})
		tokenTransport(p).DialContext = newPipeServer(t, slow).dial
		if r := mustProbe(t, p); r.State != sessionapi.Timeout {
			t.Errorf("%s, want %s: %s", r.State, sessionapi.Timeout, r.Diagnosis)
		}
		time.Sleep(time.Minute)
		if r := mustProbe(t, p); r.State != sessionapi.Valid || r.Logins != 0 {
			t.Errorf("%s after %d token requests, want valid without one: %s", r.State, r.Logins, r.Diagnosis)
		}
	})
}

// No secret is sent after its probe's timeout.
func TestNothingIsSentLate(t *testing.T) {
	forEachLogin(t, alice, func(on trial) {
		t, p, a := on.t, on.p, on.a
		dial := directly(p).DialContext
		directly(p).DialContext = func(ctx context.Context, network, address string) (conn net.Conn, err error) {
			time.Sleep(15 * time.Second)
			return dial(ctx, network, address)
		}
		if r := mustProbe(t, p); r.State != sessionapi.Timeout {
			t.Errorf("%s, want %s: %s", r.State, sessionapi.Timeout, r.Diagnosis)
		}
		time.Sleep(time.Minute)
		if s := a.Stats(); s.Attempts != 0 {
			t.Errorf("%d logins were sent, want none", s.Attempts)
		}
	})
}

// While logins of an account stall, an appliance must respond to a request without a
// secret before it gets the secret.
func TestPreflight(t *testing.T) {
	for name, c := range map[string]struct {
		hangs bool
		state sessionapi.State
		sent  []bool // whether each request carried the password
	}{"hangs": {true, sessionapi.Timeout, []bool{false}}, "responds": {false, sessionapi.Valid, []bool{false, true}}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := endpointFor("hcx", sessionapi.AuthBasic)
				var sent []bool
				p := piped(t, e, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, _, carries := r.BasicAuth()
					sent = append(sent, carries)
					if c.hangs {
						<-r.Context().Done()
						return
					}
					reply{status: 200, body: hcxOK}.ServeHTTP(w, r)
				}))
				other, err := p.credential.guard.Acquire(t.Context(), e.Credential.Secret.Inline, "another appliance")
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Second)
				time.AfterFunc(time.Second, func() { other.Record(sessionapi.Inconclusive) })
				if r := mustProbe(t, p); r.State != c.state || r.Logins != 0 || len(r.Steps) != 1 {
					t.Errorf("%s after %d steps: %s", r.State, len(r.Steps), r.Diagnosis)
				}
				synctest.Wait()
				if !slices.Equal(sent, c.sent) {
					t.Errorf("the requests carried the password: %v, want %v", sent, c.sent)
				}
			})
		})
	}
}

// pendingWithSession returns a prober that holds a session while another login, which will
// establish one too, is pending.
func pendingWithSession(t *testing.T, logouts ...http.Handler) (*Prober, *handwritten) {
	t.Helper()
	w := way{"hcx", sessionapi.AuthLogin}
	slow := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		stall(r, 15*time.Second)
		w.login().ServeHTTP(rw, r)
	})
	appliance := &handwritten{
		post: []http.Handler{w.login(), slow, w.login()},
		get:  []http.Handler{w.check(), reply{status: http.StatusUnauthorized}, w.check()},
		del:  logouts,
	}
	p := piped(t, w.endpoint(), appliance)
	mustProbe(t, p)
	if r := mustProbe(t, p); r.State != sessionapi.Timeout {
		t.Fatalf("%s, want %s: %s", r.State, sessionapi.Timeout, r.Diagnosis)
	}
	if r, err := p.Probe(t.Context(), Options{IgnoreBackoff: true}); err != nil || r.State != sessionapi.Valid {
		t.Fatalf("result %+v, error %v, want a valid session", r, err)
	}
	return p, appliance
}

// Close waits for a pending login even if a logout fails.
func TestCloseWaitsForLoginsAfterAFailedLogout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := way{"hcx", sessionapi.AuthLogin}
		p, appliance := pendingWithSession(t, reply{status: http.StatusInternalServerError}, w.logout())
		did, err := p.Close(t.Context())
		if err == nil || did.Logouts != 1 || did.LogoutFailures != 1 || !strings.HasSuffix(appliance.methods(), "DELETE DELETE") {
			t.Errorf("%d logouts, %d failed, after %s: %v", did.Logouts, did.LogoutFailures, appliance.methods(), err)
		}
		time.Sleep(maxLateWait)
	})
}

// A prober of another URL does not adopt a pending login: the old prober waits for it, and logs
// out of its session.
func TestPendingLoginOfAReplacedProber(t *testing.T) {
	for name, c := range map[string]struct {
		moved   bool // to another URL
		adopted bool
	}{"same URL": {false, true}, "another URL": {true, false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := endpointFor("hcx", sessionapi.AuthLogin)
				next := *e
				if c.moved {
					next.URL = &url.URL{Scheme: "http", Host: "elsewhere.test"}
				}
				a := newAppliance("hcx", slowly(simulator.Login, 15*time.Second)())
				p, replacement := piped(t, e, a), piped(t, &next, a)
				if r := mustProbe(t, p); r.State != sessionapi.Timeout {
					t.Fatalf("%s, want %s: %s", r.State, sessionapi.Timeout, r.Diagnosis)
				}
				held := p.Release()
				if adopted := replacement.Adopt(held); adopted != c.adopted {
					t.Fatalf("adopted is %t, want %t", adopted, c.adopted)
				}
				if replacement.sessions.session != nil {
					t.Error("the replacement holds a session that was never established")
				}
				p.Adopt(held)
				if did := closeProber(t, p); did.Logouts != 1 || a.Stats().Sessions != 0 {
					t.Errorf("%d logouts, %d sessions left, want 1 and 0", did.Logouts, a.Stats().Sessions)
				}
			})
		})
	}
}

// A request that the guard holds back does not make another connection.
func TestHeldBackOnAKeptConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := way{"hcx", sessionapi.AuthLogin}
		e := w.endpoint()
		e.Timeout = 4 * time.Second
		appliance := &handwritten{post: []http.Handler{w.login()}, get: []http.Handler{w.check(), reply{status: http.StatusUnauthorized}}, del: []http.Handler{w.logout()}}
		p := newProber(t, e)
		server := newPipeServer(t, appliance)
		directly(p).DialContext = server.dial
		mustProbe(t, p)
		var others []*guard.Permit
		for _, name := range []string{"x", "y"} {
			other, err := p.credential.guard.Acquire(t.Context(), e.Credential.Secret.Inline, name)
			if err != nil {
				t.Fatal(err)
			}
			others = append(others, other)
		}
		if r := mustProbe(t, p); r.State != sessionapi.LoginSuspended || !r.Queued {
			t.Errorf("%s, want %s: %s", r.State, sessionapi.LoginSuspended, r.Diagnosis)
		}
		if n := len(server.dialed()); n != 1 {
			t.Errorf("%d connections were made, want 1", n)
		}
		for _, other := range others {
			other.Release()
		}
	})
}

// An appliance that has just responded gets no second preflight request while its login
// waits.
func TestPreflightIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := endpointFor("hcx", sessionapi.AuthLogin)
		appliance := &handwritten{get: []http.Handler{reply{status: 401}}}
		p := piped(t, e, appliance)
		other, err := p.credential.guard.Acquire(t.Context(), e.Credential.Secret.Inline, "another appliance")
		if err != nil {
			t.Fatal(err)
		}
		defer other.Release()
		time.Sleep(2 * time.Second)
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
			if r, err := p.Probe(ctx, Options{}); err != nil || r.State != sessionapi.LoginSuspended || r.Logins != 0 {
				t.Errorf("result %+v, error %v, want %s without a login", r, err, sessionapi.LoginSuspended)
			}
			cancel()
		}
		if got := appliance.methods(); got != "GET" {
			t.Errorf("sent %s, want one request", got)
		}
	})
}

// A rate limit in response to the preflight request holds back the secret, too.
func TestPreflightHonorsRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := endpointFor("hcx", sessionapi.AuthLogin)
		limited := reply{status: 429, header: map[string]string{"Retry-After": "600"}}
		appliance := &handwritten{get: []http.Handler{limited}, post: []http.Handler{limited}}
		p := piped(t, e, appliance)
		other, err := p.credential.guard.Acquire(t.Context(), e.Credential.Secret.Inline, "another appliance")
		if err != nil {
			t.Fatal(err)
		}
		defer other.Release()
		time.Sleep(2 * time.Second)
		for range 5 {
			if r := mustProbe(t, p); r.State != sessionapi.RateLimited || r.Logins != 0 {
				t.Errorf("%s after %d logins: %s", r.State, r.Logins, r.Diagnosis)
			}
			time.Sleep(time.Minute)
		}
		if got := appliance.methods(); got != "GET" {
			t.Errorf("sent %s, want one request", got)
		}
	})
}
