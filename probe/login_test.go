package probe

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/simulator"
)

func withFault(f simulator.Fault) func() simulator.Settings {
	return func() simulator.Settings {
		s := alice()
		s.Faults = []simulator.Fault{f}
		return s
	}
}

// A login whose token is refused at once is renewed once, and then less and
// less often: no storm.
func TestDeadTokens(t *testing.T) {
	forEachLogin(t, withFault(simulator.Fault{On: simulator.Login, DeadToken: true}), func(on trial) {
		t, p, a := on.t, on.p, on.a
		first := mustProbe(t, p)
		if first.State != SessionExpired || first.Logins != 2 || first.Expirations != 2 || !first.Established.IsZero() {
			t.Errorf("%+v", first)
		}
		<-time.After(p.endpoint.Interval)
		results := probesFor(t, p, time.Hour)
		if n := states(results); n[SessionExpired] != 60 {
			t.Errorf("states: %v", n)
		}
		if n := a.Stats().Attempts; n > 24 {
			t.Errorf("%d logins in an hour", n)
		}
		a.Change(func(s *simulator.Settings) { s.Faults = nil })
		results = probesFor(t, p, 11*time.Minute)
		if last := results[len(results)-1]; last.State != Valid {
			t.Errorf("healed: %s: %s", last.State, last.Diagnosis)
		}
		closeProber(t, p)
	})
}

func TestLoginUnavailable(t *testing.T) {
	forEachLogin(t, withFault(simulator.Fault{On: simulator.Login, Status: 503}), func(on trial) {
		t, p, a := on.t, on.p, on.a
		var sent []int
		for minute, r := range probesFor(t, p, time.Hour) {
			if r.State != ServerError || r.State.Verdict() != Inconclusive {
				t.Fatalf("minute %d: %s", minute, r.State)
			}
			if r.Logins > 0 {
				sent = append(sent, minute)
			}
			if withheld := len(r.Steps) == 0; withheld != !r.ResumeAt.IsZero() {
				t.Errorf("minute %d: %d steps, resumes at %s", minute, len(r.Steps), r.ResumeAt)
			}
		}
		want := []int{0, 1, 3, 7, 15, 25, 35, 45, 55}
		if len(sent) != len(want) {
			t.Fatalf("logins in minutes %v, want %v", sent, want)
		}
		for i := range want {
			if sent[i] != want[i] {
				t.Fatalf("logins in minutes %v, want %v", sent, want)
			}
		}
		if a.Stats().Refusals != 0 || p.credential.guard.refusals != 0 {
			t.Error("counted as refused")
		}
	})
}

func TestLoginWithoutToken(t *testing.T) {
	forEachLogin(t, withFault(simulator.Fault{On: simulator.Login, DropToken: true}), func(on trial) {
		t, p := on.t, on.p
		r := mustProbe(t, p)
		if r.State != InvalidResponse || r.Logins != 1 || r.LoginFailures != 1 || !r.Established.IsZero() {
			t.Errorf("%+v", r)
		}
	})
}

// A token that comes with a malformed answer, or with one that says that the
// login failed, is logged out: nobody else knows of it.
func TestTokenOfAFailedLogin(t *testing.T) {
	for _, c := range []struct {
		name, api string
		login     reply
		methods   string
		state     State
	}{
		{"malformed", "hcx", reply{200, map[string]string{"x-hm-authorization": canaryToken}, `{"success": tr`}, "POST DELETE", InvalidResponse},
		{"failed", "hcx", reply{200, map[string]string{"x-hm-authorization": canaryToken}, hcxFailure("INTERNAL_SERVER_ERROR")}, "POST DELETE", ServerError},
		{"refused", "hcx", reply{401, map[string]string{"x-hm-authorization": canaryToken}, hcxFailure("INVALID_CREDENTIALS")}, "POST", CredentialsRejected},
		{"wrong type", "dr", reply{200, nil, `{"session_id": "` + canaryToken + `", "username": 7}`}, "POST DELETE", InvalidResponse},
		{"not for a header", "dr", reply{200, nil, `{"session_id": "a\r\nb"}`}, "POST", InvalidResponse},
		{"a number", "dr", reply{200, nil, `{"session_id": 7}`}, "POST", InvalidResponse},
		{"empty", "dr", reply{200, nil, ``}, "POST", InvalidResponse},
		{"204", "dr", reply{204, nil, ``}, "POST", InvalidResponse},
		{"limit", "dr", reply{400, nil, `{"error_code": "SESSION_LIMIT_EXCEEDED"}`}, "POST", ServerError},
		{"400 refused", "dr", reply{400, nil, `{"error_code": "INVALID_CREDENTIALS"}`}, "POST", CredentialsRejected},
		{"400", "dr", reply{400, nil, drError}, "POST", BadRequest},
		{"401 with an odd code", "hcx", reply{401, nil, hcxFailure("BAD_REQUEST")}, "POST", BadRequest},
	} {
		t.Run(c.api+"/"+c.name, func(t *testing.T) {
			w := way{c.api, config.AuthLogin}
			appliance := &handwritten{post: []http.Handler{c.login}, del: []http.Handler{w.logout()}}
			p := piped(t, w.endpoint(), appliance)
			r := mustProbe(t, p)
			if got := appliance.methods(); r.State != c.state || got != c.methods {
				t.Errorf("%s after %s: %s\nwant %s after %s", r.State, got, r.Diagnosis, c.state, c.methods)
			}
			if refused := c.login.status == 401 || c.state == CredentialsRejected; refused != (p.credential.guard.refusals == 1) {
				t.Errorf("the guard counts %d refusals", p.credential.guard.refusals)
			}
		})
	}
}

