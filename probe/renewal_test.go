package probe

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/sessionapi"
)

// The outcome of a logout does not affect the next session, unless the appliance sent a
// Retry-After.
func TestLogoutOfAnOldSession(t *testing.T) {
	busy := reply{status: http.StatusTooManyRequests, header: map[string]string{"Retry-After": "120"}}
	for _, c := range []struct {
		name     string
		response func(way) http.Handler
		state    sessionapi.State
		methods  string // of the probe
		logins   int
		logouts  int
		failed   int
		expired  int
	}{
		{"accepted", func(w way) http.Handler { return w.logout() }, sessionapi.Valid, "DELETE POST GET", 1, 1, 0, 0},
		{"no response", func(way) http.Handler { return http.HandlerFunc(silent) }, sessionapi.Valid, "DELETE POST GET", 1, 0, 1, 0},
		{"the connection closes afterwards", func(way) http.Handler { return http.HandlerFunc(respondOnce) }, sessionapi.Valid, "DELETE POST GET", 1, 1, 0, 0},
		{"the session no longer exists", func(way) http.Handler { return reply{status: http.StatusUnauthorized} }, sessionapi.Valid, "DELETE POST GET", 1, 0, 0, 1},
		{"an error", func(way) http.Handler { return reply{status: http.StatusInternalServerError} }, sessionapi.Valid, "DELETE POST GET", 1, 0, 1, 0},
		{"too busy", func(way) http.Handler { return busy }, sessionapi.RateLimited, "DELETE", 0, 0, 0, 0},
	} {
		for _, w := range []way{{"hcx", sessionapi.AuthLogin}, {"dr", sessionapi.AuthLogin}} {
			t.Run(w.api+"/"+c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					appliance := &handwritten{
						post: []http.Handler{w.login()}, get: []http.Handler{w.check()},
						del: []http.Handler{c.response(w), w.logout()},
					}
					e := w.endpoint()
					e.ConnectionMaxAge = time.Hour
					p := piped(t, e, appliance)
					if r := mustProbe(t, p); r.State != sessionapi.Valid {
						t.Fatalf("%s: %s", r.State, r.Diagnosis)
					}
					<-time.After(31 * time.Minute)
					appliance.got = nil
					r := mustProbe(t, p)
					if got := appliance.methods(); r.State != c.state || got != c.methods {
						t.Errorf("%s after %s, want %s after %s: %s", r.State, got, c.state, c.methods, r.Diagnosis)
					}
					if r.Logins != c.logins || r.Logouts != c.logouts || r.LogoutFailures != c.failed || r.Expirations != c.expired {
						t.Errorf("%d logins, %d logouts, %d that failed, %d expired, want %d, %d, %d and %d", r.Logins, r.Logouts, r.LogoutFailures, r.Expirations, c.logins, c.logouts, c.failed, c.expired)
					}
					if lifetime := 31 * time.Minute; c.expired > 0 && r.Lifetime != lifetime {
						t.Errorf("the session's lifetime was %s, want %s", r.Lifetime, lifetime)
					}
					<-time.After(2 * time.Minute)
					if r := mustProbe(t, p); r.State != sessionapi.Valid {
						t.Errorf("then %s: %s", r.State, r.Diagnosis)
					}
					closeProber(t, p)
				})
			})
		}
	}
}

// respondOnce responds, and closes the connection at the next request.
func respondOnce(w http.ResponseWriter, _ *http.Request) {
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	_, _ = buffered.WriteString("HTTP/1.1 204 No Content\r\n\r\n")
	_ = buffered.Flush()
	_, _ = buffered.ReadByte()
}

