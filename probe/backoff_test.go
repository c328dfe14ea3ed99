package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/probe/transport"

	"session_exporter/sessionapi"
	"session_exporter/simulator"
)

// probeNow probes regardless of back-off.
func probeNow(tb testing.TB, p *Prober) Result {
	tb.Helper()
	r, err := p.Probe(tb.Context(), Options{IgnoreBackoff: true})
	if err != nil {
		tb.Fatal(err)
	}
	checkResult(tb, *r)
	return *r
}

// The limit of the back-off depends on whether the login got an error response.
func TestBackoffLimits(t *testing.T) {
	const minute = time.Minute
	notEnough := reply{status: 403, body: hcxFailure("NOT_ENOUGH_PRIVILEGES")}
	for _, c := range []struct {
		name     string
		login    http.Handler
		interval time.Duration
		longest  time.Duration // between two logins
	}{
		{"503", reply{status: 503}, minute, 2 * minute},
		{"503, short interval", reply{status: 503}, 10 * time.Second, 2 * minute},
		{"503, long interval", reply{status: 503}, 5 * minute, 5 * minute},
		{"404", reply{status: 404}, minute, 2 * minute},
		{"redirect", reply{status: 302}, minute, 2 * minute},
		{"429 without Retry-After", reply{status: 429}, minute, 2 * minute},
		{"authenticated, but forbidden", notEnough, minute, 2 * minute},
		{"truncated 503", raw("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 100\r\n\r\n{"), minute, 2 * minute},
		{"no response", raw(""), minute, 10 * minute},
		{"no response, short interval", raw(""), 10 * time.Second, 150 * time.Second},
		{"truncated 200", raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), minute, 10 * minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := endpointFor("hcx", sessionapi.AuthLogin)
				e.Interval = c.interval
				p := piped(t, e, &handwritten{post: []http.Handler{c.login}})
				var sent []time.Time
				for _, r := range probesFor(t, p, 90*minute) {
					if r.Logins > 0 {
						sent = append(sent, r.Start)
					}
				}
				var gaps []time.Duration
				for i := range sent[1:] {
					gaps = append(gaps, sent[i+1].Sub(sent[i]))
				}
				if !slices.IsSorted(gaps) || gaps[0] != c.interval || gaps[len(gaps)-1] != c.longest {
					t.Errorf("the logins are %v apart, want from %s to %s", gaps, c.interval, c.longest)
				}
			})
		})
	}
}

func TestProbeNowIgnoresBackoff(t *testing.T) {
	for name, down := range map[string]http.Handler{"error": reply{status: 503}, "no response": raw("")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := endpointFor("hcx", sessionapi.AuthLogin)
				h := &handwritten{post: slices.Repeat([]http.Handler{down}, 5), get: []http.Handler{reply{status: 200, body: hcxOK}}}
				h.post = append(h.post, way{"hcx", sessionapi.AuthLogin}.login())
				p := piped(t, e, h)
				for range 4 { // the back-off grows
					probeNow(t, p)
				}
				held := mustProbe(t, p)
				if reason, until := held.HeldBack(); held.Attempted || reason != ReasonBackoff || !until.After(time.Now()) || !until.Equal(held.ResumeAt) {
					t.Fatalf("held back by %q until %s: %+v", reason, until, held)
				}
				if r := probeNow(t, p); !r.Attempted || r.Logins != 1 || r.LastRequest.IsZero() || r.BackoffUntil.IsZero() {
					t.Fatalf("the back-off is not ignored, or is over: %+v", r)
				}
				if r := mustProbe(t, p); r.Attempted {
					t.Fatalf("the back-off is over after a failure: %+v", r)
				}
				if r := probeNow(t, p); r.State != sessionapi.Valid || !r.BackoffUntil.IsZero() {
					t.Fatalf("after the appliance recovered: %+v", r)
				}
				if r := mustProbe(t, p); r.State != sessionapi.Valid || !r.Attempted {
					t.Fatalf("the back-off survives a success: %+v", r)
				}
			})
		})
	}
}

// An unreachable appliance does not change the back-off after earlier logins.
func TestUnreachableKeepsBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := piped(t, endpointFor("hcx", sessionapi.AuthLogin), &handwritten{post: []http.Handler{raw("")}})
		for range 4 {
			probeNow(t, p)
		}
		working := directly(p).DialContext
		directly(p).DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, errRefused }
		if r := probeNow(t, p); r.State != sessionapi.Unreachable || !r.Attempted || r.BackoffUntil.IsZero() || !r.LastRequest.IsZero() {
			t.Fatalf("%s, attempted %t, back-off until %s, want %s within the back-off: %s", r.State, r.Attempted, r.BackoffUntil, sessionapi.Unreachable, r.Diagnosis)
		}
		directly(p).DialContext = working
		if r := mustProbe(t, p); r.Attempted {
			t.Errorf("the back-off is over: %+v", r)
		}
		p.EndBackoff()
		if r := mustProbe(t, p); r.Logins != 1 {
			t.Errorf("after EndBackoff: %+v", r)
		}
	})
}

