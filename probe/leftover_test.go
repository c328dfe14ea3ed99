package probe

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/sessionapi"
)

// A ledger is an appliance that establishes a session at each login, whatever its
// response, and records which sessions are left.
type ledger struct {
	give  func(w http.ResponseWriter, token string) // responds to a login
	check http.Handler
	token func(r *http.Request) string // returns the token that a request presents

	mu    sync.Mutex      // guards the fields below
	given int             // sessions
	left  map[string]bool // tokens of the sessions that were not logged out
	bad   []string        // requests with any other token
}

func (l *ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Method == http.MethodPost {
		l.given++
		token := fmt.Sprintf("session-token-%d", l.given)
		if l.left == nil {
			l.left = make(map[string]bool)
		}
		l.left[token] = true
		l.give(w, token)
		return
	}
	switch token := l.token(r); {
	case !l.left[token]:
		l.bad = append(l.bad, r.Method+" "+token)
		w.WriteHeader(http.StatusUnauthorized)
	case r.Method == http.MethodDelete:
		delete(l.left, token)
		w.WriteHeader(http.StatusNoContent)
	default:
		l.check.ServeHTTP(w, r)
	}
}

func headerToken(name string) func(*http.Request) string {
	return func(r *http.Request) string { return r.Header.Get(name) }
}

// byHeader, byCookie and byBody return functions that respond to a login with a status, and
// with the session in a header, in a cookie or in the body.
func byHeader(name string, status int, body string) func(http.ResponseWriter, string) {
	return func(w http.ResponseWriter, token string) {
		w.Header().Set(name, token)
		if status == http.StatusFound {
			w.Header().Set("Location", "https://elsewhere.test/login")
		}
		reply{status: status, body: body}.write(w)
	}
}

func byCookie(status int) func(http.ResponseWriter, string) {
	return func(w http.ResponseWriter, token string) {
		w.Header().Add("Set-Cookie", "sid="+token+"; Path=/; HttpOnly")
		reply{status: status, body: `{"error": "no"}`}.write(w)
	}
}

func byBody(status int, format string) func(http.ResponseWriter, string) {
	return func(w http.ResponseWriter, token string) {
		reply{status: status, body: fmt.Sprintf(format, token)}.write(w)
	}
}