// An appliance may refuse the session that it has just established, and then not respond to the
// logout, or send a Retry-After. The state is not login_suspended, and the session is logged out
// once that is possible.
func TestLogoutOfARefusedSession(t *testing.T) {
	busy := reply{status: http.StatusTooManyRequests, header: map[string]string{"Retry-After": "120"}}
	for _, c := range []struct {
		name     string
		response http.Handler
		state    sessionapi.State
		methods  string // of the first probe, and of the second one after a Retry-After
		failures int
	}{
		{"no response", http.HandlerFunc(silent), sessionapi.SessionExpired, "POST GET DELETE POST GET DELETE", 1},
		{"too busy", busy, sessionapi.RateLimited, "POST GET DELETE GET DELETE POST GET", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := way{"dr", sessionapi.AuthLogin}
				refused := reply{status: http.StatusUnauthorized}
				appliance := &handwritten{
					post: []http.Handler{w.login()}, get: []http.Handler{refused, refused, w.check()},
					del: []http.Handler{c.response, w.logout()},
				}
				p := piped(t, w.endpoint(), appliance)
				first := mustProbe(t, p)
				if first.State != c.state || first.LogoutFailures != c.failures {
					t.Errorf("%s, %d logouts failed: %s", first.State, first.LogoutFailures, first.Diagnosis)
				}
				if c.state == sessionapi.RateLimited {
					<-time.After(2 * time.Minute)
					if second := mustProbe(t, p); second.State != sessionapi.Valid || second.Logouts != 1 || first.Expirations+second.Expirations != 1 {
						t.Errorf("then %s, %d logouts, %d and %d expired: %s", second.State, second.Logouts, first.Expirations, second.Expirations, second.Diagnosis)
					}
				}
				if got := appliance.methods(); got != c.methods {
					t.Errorf("sent %s, want %s", got, c.methods)
				}
			})
		})
	}
}

// Some appliances respond with 403 after they have ended a session. A session that was
// valid is renewed once; if the new one is forbidden too, the state is forbidden.
func TestForbiddenSessionIsRenewedOnce(t *testing.T) {
	forbidden := reply{status: http.StatusForbidden}
	for _, w := range []way{{"hcx", sessionapi.AuthLogin}, {"dr", sessionapi.AuthLogin}} {
		valid := w.check()
		for _, c := range []struct {
			name    string
			get     []http.Handler
			del     http.Handler
			states  string
			methods string
			logins  int
			expired int
			failed  int
		}{
			{"only the old session, which the logout does not find", []http.Handler{valid, forbidden, valid}, forbidden, "valid valid valid valid", "POST GET GET DELETE POST GET GET GET", 2, 1, 0},
			{"only the old session, which is logged out", []http.Handler{valid, forbidden, valid}, w.logout(), "valid valid valid valid", "POST GET GET DELETE POST GET GET GET", 2, 0, 0},
			{"the new session too", []http.Handler{valid, forbidden}, w.logout(), "valid forbidden forbidden forbidden", "POST GET GET DELETE POST GET GET GET", 2, 0, 0},
			{"every session", []http.Handler{forbidden}, w.logout(), "forbidden forbidden forbidden forbidden", "POST GET GET GET GET", 1, 0, 0},
			{"until the account is permitted again", []http.Handler{valid, forbidden, forbidden, valid, forbidden, valid}, w.logout(), "valid forbidden valid valid", "POST GET GET DELETE POST GET GET GET DELETE POST GET", 3, 0, 0},
			{"only the old session, and the logout fails", []http.Handler{valid, forbidden, valid}, reply{status: 500}, "valid valid valid valid", "POST GET GET DELETE POST GET GET GET", 2, 0, 1},
		} {
			t.Run(w.api+"/"+c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					appliance := &handwritten{post: []http.Handler{w.login()}, get: c.get, del: []http.Handler{c.del}}
					p := piped(t, w.endpoint(), appliance)
					var found []string
					logins, expired, failed := 0, 0, 0
					for _, r := range probesFor(t, p, 4*time.Minute) {
						found = append(found, string(r.State))
						logins, expired, failed = logins+r.Logins, expired+r.Expirations, failed+r.LogoutFailures
					}
					if got := strings.Join(found, " "); got != c.states || appliance.methods() != c.methods {
						t.Errorf("%s after %s\nwant %s after %s", got, appliance.methods(), c.states, c.methods)
					}
					if logins != c.logins || expired != c.expired || failed != c.failed {
						t.Errorf("%d logins, %d sessions expired, %d logouts failed, want %d, %d and %d", logins, expired, failed, c.logins, c.expired, c.failed)
					}
					probesFor(t, p, 10*time.Minute)
					if more := strings.Count(appliance.methods(), "POST") - logins; more != 0 {
						t.Errorf("%d logins in ten more minutes, want none", more)
					}
					_, _ = p.Close(t.Context())
				})
			})
		}
	}
}

