package probe

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/sessionapi"
	"session_exporter/simulator"
)

// withFault returns a function that returns the settings of an appliance with a fault.
func withFault(f simulator.Fault) func() simulator.Settings {
	return func() simulator.Settings {
		s := alice()
		s.Faults = []simulator.Fault{f}
		return s
	}
}

// A login whose token is refused immediately is repeated once in the same probe, and then with
// a growing back-off.
func TestDeadTokens(t *testing.T) {
	forEachLogin(t, withFault(simulator.Fault{On: simulator.Login, DeadToken: true}), func(on trial) {
		t, p, a := on.t, on.p, on.a
		first := mustProbe(t, p)
		if first.State != sessionapi.SessionExpired || first.Logins != 2 || first.Expirations != 2 || !first.Established.IsZero() {
			t.Errorf("%s, %d logins, %d expirations, want %s, 2 and 2, and no session: %s", first.State, first.Logins, first.Expirations, sessionapi.SessionExpired, first.Diagnosis)
		}
		<-time.After(p.endpoint.Interval)
		results := probesFor(t, p, time.Hour)
		if n := states(results); n[sessionapi.SessionExpired] != 60 {
			t.Errorf("states: %v, want 60 results with %s", n, sessionapi.SessionExpired)
		}
		if n := a.Stats().Attempts; n > 24 {
			t.Errorf("%d logins in an hour, want at most 24", n)
		}
		a.Change(func(s *simulator.Settings) { s.Faults = nil })
		results = probesFor(t, p, 11*time.Minute)
		if last := results[len(results)-1]; last.State != sessionapi.Valid {
			t.Errorf("after the fault: %s: %s", last.State, last.Diagnosis)
		}
		closeProber(t, p)
	})
}

// The result of a refusal states until when further logins are held back, and so do the
// results of those logins.
func TestHeldUntil(t *testing.T) {
	forEachLogin(t, withFault(simulator.Fault{On: simulator.Login, Status: 401}), func(on trial) {
		t, p := on.t, on.p
		refused := mustProbe(t, p)
		if left := time.Until(refused.HeldUntil); refused.State != sessionapi.CredentialsRejected || left < time.Minute || left > time.Hour {
			t.Fatalf("%s, held until %s", refused.State, refused.HeldUntil)
		}
		held := mustProbe(t, p)
		if held.State != sessionapi.LoginSuspended || !held.HeldUntil.IsZero() || !held.ResumeAt.Equal(refused.HeldUntil) {
			t.Errorf("%s, resumes at %s, want %s", held.State, held.ResumeAt, refused.HeldUntil)
		}
		closeProber(t, p)
	})
}

// A login that fails with 503 is repeated after a back-off, and is not a refusal.
func TestLoginUnavailable(t *testing.T) {
	forEachLogin(t, withFault(simulator.Fault{On: simulator.Login, Status: 503}), func(on trial) {
		t, p, a := on.t, on.p, on.a
		var sent []int
		for minute, r := range probesFor(t, p, time.Hour) {
			if r.State != sessionapi.ServerError || r.State.Verdict() != sessionapi.Inconclusive {
				t.Fatalf("minute %d: %s", minute, r.State)
			}
			if r.Logins > 0 {
				sent = append(sent, minute)
			}
			if heldBack := len(r.Steps) == 0; heldBack != !r.ResumeAt.IsZero() {
				t.Errorf("minute %d: %d steps, resumes at %s", minute, len(r.Steps), r.ResumeAt)
			}
		}
		want := []int{0}
		for minute := 1; minute < 60; minute += 2 { // 1 interval, then at most 2 minutes
			want = append(want, minute)
		}
		if !slices.Equal(sent, want) {
			t.Fatalf("logins in minutes %v, want %v", sent, want)
		}
		if a.Stats().Refusals != 0 || refusalsOf(p) != 0 {
			t.Error("a 503 is counted as a refusal")
		}
	})
}