func TestProbeNowHonorsRetryAfter(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		wait   time.Duration // Retry-After
	}{{"longer than the back-off", 503, 10 * time.Minute}, {"shorter", 503, 5 * time.Second}, {"429", 429, 10 * time.Minute}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				limited := reply{status: c.status, header: map[string]string{"Retry-After": fmt.Sprint(c.wait.Seconds())}}
				p := piped(t, endpointFor("hcx", sessionapi.AuthLogin), &handwritten{post: []http.Handler{limited}})
				mustProbe(t, p)
				p.EndBackoff() // does not end the appliance's Retry-After
				r := probeNow(t, p)
				if reason, until := r.HeldBack(); r.Attempted || reason != ReasonRetryAfter || !until.Equal(r.Start.Add(c.wait)) {
					t.Fatalf("held back by %q until %s: %+v", reason, until, r)
				}
				<-time.After(c.wait)
				if r := probeNow(t, p); !r.Attempted {
					t.Errorf("after Retry-After: %+v", r)
				}
			})
		})
	}
}

func TestProbeNowObeysTheGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &handwritten{post: []http.Handler{reply{status: 401, body: hcxFailure("INVALID_CREDENTIALS")}}}
		p := piped(t, endpointFor("hcx", sessionapi.AuthLogin), h)
		mustProbe(t, p)
		for range 5 {
			r := probeNow(t, p)
			if reason, until := r.HeldBack(); r.Attempted || reason != ReasonGuard || until.IsZero() {
				t.Fatalf("held back by %q until %s: %+v", reason, until, r)
			}
		}
		if h.methods() != "POST" {
			t.Errorf("sent %s, want one POST", h.methods())
		}
	})
}

// The response to an untrusted secret is awaited; until then nothing else is sent.
func TestProbeNowWhileALoginIsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			stall(r, 28*time.Second)
			reply{status: 503}.ServeHTTP(w, r)
		})
		h := &handwritten{post: []http.Handler{late}}
		p := piped(t, endpointFor("hcx", sessionapi.AuthLogin), h)
		mustProbe(t, p)
		r := probeNow(t, p)
		if reason, until := r.HeldBack(); r.Attempted || !r.Pending || reason != ReasonGuard || !until.IsZero() {
			t.Errorf("held back by %q until %s: %+v", reason, until, r)
		}
		<-time.After(time.Minute)
		if h.methods() != "POST" {
			t.Errorf("sent %s, want one POST", h.methods())
		}
	})
}

var errRefused = &net.OpError{Op: "dial", Err: errors.New("connection refused")}

// A login or logout counts once its request was written to a connection.
func TestOnlyWrittenLoginsCount(t *testing.T) {
	refused := func(context.Context, string, string) (net.Conn, error) { return nil, errRefused }
	noName := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "appliance.test", IsNotFound: true}}
	}
	hangs := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for name, dial := range map[string]transport.DialFunc{"refused": refused, "no such name": noName, "no response to SYN": hangs} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newProber(t, endpointFor("hcx", sessionapi.AuthLogin))
				directly(p).DialContext = dial
				a := &authServer{}
				o := a.prober(t)
				tokenTransport(o).DialContext = dial
				for _, p := range []*Prober{p, o} {
					if r := mustProbe(t, p); r.Logins != 0 || r.LoginFailures != 0 || !r.LastRequest.IsZero() || !r.Attempted {
						t.Errorf("attempted %t, %d logins, %d failed, want an attempt and no login", r.Attempted, r.Logins, r.LoginFailures)
					}
				}
			})
		})
		t.Run(name+", logout", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := way{"hcx", sessionapi.AuthLogin}
				e := w.endpoint()
				e.ConnectionMaxAge = 0
				p := piped(t, e, &handwritten{get: []http.Handler{reply{status: 200, body: hcxOK}}, post: []http.Handler{w.login()}, del: []http.Handler{w.logout()}})
				mustProbe(t, p)
				working := directly(p).DialContext
				directly(p).DialContext = dial
				<-time.After(e.SessionMaxAge)
				if r := mustProbe(t, p); r.Logouts != 0 || r.LogoutFailures != 0 || r.Established.IsZero() {
					t.Errorf("%d logouts, %d failed, want none, and the session still held", r.Logouts, r.LogoutFailures)
				}
				directly(p).DialContext = working
				if r := mustProbe(t, p); r.Logouts != 1 || r.Logins != 1 || r.State != sessionapi.Valid {
					t.Errorf("the session was not ended later: %+v", r)
				}
			})
		})
	}
}

// A login whose TLS handshake fails does not count.
func TestFailedHandshakeIsNoLogin(t *testing.T) {
	ca := newCA(t)
	handler := reply{status: 401}
	for name, options := range map[string]simulator.ServerOptions{"expired certificate": {NotAfter: time.Now().Add(-time.Hour)}, "another name": {Hosts: []string{"other.test"}}} {
		t.Run(name, func(t *testing.T) {
			e := endpointFor("hcx", sessionapi.AuthLogin)
			e.URL, e.HTTP.TLS.CA = serveTLS(t, ca, handler, options), ca.PEM()
			p := newProber(t, e)
			if r := mustProbe(t, p); r.State != sessionapi.TLSFailed || r.Logins != 0 || r.LoginFailures != 0 || !r.LastRequest.IsZero() {
				t.Errorf("%s, %d logins, %d failed, want %s without a login: %s", r.State, r.Logins, r.LoginFailures, sessionapi.TLSFailed, r.Diagnosis)
			}
		})
	}
}