// A session in the headers of a login's answer is logged out even where the body
// cannot be read. One that may be in the body is counted.
func TestSessionOfAnUnreadableLogin(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	const token = "X-Hm-Authorization: " + canaryToken + "\r\n"
	given := map[string]string{"x-hm-authorization": canaryToken}
	var written int64
	for _, c := range []struct {
		name, api         string
		login             http.Handler
		state             State
		ended, unanswered int
	}{
		{"drip", "hcx", withHeader(given, http.HandlerFunc(drip)), Timeout, 1, 0},
		{"cut off", "hcx", raw(ok + token + "Content-Length: 100\r\n\r\n{"), Unreachable, 1, 0},
		{"broken chunk", "hcx", raw(ok + token + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{"), InvalidResponse, 1, 0},
		{"no gzip", "hcx", withHeader(given, reply{200, map[string]string{"Content-Encoding": "gzip"}, `{"success": true}`}), InvalidResponse, 1, 0},
		{"too large", "hcx", withHeader(given, large(false, &written)), InvalidResponse, 1, 0},
		{"without a token", "hcx", large(false, &written), InvalidResponse, 0, 1},
		{"refused", "hcx", raw("HTTP/1.1 401 Unauthorized\r\n" + token + "Content-Length: 100\r\n\r\n{"), Unreachable, 0, 0},
		{"cut off", "dr", raw(ok + "Content-Length: 100\r\n\r\n" + `{"session_id": "` + canaryToken), Unreachable, 0, 1},
		{"drip", "dr", http.HandlerFunc(drip), Timeout, 0, 1},
	} {
		t.Run(c.api+"/"+c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := way{c.api, config.AuthLogin}
				appliance := &handwritten{post: []http.Handler{c.login, reply{status: 503}}, del: []http.Handler{w.logout()}}
				p := piped(t, w.endpoint(), appliance)
				first := mustProbe(t, p)
				if first.State != c.state || first.Logins != 1 || first.LoginFailures != 1 || !first.Established.IsZero() {
					t.Errorf("%s: %+v", first.Diagnosis, first)
				}
				time.Sleep(time.Minute)
				second := mustProbe(t, p)
				if ended, unanswered := first.Logouts+second.Logouts, first.Unanswered+second.Unanswered; ended != c.ended || unanswered != c.unanswered {
					t.Errorf("%d sessions were ended, %d logins unanswered", ended, unanswered)
				}
				for _, r := range appliance.got {
					if r.Method == http.MethodDelete && r.Header.Get(hcxTokenHeader) != canaryToken {
						t.Error("another session was ended")
					}
				}
			})
		})
	}
}

func withHeader(header map[string]string, next http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for name, value := range header {
			w.Header().Set(name, value)
		}
		next.ServeHTTP(w, r)
	}
}

// Somebody else's token is neither renewed nor logged out.
func TestForeignTokens(t *testing.T) {
	for _, w := range []way{{"hcx", config.AuthToken}, {"hcx", config.AuthBearer}, {"dr", config.AuthToken}} {
		t.Run(w.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				appliance := &handwritten{get: []http.Handler{reply{status: 401}}}
				p := piped(t, w.endpoint(), appliance)
				if n := states(probesFor(t, p, 5*time.Minute)); n[SessionExpired] != 5 {
					t.Errorf("states: %v", n)
				}
				closeProber(t, p)
				if got := appliance.methods(); got != "GET GET GET GET GET" {
					t.Errorf("asked %s", got)
				}
			})
		})
	}
}

// An appliance that closes a kept connection in the moment it is used raises no
// alarm, and no session is left on it.
func TestConnectionClosedWhileIdle(t *testing.T) {
	forEachLogin(t, alice, func(on trial) {
		t, p, a := on.t, on.p, on.a
		mustProbe(t, p)
		a.Change(func(s *simulator.Settings) { s.Faults = []simulator.Fault{{Reset: true, Times: 1}} })
		if r := mustProbe(t, p); r.State != Valid {
			t.Errorf("check: %s: %s", r.State, r.Diagnosis)
		}
		a.Change(func(s *simulator.Settings) { s.Faults = []simulator.Fault{{Reset: true, Times: 1}} })
		p.session.established = time.Now().Add(-time.Hour)
		if r := mustProbe(t, p); r.State != Valid || r.Logouts != 1 {
			t.Errorf("session_max_age: %s: %s", r.State, r.Diagnosis)
		}
		a.Change(func(s *simulator.Settings) {
			s.Faults = []simulator.Fault{{On: simulator.Logout, Reset: true, Times: 1}}
		})
		closeProber(t, p)
		if n := a.Stats().Sessions; n != 0 {
			t.Errorf("%d sessions left", n)
		}
	})
}
