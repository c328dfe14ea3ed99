package probe

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/simulator"
)

// slowly has an appliance's answers to one request come after a while.
func slowly(on simulator.Operation, by time.Duration) func() simulator.Settings {
	return func() simulator.Settings {
		s := alice()
		s.Faults = []simulator.Fault{{On: on, After: true, Delay: by}}
		return s
	}
}

// A refusal that comes later than the probe's timeout locks the account all the
// same. The next probe tells of it.
func TestLateRefusalCounts(t *testing.T) {
	for name, way := range map[string]struct {
		auth config.Auth
		on   simulator.Operation
	}{"login": {config.AuthLogin, simulator.Login}, "basic": {config.AuthBasic, simulator.Check}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := endpointFor("hcx", way.auth)
				e.Timeout, e.Interval = time.Second, 5*time.Second
				e.Credential.Secret.Inline = config.NewSecret("wrong")
				a := newAppliance("hcx", slowly(way.on, 1500*time.Millisecond)())
				p := piped(t, e, a)
				results := probesFor(t, p, 19*time.Minute)
				if n := states(results); n[Timeout] != 1 || n[CredentialsRejected] != 1 || n[LoginSuspended] != len(results)-2 {
					t.Errorf("found %v", n)
				}
				told := results[1]
				if told.State != CredentialsRejected || len(told.Steps) != 1 || told.Steps[0].Code != "INVALID_CREDENTIALS" || told.Logins != 0 ||
					!strings.Contains(told.Diagnosis, "came after 1.5s") || !told.ResumeAt.Equal(results[2].ResumeAt) {
					t.Errorf("%+v", told)
				}
				if _, refusals := p.credential.guard.status(); refusals != 1 || a.Stats().Refusals != 1 {
					t.Errorf("%d refusals counted of %d", refusals, a.Stats().Refusals)
				}
			})
		})
	}
}

// However long is to be waited after logins that came to nothing, a refusal that came
// late is told by the next probe. But one of a secret that has changed meanwhile says
// nothing.
func TestLateRefusalIsToldAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		secret string // then
		state  State
	}{"same secret": {canaryPassword, CredentialsRejected}, "another": {"another", ServerError}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				down := reply{status: 503}
				late := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					pass(r, 15*time.Second)
					reply{status: 401, body: hcxFailure("INVALID_CREDENTIALS")}.ServeHTTP(w, r)
				})
				e := endpointFor("hcx", config.AuthLogin)
				p := piped(t, e, &handwritten{post: []http.Handler{down, down, down, late, down}})
				results := probesFor(t, p, 8*time.Minute)
				if last := results[7]; last.State != Timeout {
					t.Fatalf("%s: %s", last.State, last.Diagnosis)
				}
				e.Credential.Secret.Inline = config.NewSecret(c.secret)
				if r := mustProbe(t, p); r.State != c.state || len(r.Steps) != 1 {
					t.Errorf("%s after %d steps: %s", r.State, len(r.Steps), r.Diagnosis)
				}
				if r := mustProbe(t, p); c.state == CredentialsRejected && (r.State != LoginSuspended || len(r.Steps) != 0) {
					t.Errorf("then %s: %s", r.State, r.Diagnosis)
				}
			})
		})
	}
}

// A timeout is honoured, however long it is: for whatever has the secret, and for the
// connection that it goes over.
func TestLongTimeout(t *testing.T) {
	slowToken := func(t *testing.T) *Prober {
		t.Helper()
		a := &authorization{lifetime: 3600}
		p := a.prober(t)
		slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-time.After(40 * time.Second)
			a.ServeHTTP(w, r)
		})
		p.credential.oauth.client.Transport.(*http.Transport).DialContext = newPipeServer(t, slow).dial
		return p
	}
	slowAnswer := func(auth config.Auth, on simulator.Operation) func(*testing.T) *Prober {
		return func(t *testing.T) *Prober {
			t.Helper()
			return piped(t, endpointFor("hcx", auth), newAppliance("hcx", slowly(on, 40*time.Second)()))
		}
	}
	slowConnection := func(t *testing.T) *Prober {
		t.Helper()
		e := endpointFor("hcx", config.AuthBasic)
		e.Timeout = time.Minute
		dial := newPipeServer(t, newAppliance("hcx", alice())).dial
		slow := NewFactoryOver(func(ctx context.Context, network, address string) (net.Conn, error) {
			select {
			case <-time.After(40 * time.Second):
				return dial(ctx, network, address)
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		b, err := slow.Prepare(&config.Config{Credentials: map[string]*config.Credential{"monitor": e.Credential}, Endpoints: []*config.Endpoint{e}})
		if err != nil {
			t.Fatal(err)
		}
		return proberOf(t, b, e)
	}
	for name, prober := range map[string]func(*testing.T) *Prober{
		"login":      slowAnswer(config.AuthLogin, simulator.Login),
		"basic":      slowAnswer(config.AuthBasic, simulator.Check),
		"token":      slowToken,
		"connection": slowConnection,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := prober(t)
				p.endpoint.Timeout, p.endpoint.Interval = time.Minute, 2*time.Minute
				if r := mustProbe(t, p); r.State != Valid || r.Duration != 40*time.Second {
					t.Errorf("%s after %s: %s", r.State, r.Duration, r.Diagnosis)
				}
				closeProber(t, p)
			})
		})
	}
}

