package probe

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
)

// What becomes of a logout says nothing of the session that follows it, unless the
// appliance wants to be left alone.
func TestLogoutOfAnOldSession(t *testing.T) {
	busy := reply{status: http.StatusTooManyRequests, header: map[string]string{"Retry-After": "120"}}
	for _, c := range []struct {
		name    string
		answer  func(way) http.Handler
		state   State
		methods string // sent in the probe
		logins  int
		logouts int
		failed  int
		expired int
	}{
		{"accepted", func(w way) http.Handler { return w.logout() }, Valid, "DELETE POST GET", 1, 1, 0, 0},
		{"never answered", func(way) http.Handler { return http.HandlerFunc(silent) }, Valid, "DELETE POST GET", 1, 0, 1, 0},
		{"the connection closed behind it", func(way) http.Handler { return http.HandlerFunc(lastWord) }, Valid, "DELETE POST GET", 1, 1, 0, 0},
		{"the session had ended", func(way) http.Handler { return reply{status: http.StatusUnauthorized} }, Valid, "DELETE POST GET", 1, 0, 0, 1},
		{"an error", func(way) http.Handler { return reply{status: http.StatusInternalServerError} }, Valid, "DELETE POST GET", 1, 0, 1, 0},
		{"too busy", func(way) http.Handler { return busy }, RateLimited, "DELETE", 0, 0, 0, 0},
	} {
		for _, w := range []way{{"hcx", config.AuthLogin}, {"dr", config.AuthLogin}} {
			t.Run(w.api+"/"+c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					appliance := &handwritten{
						post: []http.Handler{w.login()}, get: []http.Handler{w.check()},
						del: []http.Handler{c.answer(w), w.logout()},
					}
					e := w.endpoint()
					e.ConnectionMaxAge = time.Hour
					p := piped(t, e, appliance)
					if r := mustProbe(t, p); r.State != Valid {
						t.Fatalf("%s: %s", r.State, r.Diagnosis)
					}
					<-time.After(31 * time.Minute)
					appliance.got = nil
					r := mustProbe(t, p)
					if got := appliance.methods(); r.State != c.state || got != c.methods {
						t.Errorf("%s after %s: %s", r.State, got, r.Diagnosis)
					}
					if r.Logins != c.logins || r.Logouts != c.logouts || r.LogoutFailures != c.failed || r.Expirations != c.expired {
						t.Errorf("%d logins, %d logouts and %d that failed, %d expired, want %+v", r.Logins, r.Logouts, r.LogoutFailures, r.Expirations, c)
					}
					if expired := 31 * time.Minute; c.expired > 0 && r.Lifetime != expired {
						t.Errorf("lived for %s", r.Lifetime)
					}
					<-time.After(2 * time.Minute)
					if r := mustProbe(t, p); r.State != Valid {
						t.Errorf("then %s: %s", r.State, r.Diagnosis)
					}
					closeProber(t, p)
				})
			})
		}
	}
}

// lastWord answers, and closes the connection as soon as something else is asked.
func lastWord(w http.ResponseWriter, _ *http.Request) {
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	_, _ = buffered.WriteString("HTTP/1.1 204 No Content\r\n\r\n")
	_ = buffered.Flush()
	_, _ = buffered.ReadByte()
}

// An appliance that refuses the session that it has just given, and then hangs or
// wants to be left alone, is told from a login that the guard withholds. The session
// is logged out when that is possible.
func TestLogoutOfARefusedSession(t *testing.T) {
	busy := reply{status: http.StatusTooManyRequests, header: map[string]string{"Retry-After": "120"}}
	for _, c := range []struct {
		name     string
		answer   http.Handler
		state    State
		methods  string // of two probes
		failures int
	}{
		{"never answered", http.HandlerFunc(silent), SessionExpired, "POST GET DELETE POST GET DELETE", 1},
		{"too busy", busy, RateLimited, "POST GET DELETE GET DELETE POST GET", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := way{"dr", config.AuthLogin}
				refused := reply{status: http.StatusUnauthorized}
				appliance := &handwritten{
					post: []http.Handler{w.login()}, get: []http.Handler{refused, refused, w.check()},
					del: []http.Handler{c.answer, w.logout()},
				}
				p := piped(t, w.endpoint(), appliance)
				first := mustProbe(t, p)
				if first.State != c.state || first.LogoutFailures != c.failures {
					t.Errorf("%s, %d logouts failed: %s", first.State, first.LogoutFailures, first.Diagnosis)
				}
				if c.state == RateLimited {
					<-time.After(2 * time.Minute)
					if second := mustProbe(t, p); second.State != Valid || second.Logouts != 1 || first.Expirations+second.Expirations != 1 {
						t.Errorf("then %s, %d logouts, %d and %d expired: %s", second.State, second.Logouts, first.Expirations, second.Expirations, second.Diagnosis)
					}
				}
				if got := appliance.methods(); got != c.methods {
					t.Errorf("%s, want %s", got, c.methods)
				}
			})
		})
	}
}