func TestLoginWithoutToken(t *testing.T) {
	forEachLogin(t, withFault(simulator.Fault{On: simulator.Login, DropToken: true}), func(on trial) {
		t, p := on.t, on.p
		r := mustProbe(t, p)
		if r.State != sessionapi.InvalidResponse || r.Logins != 1 || r.LoginFailures != 1 || !r.Established.IsZero() {
			t.Errorf("%s, %d logins, %d failed, want %s, 1 and 1, and no session: %s", r.State, r.Logins, r.LoginFailures, sessionapi.InvalidResponse, r.Diagnosis)
		}
	})
}

// A session whose token is in a malformed response, or in one that reports a failed login, is
// logged out.
func TestTokenOfAFailedLogin(t *testing.T) {
	for _, c := range []struct {
		name, api string
		login     reply
		methods   string
		state     sessionapi.State
	}{
		{"malformed", "hcx", reply{200, map[string]string{"x-hm-authorization": canaryToken}, `{"success": tr`}, "POST DELETE", sessionapi.InvalidResponse},
		{"failed", "hcx", reply{200, map[string]string{"x-hm-authorization": canaryToken}, hcxFailure("INTERNAL_SERVER_ERROR")}, "POST DELETE", sessionapi.ServerError},
		{"refused", "hcx", reply{401, map[string]string{"x-hm-authorization": canaryToken}, hcxFailure("INVALID_CREDENTIALS")}, "POST DELETE", sessionapi.CredentialsRejected},
		{"wrong type", "dr", reply{200, nil, `{"session_id": "` + canaryToken + `", "username": 7}`}, "POST DELETE", sessionapi.InvalidResponse},
		{"token that no header can carry", "dr", reply{200, nil, `{"session_id": "a\r\nb"}`}, "POST", sessionapi.InvalidResponse},
		{"a number", "dr", reply{200, nil, `{"session_id": 7}`}, "POST", sessionapi.InvalidResponse},
		{"empty", "dr", reply{200, nil, ``}, "POST", sessionapi.InvalidResponse},
		{"204", "dr", reply{204, nil, ``}, "POST", sessionapi.InvalidResponse},
		{"session limit", "dr", reply{400, nil, `{"error_code": "SESSION_LIMIT_EXCEEDED"}`}, "POST", sessionapi.ServerError},
		{"400 refused", "dr", reply{400, nil, `{"error_code": "INVALID_CREDENTIALS"}`}, "POST", sessionapi.CredentialsRejected},
		{"400", "dr", reply{400, nil, drError}, "POST", sessionapi.BadRequest},
		{"401 with the code of a malformed request", "hcx", reply{401, nil, hcxFailure("BAD_REQUEST")}, "POST", sessionapi.CredentialsRejected},
	} {
		t.Run(c.api+"/"+c.name, func(t *testing.T) {
			w := way{c.api, sessionapi.AuthLogin}
			appliance := &handwritten{post: []http.Handler{c.login}, del: []http.Handler{w.logout()}}
			p := piped(t, w.endpoint(), appliance)
			r := mustProbe(t, p)
			if got := appliance.methods(); r.State != c.state || got != c.methods {
				t.Errorf("%s after %s: %s\nwant %s after %s", r.State, got, r.Diagnosis, c.state, c.methods)
			}
			if refused := c.state == sessionapi.BadRequest || c.state == sessionapi.CredentialsRejected; refused != (refusalsOf(p) == 1) {
				t.Errorf("the guard counts %d refusals, want one: %t", refusalsOf(p), refused)
			}
		})
	}
}