// A forbidden session is kept if the guard holds back another login.
func TestForbiddenSessionIsKeptWhenTheGuardHoldsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := way{"hcx", sessionapi.AuthLogin}
		appliance := &handwritten{post: []http.Handler{w.login()}, get: []http.Handler{w.check(), reply{status: 403}}, del: []http.Handler{w.logout()}}
		p := piped(t, w.endpoint(), appliance)
		mustProbe(t, p)
		for i := range 2 {
			refuse(t, p.credential, fmt.Sprint("another ", i))
		}
		for range 3 {
			if r := mustProbe(t, p); r.State != sessionapi.Forbidden || r.Logins+r.Logouts != 0 || r.Established.IsZero() {
				t.Errorf("%s, %d logins, %d logouts: %s", r.State, r.Logins, r.Logouts, r.Diagnosis)
			}
		}
		closeProber(t, p)
		if got := appliance.methods(); got != "POST GET GET GET GET DELETE" {
			t.Errorf("sent %s, want POST, GET four times, and DELETE", got)
		}
	})
}

// A refused session that cannot be logged out, because no connection can be made, is held until
// it can be.
func TestLogoutOfARefusedSessionWithoutConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := way{"dr", sessionapi.AuthLogin}
		refused := reply{http.StatusUnauthorized, map[string]string{"Connection": "close"}, ""}
		appliance := &handwritten{
			post: []http.Handler{w.login()}, get: []http.Handler{refused, refused, w.check()}, del: []http.Handler{w.logout()},
		}
		p := newProber(t, w.endpoint())
		server := newPipeServer(t, appliance)
		directly(p).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if n := len(server.dialed()); n == 1 && time.Since(server.dialed()[0]) < time.Second {
				return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
			}
			return server.dial(ctx, network, address)
		}
		first := mustProbe(t, p)
		if first.State != sessionapi.Unreachable || first.LogoutFailures != 0 {
			t.Errorf("%s, want %s: %s", first.State, sessionapi.Unreachable, first.Diagnosis)
		}
		<-time.After(time.Minute)
		second := mustProbe(t, p)
		if second.State != sessionapi.Valid || second.Logouts != 1 || first.Expirations+second.Expirations != 1 {
			t.Errorf("then %s, %d logouts, %d and %d expired: %s", second.State, second.Logouts, first.Expirations, second.Expirations, second.Diagnosis)
		}
		if got, want := appliance.methods(), "POST GET GET DELETE POST GET"; got != want {
			t.Errorf("sent %s, want %s", got, want)
		}
		closeProber(t, p)
	})
}

// A session that cannot be logged out at the end, because no connection can be made, counts as
// left on the appliance.
func TestLogoutAtTheEndWithoutConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := way{"dr", sessionapi.AuthLogin}
		checked := reply{http.StatusOK, map[string]string{"Connection": "close"}, drOK}
		p := newProber(t, w.endpoint())
		server := newPipeServer(t, &handwritten{post: []http.Handler{w.login()}, get: []http.Handler{checked}})
		directly(p).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if len(server.dialed()) == 1 {
				return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
			}
			return server.dial(ctx, network, address)
		}
		if r := mustProbe(t, p); r.State != sessionapi.Valid {
			t.Fatalf("%s: %s", r.State, r.Diagnosis)
		}
		if did, err := p.Close(t.Context()); err == nil || did.Logouts != 0 || did.LogoutFailures != 1 {
			t.Errorf("%d logouts, %d that failed, want 0 and 1, and an error: %v", did.Logouts, did.LogoutFailures, err)
		}
	})
}