// write writes the response without reading the request.
func (a reply) write(w http.ResponseWriter) {
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

const cookieAPI = `
    login: {path: /login, send: json, body: {name: $username, password: $password}}
    session: [{from: cookie, name: sid}]
    check: {path: /me}
    logout: {path: /login}
    body: {user: text}
    answer: {username: body.user}`

func cookieToken(r *http.Request) string { return strings.TrimPrefix(r.Header.Get("Cookie"), "sid=") }

// Every session that a login establishes, whatever the response, is logged out or counted in
// Unanswered.
func TestSessionsOfFailedLoginsAreNotLeft(t *testing.T) {
	hcxToken, drToken, vcenterToken := headerToken(hcxTokenHeader), headerToken(drTokenHeader), headerToken(vcenterTokenHeader)
	const cookies, redfish = "cookies", "redfish"
	for _, c := range []struct {
		name, api string
		give      func(http.ResponseWriter, string)
		token     func(*http.Request) string
		counted   bool // in Unanswered; otherwise logged out
	}{
		{"302", "hcx", byHeader(hcxTokenHeader, 302, ""), hcxToken, false},
		{"400", "hcx", byHeader(hcxTokenHeader, 400, "{}"), hcxToken, false},
		{"401", "hcx", byHeader(hcxTokenHeader, 401, ""), hcxToken, false},
		{"403", "hcx", byHeader(hcxTokenHeader, 403, ""), hcxToken, false},
		{"404", "hcx", byHeader(hcxTokenHeader, 404, ""), hcxToken, false},
		{"429", "hcx", byHeader(hcxTokenHeader, 429, ""), hcxToken, false},
		{"500", "hcx", byHeader(hcxTokenHeader, 500, "<html>"), hcxToken, false},
		{"503", "hcx", byHeader(hcxTokenHeader, 503, hcxFailure("INTERNAL_SERVER_ERROR")), hcxToken, false},
		{"no token", "hcx", byBody(200, `{"success": true, "completed": true, "time": 1, "version": "%s"}`), hcxToken, true},
		{"a page with a token", "hcx", byHeader(hcxTokenHeader, 200, "<html>"), hcxToken, false},
		{"302", cookies, byCookie(302), cookieToken, false},
		{"403", cookies, byCookie(403), cookieToken, false},
		{"429", cookies, byCookie(429), cookieToken, false},
		{"500", cookies, byCookie(500), cookieToken, false},
		{"503", cookies, byCookie(503), cookieToken, false},
		{"not JSON", cookies, func(w http.ResponseWriter, token string) {
			w.Header().Add("Set-Cookie", "sid="+token)
			_, _ = io.WriteString(w, "ok")
		}, cookieToken, false},
		{"two cookies of one name", cookies, func(w http.ResponseWriter, token string) {
			w.Header().Add("Set-Cookie", "sid=anonymous; Path=/ui")
			w.Header().Add("Set-Cookie", "sid="+token+"; Path=/")
			w.WriteHeader(http.StatusInternalServerError)
		}, cookieToken, false},
		{"another cookie", cookies, func(w http.ResponseWriter, token string) {
			w.Header().Add("Set-Cookie", "SID="+token)
			_, _ = io.WriteString(w, "{}")
		}, cookieToken, true},
		{"a number", "dr", byBody(200, `{"session_id": 17, "x": "%s"}`), drToken, true},
		{"403", "dr", byBody(403, `{"session_id": "%s"}`), drToken, false},
		{"500", "dr", byBody(500, `{"session_id": "%s", "error_code": "INTERNAL"}`), drToken, false},
		{"no field", "dr", byBody(200, `{"id": "%s"}`), drToken, true},
		{"nothing", "dr", byBody(204, "%.0s"), drToken, true},
		{"500", "vcenter", byBody(500, `"%s"`), vcenterToken, false},
		{"an object", "vcenter", byBody(201, `{"session": "%s"}`), vcenterToken, true},
		{"no address", redfish, byHeader("X-Auth-Token", 201, `{"Id": "1"}`), headerToken("X-Auth-Token"), true},
		{"500 without an address", redfish, func(w http.ResponseWriter, token string) {
			w.Header().Set("X-Auth-Token", token)
			w.WriteHeader(http.StatusInternalServerError)
		}, headerToken("X-Auth-Token"), true},
		{"an address alone", redfish, func(w http.ResponseWriter, token string) {
			w.Header().Set("Location", "/redfish/v1/SessionService/Sessions/"+token)
			w.WriteHeader(http.StatusCreated)
		}, headerToken("X-Auth-Token"), true},
	} {
		t.Run(c.api+"/"+c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var e *config.Endpoint
				switch c.api {
				case cookies:
					e = endpointOf(t, cookieAPI, sessionapi.AuthLogin)
				case redfish:
					e = endpointFor(c.api, sessionapi.AuthLogin)
					e.SessionAPI = definition(c.api)
				default:
					e = endpointFor(c.api, sessionapi.AuthLogin)
				}
				l := &ledger{give: c.give, token: c.token, check: reply{status: 500}}
				p := piped(t, e, l)
				var ended, counted int
				for _, r := range append(probesFor(t, p, 20*time.Minute), *closeProber(t, p)) {
					ended, counted = ended+r.Logouts, counted+r.Unanswered
					if r.LogoutFailures+r.Expirations != 0 || !r.Established.IsZero() {
						t.Errorf("%d logouts failed, %d sessions expired, one is held since %s", r.LogoutFailures, r.Expirations, r.Established)
					}
				}
				if c.counted && (counted != l.given || ended != 0) || !c.counted && (len(l.left) != 0 || ended != l.given || counted != 0) || l.given == 0 {
					t.Errorf("%d sessions: %d left, %d logged out, %d counted; want all counted: %t", l.given, len(l.left), ended, counted, c.counted)
				}
				if len(l.bad) > 0 {
					t.Errorf("requests with other tokens: %q", l.bad)
				}
			})
		})
	}
}

// A login whose response is a 429 may establish a session. That session is not used, and is
// logged out after the Retry-After.
func TestSessionOfARateLimitedLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limited := reply{429, map[string]string{"Retry-After": "300", hcxTokenHeader: canaryToken}, ""}
		w := way{"hcx", sessionapi.AuthLogin}
		appliance := &handwritten{post: []http.Handler{limited, w.login()}, get: []http.Handler{w.check()}, del: []http.Handler{w.logout()}}
		p := piped(t, w.endpoint(), appliance)
		for minute, r := range probesFor(t, p, 5*time.Minute) {
			if r.State != sessionapi.RateLimited || !r.Established.IsZero() || appliance.methods() != "POST" {
				t.Errorf("minute %d: %s after %s", minute, r.State, appliance.methods())
			}
		}
		if r := mustProbe(t, p); r.State != sessionapi.Valid || appliance.methods() != "POST DELETE POST GET" || r.Logouts != 1 {
			t.Errorf("then %s after %s", r.State, appliance.methods())
		}
		closeProber(t, p)
	})
}

// A BMC that sends no Location has the session's address in the body.
func TestRedfishSessionWithoutLocation(t *testing.T) {
	e := endpointFor("redfish", sessionapi.AuthLogin)
	e.SessionAPI = definition("redfish")
	server := &published{responses: map[string]reply{
		"POST " + bmcSessions:           {201, map[string]string{"X-Auth-Token": canaryToken}, `{"@odata.id":"` + bmcSessions + `/17","Id":"17"}`},
		"GET " + bmcSessions + "/17":    json200(`{"@odata.id": "` + bmcSessions + `/17", "Id": "17", "UserName": "alice"}`),
		"DELETE " + bmcSessions + "/17": {status: 204},
	}}
	p := piped(t, e, server)
	for i := range 5 {
		if r := mustProbe(t, p); r.State != sessionapi.Valid || r.Logins != max(0, 1-i) {
			t.Errorf("probe %d: %s, %d logins: %s", i, r.State, r.Logins, r.Diagnosis)
		}
	}
	if did := closeProber(t, p); did.Logouts != 1 {
		t.Errorf("%d logouts, want 1", did.Logouts)
	}
}