// A session in the headers of a login's response is logged out even if the body cannot
// be read. A session that may be in the body is counted.
func TestSessionOfAnUnreadableLogin(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	const token = "X-Hm-Authorization: " + canaryToken + "\r\n"
	given := map[string]string{"x-hm-authorization": canaryToken}
	var written int64
	for _, c := range []struct {
		name, api         string
		login             http.Handler
		state             sessionapi.State
		ended, unanswered int
	}{
		{"drip", "hcx", withHeader(given, http.HandlerFunc(drip)), sessionapi.Timeout, 1, 0},
		{"cut off", "hcx", raw(ok + token + "Content-Length: 100\r\n\r\n{"), sessionapi.Unreachable, 1, 0},
		{"broken chunk", "hcx", raw(ok + token + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{"), sessionapi.InvalidResponse, 1, 0},
		{"not gzip", "hcx", withHeader(given, reply{200, map[string]string{"Content-Encoding": "gzip"}, `{"success": true}`}), sessionapi.InvalidResponse, 1, 0},
		{"too large", "hcx", withHeader(given, large(false, &written)), sessionapi.InvalidResponse, 1, 0},
		{"without a token", "hcx", large(false, &written), sessionapi.InvalidResponse, 0, 1},
		{"refused", "hcx", raw("HTTP/1.1 401 Unauthorized\r\n" + token + "Content-Length: 100\r\n\r\n{"), sessionapi.CredentialsRejected, 1, 0},
		{"cut off", "dr", raw(ok + "Content-Length: 100\r\n\r\n" + `{"session_id": "` + canaryToken), sessionapi.Unreachable, 0, 1},
		{"drip", "dr", http.HandlerFunc(drip), sessionapi.Timeout, 0, 1},
	} {
		t.Run(c.api+"/"+c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := way{c.api, sessionapi.AuthLogin}
				appliance := &handwritten{post: []http.Handler{c.login, reply{status: 503}}, del: []http.Handler{w.logout()}}
				p := piped(t, w.endpoint(), appliance)
				first := mustProbe(t, p)
				if first.State != c.state || first.Logins != 1 || first.LoginFailures != 1 || !first.Established.IsZero() {
					t.Errorf("%s, %d logins, %d failed, want %s, 1 and 1, and no session: %s", first.State, first.Logins, first.LoginFailures, c.state, first.Diagnosis)
				}
				time.Sleep(time.Minute)
				second := mustProbe(t, p)
				if ended, unanswered := first.Logouts+second.Logouts, first.Unanswered+second.Unanswered; ended != c.ended || unanswered != c.unanswered {
					t.Errorf("%d sessions were logged out, %d logins unanswered, want %d and %d", ended, unanswered, c.ended, c.unanswered)
				}
				for _, r := range appliance.got {
					if r.Method == http.MethodDelete && r.Header.Get(hcxTokenHeader) != canaryToken {
						t.Error("a logout presented another session")
					}
				}
			})
		})
	}
}

// withHeader adds headers to the responses of next.
func withHeader(header map[string]string, next http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for name, value := range header {
			w.Header().Set(name, value)
		}
		next.ServeHTTP(w, r)
	}
}

// A token that was obtained elsewhere is neither renewed nor logged out.
func TestTokenIsNeitherRenewedNorLoggedOut(t *testing.T) {
	for _, w := range []way{{"hcx", sessionapi.AuthToken}, {"hcx", sessionapi.AuthBearer}, {"dr", sessionapi.AuthToken}} {
		t.Run(w.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				appliance := &handwritten{get: []http.Handler{reply{status: 401}}}
				p := piped(t, w.endpoint(), appliance)
				if n := states(probesFor(t, p, 5*time.Minute)); n[sessionapi.SessionExpired] != 5 {
					t.Errorf("states: %v", n)
				}
				closeProber(t, p)
				if got := appliance.methods(); got != "GET GET GET GET GET" {
					t.Errorf("sent %s, want GET five times", got)
				}
			})
		})
	}
}

// If an appliance closes a kept connection just when it is used, no probe fails and no session
// is left.
func TestConnectionClosedOnUse(t *testing.T) {
	forEachLogin(t, alice, func(on trial) {
		t, p, a := on.t, on.p, on.a
		mustProbe(t, p)
		a.Change(func(s *simulator.Settings) { s.Faults = []simulator.Fault{{Reset: true, Times: 1}} })
		if r := mustProbe(t, p); r.State != sessionapi.Valid {
			t.Errorf("check: %s: %s", r.State, r.Diagnosis)
		}
		a.Change(func(s *simulator.Settings) { s.Faults = []simulator.Fault{{Reset: true, Times: 1}} })
		p.sessions.session.established = time.Now().Add(-time.Hour)
		if r := mustProbe(t, p); r.State != sessionapi.Valid || r.Logouts != 1 {
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