// One answer that is lost says nothing of the next: a trusted secret is sent again
// at the next probe.
func TestOneLostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := endpointFor("hcx", config.AuthBasic)
		e.Timeout, e.Interval = 5*time.Second, 10*time.Second
		var asked atomic.Int32
		p := piped(t, e, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if asked.Add(1) == 4 {
				<-r.Context().Done()
				return
			}
			reply{status: 200, body: hcxOK}.ServeHTTP(w, r)
		}))
		var found []State
		for _, r := range probesFor(t, p, time.Minute) {
			found = append(found, r.State)
		}
		if want := []State{Valid, Valid, Valid, Timeout, Valid, Valid}; !slices.Equal(found, want) {
			t.Errorf("found %v, want %v", found, want)
		}
		time.Sleep(minAwaited)
	})
}

// A session that comes later than the probe's timeout is held by nobody.
func TestLateSessionIsLoggedOut(t *testing.T) {
	forEachLogin(t, slowly(simulator.Login, 15*time.Second), func(on trial) {
		t, p, a := on.t, on.p, on.a
		first := mustProbe(t, p)
		if first.State != Timeout || first.Duration != 10*time.Second || first.Logins != 1 || first.LoginFailures != 1 || first.Unanswered != 0 {
			t.Errorf("%+v", first)
		}
		time.Sleep(time.Minute)
		if s := a.Stats(); s.Logouts != 1 || s.Sessions != 0 {
			t.Errorf("%+v", s)
		}
		if next := mustProbe(t, p); next.Logouts != 1 || next.Unanswered != 0 {
			t.Errorf("%+v", next)
		}
		if did := closeProber(t, p); did.Logouts != 1 || did.Unanswered != 0 { // comes while the second is not answered
			t.Errorf("%+v", did)
		}
		if s := a.Stats(); s.Logouts != 2 || s.Sessions != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// What is never answered is counted when it is given up.
func TestUnansweredLogin(t *testing.T) {
	forEachLogin(t, slowly(simulator.Login, time.Hour), func(on trial) {
		t, p := on.t, on.p
		if first := mustProbe(t, p); first.State != Timeout || first.Unanswered != 0 {
			t.Errorf("%+v", first)
		}
		if _, err := p.Close(t.Context()); err == nil {
			t.Error("closed without an error, though a session may be left")
		}
		time.Sleep(minAwaited)
		if next := mustProbe(t, p); next.Unanswered != 1 {
			t.Errorf("%+v", next)
		}
	})
}

// What can give no session is not waited for at the end.
func TestCloseWaitsForLoginsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := piped(t, endpointFor("hcx", config.AuthBasic), newAppliance("hcx", slowly(simulator.Check, 15*time.Second)()))
		mustProbe(t, p)
		begin := time.Now()
		closeProber(t, p)
		if took := time.Since(begin); took != 0 {
			t.Errorf("closed in %s", took)
		}
		time.Sleep(minAwaited)
	})
}

// A token that comes late is there for the next probe.
func TestLateTokenIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authorization{lifetime: 3600}
		p := a.prober(t)
		slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-time.After(15 * time.Second)
			a.ServeHTTP(w, r)
		})
		p.credential.oauth.client.Transport.(*http.Transport).DialContext = newPipeServer(t, slow).dial
		if r := mustProbe(t, p); r.State != Timeout {
			t.Errorf("%s: %s", r.State, r.Diagnosis)
		}
		time.Sleep(time.Minute)
		if r := mustProbe(t, p); r.State != Valid || r.Logins != 0 {
			t.Errorf("%s: %s, after %d fetches", r.State, r.Diagnosis, r.Logins)
		}
	})
}

// A secret does not leave after its probe's time.
func TestNothingIsSentLate(t *testing.T) {
	forEachLogin(t, alice, func(on trial) {
		t, p, a := on.t, on.p, on.a
		dial := directly(p).DialContext
		directly(p).DialContext = func(ctx context.Context, network, address string) (conn net.Conn, err error) {
			time.Sleep(15 * time.Second)
			return dial(ctx, network, address)
		}
		if r := mustProbe(t, p); r.State != Timeout {
			t.Errorf("%s: %s", r.State, r.Diagnosis)
		}
		time.Sleep(time.Minute)
		if s := a.Stats(); s.Attempts != 0 {
			t.Errorf("%d logins were sent", s.Attempts)
		}
	})
}

// Once the time is up, a connection that is there after all carries nothing: the
// transport would write to it all the same.
func TestAbandonedRequest(t *testing.T) {
	var abandoned, sent tracer
	for tracer, want := range map[*tracer]bool{&abandoned: true, &sent: false} {
		ours, theirs := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		connected := httptrace.ContextClientTrace(tracer.attach(t.Context())).GotConn
		if tracer == &sent {
			connected(httptrace.GotConnInfo{Conn: ours})
		}
		if got := tracer.abandon(); got != want {
			t.Errorf("abandoned: %t, want %t", got, want)
		}
		if tracer == &abandoned {
			connected(httptrace.GotConnInfo{Conn: ours})
		}
		if _, err := ours.Write([]byte("secret")); (err != nil) != want {
			t.Errorf("error %v of writing, abandoned: %t", err, want)
		}
		_ = ours.Close()
	}
}
