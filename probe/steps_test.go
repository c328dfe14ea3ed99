package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// threeSteps is a definition whose login fetches a CSRF token, sends the password, and
// exchanges the grant in the response for the session.
const threeSteps = `
    cookies: keep
    login:
      steps:
        - {path: /csrf, keep: {csrf: 'headers["x-csrf"]'}}
        - path: /login
          send: json
          headers: {x-csrf: "v1 $csrf", origin: $origin}
          body: {user: $username, pass: $password}
          keep: {grant: body.grant}
        - {path: "/exchange/$grant", send: form, body: {csrf: $csrf}}
    session: [{from: header, name: x-token}, {from: header, name: x-node, optional: true}]
    check: {path: /me}
    logout: {path: /login}
    answer: {username: body.user, message: body.message}`

// The values that steps keep. No Result may show them.
const (
	canaryCSRF  = "canary-csrf-1"
	canaryGrant = "canary-grant/2"
)

// routes has a handler for each "METHOD /path", and records the requests.
type routes struct {
	mu       sync.Mutex // guards the fields below
	handlers map[string]http.Handler
	got      []string // requests, as sent formats them
}

func (s *routes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := make([]byte, max(r.ContentLength, 0))
	_, _ = r.Body.Read(body)
	route := r.Method + " " + r.URL.EscapedPath()
	s.mu.Lock()
	line := sent(r, string(body))
	for _, name := range []string{"X-Csrf", "Origin"} {
		if value := r.Header.Get(name); value != "" {
			line += " " + name + "=" + value
		}
	}
	s.got = append(s.got, line)
	handler := s.handlers[route]
	s.mu.Unlock()
	if handler == nil {
		handler = reply{status: http.StatusNotFound}
	}
	handler.ServeHTTP(w, r)
}

// set replaces a handler.
func (s *routes) set(route string, handler http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers[route] = handler
}

// count returns the number of requests whose lines have this beginning.
func (s *routes) count(begin string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, line := range s.got {
		if strings.HasPrefix(line, begin) {
			n++
		}
	}
	return n
}

const exchangePath = "/exchange/canary-grant%2F2"

// threeStepServer returns a server for the definition threeSteps.
func threeStepServer() *routes {
	return &routes{handlers: map[string]http.Handler{
		"GET /csrf":            settingCookies(reply{200, map[string]string{"X-Csrf": canaryCSRF}, "<html>"}, "ROUTE=node-1; Path=/"),
		"POST /login":          json200(`{"grant": "` + canaryGrant + `"}`),
		"POST " + exchangePath: reply{200, map[string]string{"X-Token": canaryToken}, ""},
		"GET /me":              json200(`{"user": "alice"}`),
		"DELETE /login":        reply{status: 204},
	}}
}

// checkKept fails if a result shows a kept value.
func checkKept(t *testing.T, r *Result) {
	t.Helper()
	text := fmt.Sprintf("%+v %s %s", r.Steps, r.Diagnosis, r.Advice)
	for _, step := range r.Steps {
		text += fmt.Sprintf("%+v", step.Trace)
	}
	for _, kept := range []string{canaryCSRF, canaryGrant, "canary-grant"} {
		if strings.Contains(text, kept) {
			t.Errorf("%s shows in %s", kept, text)
		}
	}
}

// Each request of a login has the values that earlier responses gave, and the cookies. The
// trace shows each request, without the values.
func TestStepsOfLogin(t *testing.T) {
	server := threeStepServer()
	p := piped(t, endpointOf(t, threeSteps, sessionapi.AuthLogin), server)
	r, err := p.Probe(t.Context(), Options{Trace: true})
	if err != nil || r.State != sessionapi.Valid || r.Logins != 1 {
		t.Fatalf("%s, %v: %s", r.State, err, r.Diagnosis)
	}
	checkResult(t, *r)
	checkKept(t, r)
	var urls []string
	for _, step := range r.Steps {
		urls = append(urls, fmt.Sprintf("%s %s %s", step.Step, step.Method, strings.TrimPrefix(step.URL, "http://appliance.test")))
		if step.Trace == nil {
			t.Errorf("%s has no trace", step.URL)
		}
	}
	if got, want := strings.Join(urls, ", "), "login GET /csrf, login POST /login, login POST /exchange/$grant, check GET /me"; got != want {
		t.Errorf("traced %s, want %s", got, want)
	}
	if r := mustProbe(t, p); r.State != sessionapi.Valid || r.Logins != 0 {
		t.Errorf("%s, %d logins", r.State, r.Logins)
	}
	if r := closeProber(t, p); r.Logouts != 1 {
		t.Errorf("%d logouts", r.Logouts)
	}
	want := []string{
		"GET /csrf",
		`POST /login Cookie=ROUTE=node-1 {"user":"alice","pass":"canary-passw0rd"} X-Csrf=v1 canary-csrf-1 Origin=http://appliance.test`,
		"POST " + exchangePath + " Cookie=ROUTE=node-1 Content-Type=application/x-www-form-urlencoded csrf=canary-csrf-1",
		"GET /me Cookie=ROUTE=node-1 X-Token=canary-t0ken",
		"GET /me Cookie=ROUTE=node-1 X-Token=canary-t0ken",
		"DELETE /login Cookie=ROUTE=node-1 X-Token=canary-t0ken",
	}
	if strings.Join(server.got, "\n") != strings.Join(want, "\n") {
		t.Errorf("sent\n%s\nwant\n%s", strings.Join(server.got, "\n"), strings.Join(want, "\n"))
	}
}

// The state of a failed login depends on the step that failed: a 401 before the password is an
// invalid response, and a 401 after it refuses the grant. Only a login whose password was sent
// may leave a session, which is logged out or counted in Unanswered.
func TestStepsThatFail(t *testing.T) {
	withSession := map[string]string{"X-Token": canaryToken}
	aborts := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	const login, exchange = "POST /login", "POST " + exchangePath
	for name, c := range map[string]struct {
		route  string
		with   http.Handler
		state  sessionapi.State
		says   string
		counts string // logins, unanswered, logouts
	}{
		"an outage before the password":    {"GET /csrf", reply{status: 503}, sessionapi.ServerError, "Login (step 1 of 3)", "000"},
		"a 401 before the password":        {"GET /csrf", reply{status: 401}, sessionapi.InvalidResponse, "no secret had been sent yet", "000"},
		"forbidden without a password":     {"GET /csrf", reply{status: 403}, sessionapi.InvalidResponse, "no secret had been sent yet", "000"},
		"a redirect before the password":   {"GET /csrf", reply{302, map[string]string{"Location": "/sso"}, ""}, sessionapi.InvalidResponse, "a redirect", "000"},
		"no CSRF token":                    {"GET /csrf", json200(`{}`), sessionapi.InvalidResponse, "no value for `login.steps[0].keep.csrf`", "000"},
		"a page in place of a CSRF token":  {"GET /csrf", json200(`<html>`), sessionapi.InvalidResponse, "HTML page", "000"},
		"a CSRF token of 20 KiB":           {"GET /csrf", reply{200, map[string]string{"X-Csrf": strings.Repeat("x", 20<<10)}, ""}, sessionapi.InvalidResponse, "16 KiB", "000"},
		"a timeout before the password":    {"GET /csrf", hang, sessionapi.Timeout, "login (step 1 of 3)", "000"},
		"rate limited before the password": {"GET /csrf", reply{status: 429}, sessionapi.RateLimited, "", "000"},

		"a wrong password":                {login, reply{status: 401}, sessionapi.CredentialsRejected, "Wrong password", "100"},
		"an outage at the login":          {login, reply{status: 503}, sessionapi.ServerError, "Login (step 2 of 3) failed", "100"},
		"a login without a grant":         {login, json200(`{}`), sessionapi.InvalidResponse, "no value for `login.steps[1].keep.grant`", "110"},
		"a login without a response":      {login, aborts, sessionapi.Unreachable, "login (step 2 of 3)", "110"},
		"a failed login with a session":   {login, reply{503, withSession, ""}, sessionapi.ServerError, "", "101"},
		"a grant with a line break":       {login, json200(`{"grant": "a\nb"}`), sessionapi.InvalidResponse, "no HTTP header can carry", "110"},
		"a login that is no longer there": {login, reply{status: 404}, sessionapi.InvalidResponse, "does not exist", "100"},

		"the grant is refused":           {exchange, reply{status: 401}, sessionapi.SessionExpired, "accepts the password", "100"},
		"the grant is refused with 403":  {exchange, reply{status: 403}, sessionapi.SessionExpired, "accepts the password", "100"},
		"an outage at the exchange":      {exchange, reply{status: 503}, sessionapi.ServerError, "step 3 of 3", "100"},
		"an exchange without a session":  {exchange, json200(`{}`), sessionapi.InvalidResponse, "no session in its header x-token", "110"},
		"an exchange without a response": {exchange, aborts, sessionapi.Unreachable, "step 3 of 3", "110"},
		"an outage that gives a session": {exchange, reply{502, withSession, ""}, sessionapi.ServerError, "step 3 of 3", "101"},
		"an outage with half a session":  {exchange, reply{502, map[string]string{"X-Node": "n-1"}, ""}, sessionapi.ServerError, "", "110"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := threeStepServer()
				server.set(c.route, c.with)
				p := piped(t, endpointOf(t, threeSteps, sessionapi.AuthLogin), server)
				r := mustProbe(t, p)
				checkKept(t, &r)
				if r.State != c.state || !strings.Contains(r.Diagnosis, c.says) {
					t.Errorf("%s: %s\nwant %s: … %s …", r.State, r.Diagnosis, c.state, c.says)
				}
				if got := fmt.Sprint(r.Logins) + fmt.Sprint(r.Unanswered) + fmt.Sprint(r.Logouts); got != c.counts {
					t.Errorf("logins, unanswered, logouts: %s, want %s", got, c.counts)
				}
				if r.Logins != r.LoginFailures {
					t.Errorf("%d logins, but %d login failures", r.Logins, r.LoginFailures)
				}
				if wrote := server.count("POST /login"); wrote != r.Logins {
					t.Errorf("the password was sent %d times, and %d logins were counted", wrote, r.Logins)
				}
				closeProber(t, p)
			})
		})
	}
}

// A session that a step establishes is logged out if a later step fails.
func TestStepsSessionBeforeFailure(t *testing.T) {
	server := threeStepServer()
	server.set("POST /login", reply{200, map[string]string{"X-Token": canaryToken}, `{"grant": "` + canaryGrant + `"}`})
	for name, with := range map[string]http.Handler{"outage": reply{status: 503}, "refusal": reply{status: 401}, "closes": http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })} {
		server.set("POST "+exchangePath, with)
		r := mustProbe(t, piped(t, endpointOf(t, threeSteps, sessionapi.AuthLogin), server))
		if r.Logins != 1 || r.Logouts != 1 || r.State == sessionapi.Valid {
			t.Errorf("%s: %s, %d logins, %d logouts, want one of each", name, r.State, r.Logins, r.Logouts)
		}
	}
	if got := server.count("DELETE /login Cookie=ROUTE=node-1 X-Token=canary-t0ken"); got != 3 {
		t.Errorf("%d sessions were logged out, want 3", got)
	}
}

// A session that no header can carry can be neither presented nor ended. Later steps are not
// sent.
func TestStepsUnusableSession(t *testing.T) {
	definition := strings.Replace(threeSteps, "{from: header, name: x-token}", "{from: body, name: token, to: header, as: x-token}", 1)
	server := threeStepServer()
	server.set("POST /login", json200(`{"grant": "`+canaryGrant+`", "token": "a\nb"}`))
	r := mustProbe(t, piped(t, endpointOf(t, definition, sessionapi.AuthLogin), server))
	if r.State != sessionapi.InvalidResponse || r.Unanswered != 1 || r.Logouts != 0 || server.count("POST /exchange") != 0 || !strings.Contains(r.Diagnosis, "no HTTP header can carry") {
		t.Errorf("%s, %d unanswered, %d logouts after %q: %s", r.State, r.Unanswered, r.Logouts, server.got, r.Diagnosis)
	}
}

// A server may respond to a wrong password with success, and refuse it in a later step. The
// guard counts that as a refusal too.
func TestStepsRefusedLate(t *testing.T) {
	for name, refusal := range map[string]reply{"401": {status: 401}, "a message": {400, nil, `{"message": "wrong password"}`}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := threeStepServer()
				server.set("POST "+exchangePath, refusal)
				p := piped(t, endpointOf(t, threeSteps, sessionapi.AuthLogin), server)
				var r Result
				for range 60 {
					r = mustProbe(t, p)
					time.Sleep(10 * time.Second)
				}
				if got := server.count("POST /login"); got > 2 {
					t.Errorf("the password was sent %d times, want at most 2", got)
				}
				if r.State != sessionapi.LoginSuspended {
					t.Errorf("%s, want %s: %s", r.State, sessionapi.LoginSuspended, r.Diagnosis)
				}
				if got := server.count("GET /csrf"); got > 2 {
					t.Errorf("%d requests for the CSRF token, want at most 2, and none while the password is held back", got)
				}
				closeProber(t, p)
			})
		})
	}
}

// An outage of a later step is not a refusal, but starts a back-off.
func TestStepsOutageBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := threeStepServer()
		server.set("POST "+exchangePath, reply{status: 503})
		p := piped(t, endpointOf(t, threeSteps, sessionapi.AuthLogin), server)
		for range 60 {
			if r := mustProbe(t, p); r.State != sessionapi.ServerError {
				t.Fatalf("%s, want %s: %s", r.State, sessionapi.ServerError, r.Diagnosis)
			}
			time.Sleep(time.Minute)
		}
		if got := server.count("POST /login"); got < 20 || got > 40 {
			t.Errorf("%d logins in an hour, want 20 to 40", got)
		}
		server.set("POST "+exchangePath, reply{200, map[string]string{"X-Token": canaryToken}, ""})
		time.Sleep(2 * time.Minute)
		if r := mustProbe(t, p); r.State != sessionapi.Valid {
			t.Errorf("%s: %s", r.State, r.Diagnosis)
		}
		closeProber(t, p)
	})
}

// The response to the password may come after its probe: its session is logged out, and a
// refusal counts.
func TestStepsLateResponse(t *testing.T) {
	for _, status := range []int{200, 401} {
		synctest.Test(t, func(t *testing.T) {
			server := threeStepServer()
			server.set("POST /login", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(15 * time.Second)
				reply{status, map[string]string{"X-Token": canaryToken}, `{"grant": "` + canaryGrant + `"}`}.ServeHTTP(w, r)
			}))
			p := piped(t, endpointOf(t, threeSteps, sessionapi.AuthLogin), server)
			r := mustProbe(t, p)
			if r.State != sessionapi.Timeout || r.Logins != 1 {
				t.Errorf("%s, %d logins: %s", r.State, r.Logins, r.Diagnosis)
			}
			time.Sleep(10 * time.Second)
			if got := server.count("DELETE /login"); got != 1 {
				t.Errorf("%d: %d logouts, want 1", status, got)
			}
			_, refusals := p.credential.guard.Status(func(string) bool { return true })
			if want := map[int]int{200: 0, 401: 1}[status]; refusals != want {
				t.Errorf("%d: %d refusals, want %d", status, refusals, want)
			}
			closeProber(t, p)
		})
	}
}

// A shutdown does not interrupt a login after the password was sent: its session would be
// lost.
func TestStepsAtShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := threeStepServer()
		ctx, cancel := context.WithCancel(t.Context())
		server.set("POST /login", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			cancel()
			time.Sleep(time.Second)
			json200(`{"grant": "`+canaryGrant+`"}`).ServeHTTP(w, r)
		}))
		p := piped(t, endpointOf(t, threeSteps, sessionapi.AuthLogin), server)
		if _, err := p.Probe(ctx, Options{}); !errors.Is(err, context.Canceled) {
			t.Errorf("the probe ended with %v, want %v", err, context.Canceled)
		}
		if r := closeProber(t, p); r.Logouts != 1 || server.count("POST "+exchangePath) != 1 {
			t.Errorf("%d logouts after %q", r.Logouts, server.got)
		}
	})
}

// The requests of a check have the tenant and the link of earlier responses. A link to
// another host leads to the endpoint nevertheless.
func TestStepsOfCheck(t *testing.T) {
	const definition = `
    session: [{from: header, name: x-token}]
    check:
      steps:
        - {path: /tenants, keep: {tenant: 'body.tenants[0].id', next: body.links.next}}
        - {path: $next}
        - {path: "/tenants/$tenant/me", headers: {x-csrf: $tenant}}
    answer: {username: body.user}`
	server := &routes{handlers: map[string]http.Handler{
		"GET /tenants":       json200(`{"tenants": [{"id": 42}], "links": {"next": "https://elsewhere.test/canary-link/2?page=2 a"}}`),
		"GET /canary-link/2": json200(`{}`),
		"GET /tenants/42/me": json200(`{"user": "alice"}`),
	}}
	p := piped(t, endpointOf(t, definition, sessionapi.AuthToken), server)
	r, err := p.Probe(t.Context(), Options{Trace: true})
	if err != nil || r.State != sessionapi.Valid || r.Identity == nil || r.Identity.Username != "alice" {
		t.Fatalf("%s, %v: %s", r.State, err, r.Diagnosis)
	}
	text := ""
	for _, step := range r.Steps {
		text += fmt.Sprintf("%+v %+v", step, step.Trace)
	}
	if strings.Contains(text, "canary-link") || strings.Contains(text, "elsewhere") {
		t.Errorf("the link shows in %s", text)
	}
	want := "GET /tenants X-Token=canary-t0ken\nGET /canary-link/2?page=2%20a X-Token=canary-t0ken\nGET /tenants/42/me X-Token=canary-t0ken X-Csrf=42"
	if got := strings.Join(server.got, "\n"); got != want {
		t.Errorf("sent\n%s\nwant\n%s", got, want)
	}
	server.set("GET /canary-link/2", reply{status: 401})
	if r := mustProbe(t, p); r.State != sessionapi.SessionExpired {
		t.Errorf("%s, want %s: %s", r.State, sessionapi.SessionExpired, r.Diagnosis)
	}
	server.set("GET /canary-link/2", reply{status: 503})
	if r := mustProbe(t, p); r.State != sessionapi.ServerError || !strings.Contains(r.Diagnosis, "check (step 2 of 3)") {
		t.Errorf("%s, want %s: %s", r.State, sessionapi.ServerError, r.Diagnosis)
	}
}

// Each request of a check with HTTP Basic sends the password: a refusal of any of them
// counts, and the permit of the guard lasts for all.
func TestStepsWithBasic(t *testing.T) {
	const definition = `
    auth: [basic]
    check: {steps: [{path: /public, keep: {id: body.id}}, {path: /me}]}
    answer: {username: body.user}`
	synctest.Test(t, func(t *testing.T) {
		server := &routes{handlers: map[string]http.Handler{"GET /public": json200(`{"id": 7}`), "GET /me": json200(`{"user": "alice"}`)}}
		p := piped(t, endpointOf(t, definition, sessionapi.AuthBasic), server)
		if r := mustProbe(t, p); r.State != sessionapi.Valid {
			t.Fatalf("%s: %s", r.State, r.Diagnosis)
		}
		server.set("GET /me", reply{status: 401})
		for range 30 {
			mustProbe(t, p)
			time.Sleep(30 * time.Second)
		}
		if got := server.count("GET /me") - 1; got > 3 { // an accepted secret is tried once more
			t.Errorf("%d refusals, want at most 3", got)
		}
		closeProber(t, p)
	})
}

// A load balancer's cookie is kept with the session, whatever its name and expiry. It
// neither establishes nor ends the session.
func TestCookiesKept(t *testing.T) {
	const definition = `
    cookies: keep
    login: {path: /login, send: basic}
    session: [{from: cookie, name: SID}]
    check: {path: /me}
    logout: {path: /login}
    answer: {username: body.user}`
	synctest.Test(t, func(t *testing.T) {
		server := &routes{handlers: map[string]http.Handler{
			"POST /login":   settingCookies(reply{status: 200}, "SID=s-1; Path=/", "LB=node-1; Path=/; Max-Age=90"),
			"GET /me":       json200(`{"user": "alice"}`),
			"DELETE /login": reply{status: 204},
		}}
		p := piped(t, endpointOf(t, definition, sessionapi.AuthLogin), server)
		for i := range 4 {
			if i == 3 { // the load balancer moves the session
				server.set("GET /me", settingCookies(json200(`{"user": "alice"}`), "LB=node-2; Path=/"))
			}
			if r := mustProbe(t, p); r.State != sessionapi.Valid || r.Expirations != 0 {
				t.Errorf("probe %d: %s, %d expirations", i, r.State, r.Expirations)
			}
			time.Sleep(time.Minute)
		}
		closeProber(t, p)
		want := []string{
			"POST /login Authorization=Basic YWxpY2U6Y2FuYXJ5LXBhc3N3MHJk", "GET /me Cookie=SID=s-1; LB=node-1", "GET /me Cookie=SID=s-1; LB=node-1",
			"GET /me Cookie=SID=s-1", "GET /me Cookie=SID=s-1", "DELETE /login Cookie=SID=s-1; LB=node-2",
		}
		if got := strings.Join(server.got, "\n"); got != strings.Join(want, "\n") {
			t.Errorf("sent\n%s\nwant\n%s", got, strings.Join(want, "\n"))
		}
	})
}

// A CSRF token that is a cookie and a part of the session is sent in its header and, with
// all cookies, as a cookie too.
func TestCookiesKeptWithCSRFToken(t *testing.T) {
	const definition = `
    cookies: keep
    login:
      steps:
        - {path: /form, keep: {csrf: 'cookies["csrftoken"]'}}
        - {path: /form, send: form, headers: {x-csrf: $csrf}, body: {user: $username, pass: $password}, success: [302]}
    session: [{from: cookie, name: sid}, {from: cookie, name: csrftoken, to: header, as: x-csrf}]
    check: {path: /me}
    logout: {method: POST, path: /logout, success: [302]}
    answer: {username: body.user}`
	server := &routes{handlers: map[string]http.Handler{
		"GET /form":    settingCookies(reply{200, nil, "<html>"}, "csrftoken=c-1; Path=/", "sid=anonymous; Path=/"),
		"POST /form":   settingCookies(reply{302, map[string]string{"Location": "/"}, "<html>"}, "csrftoken=c-2; Path=/", "sid=s-2; Path=/"),
		"GET /me":      json200(`{"user": "alice"}`),
		"POST /logout": reply{302, map[string]string{"Location": "/form"}, ""},
	}}
	p := piped(t, endpointOf(t, definition, sessionapi.AuthLogin), server)
	if r := mustProbe(t, p); r.State != sessionapi.Valid {
		t.Errorf("%s: %s", r.State, r.Diagnosis)
	}
	if r := closeProber(t, p); r.Logouts != 1 {
		t.Errorf("%d logouts", r.Logouts)
	}
	want := []string{
		"GET /form",
		"POST /form Cookie=sid=anonymous; csrftoken=c-1 Content-Type=application/x-www-form-urlencoded user=alice&pass=canary-passw0rd X-Csrf=c-1",
		"GET /me Cookie=sid=s-2; csrftoken=c-2 X-Csrf=c-2",
		"POST /logout Cookie=sid=s-2; csrftoken=c-2 X-Csrf=c-2",
	}
	if got := strings.Join(server.got, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("sent\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}

	// A refused login leaves the anonymous session of the form, which nothing needs to end.
	server.set("POST /form", reply{401, nil, "<html>"})
	if r := mustProbe(t, piped(t, endpointOf(t, definition, sessionapi.AuthLogin), server)); r.State != sessionapi.CredentialsRejected || r.Logouts != 0 || r.Unanswered != 0 {
		t.Errorf("%s, %d logouts, %d unanswered: %s", r.State, r.Logouts, r.Unanswered, r.Diagnosis)
	}
}

// The number of kept cookies is limited, however many a server sets.
func TestCookiesKeptAreLimited(t *testing.T) {
	const definition = `
    cookies: keep
    login: {path: /login, send: basic}
    session: [{from: header, name: x-token}]
    check: {path: /me}
    answer: {username: body.user}`
	n, largest := 0, 0
	server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		largest = max(largest, strings.Count(r.Header.Get("Cookie"), "="))
		for range 40 {
			n++
			w.Header().Add("Set-Cookie", fmt.Sprintf("c%d=%d; Path=/", n, n))
		}
		w.Header().Add("Set-Cookie", "long="+strings.Repeat("x", 5000))
		reply{200, map[string]string{"X-Token": canaryToken}, `{"user": "alice"}`}.ServeHTTP(w, r)
	})
	p := piped(t, endpointOf(t, definition, sessionapi.AuthLogin), server)
	for range 5 {
		if r := mustProbe(t, p); r.State != sessionapi.Valid {
			t.Fatalf("%s: %s", r.State, r.Diagnosis)
		}
	}
	if largest < 40 || largest > 50 {
		t.Errorf("a request had %d cookies, want 40 to 50", largest)
	}
}

// A body with other secrets is shown neither in a trace nor as the message of an error, whatever
// the number of requests.
func TestSecretBodyIsNotShown(t *testing.T) {
	const canaryOther = "canary-of-another-account"
	for name, check := range map[string]string{
		"one request":  `{path: /me, secret_body: true}`,
		"two requests": `{steps: [{path: /accounts, keep: {id: body.id}}, {path: /me}], secret_body: true}`,
	} {
		definition := "\n    session: [{from: header, name: x-token}]\n    check: " + check + "\n    answer: {username: body.user}"
		server := &routes{handlers: map[string]http.Handler{"GET /accounts": json200(`{"id": 7, "password": "` + canaryOther + `"}`)}}
		p := piped(t, endpointOf(t, definition, sessionapi.AuthToken), server)
		for _, response := range []reply{
			json200(`{"user": "alice", "password": "` + canaryOther + `"}`),
			{404, nil, "password: " + canaryOther},
			{500, nil, "password: " + canaryOther},
		} {
			server.set("GET /me", response)
			r, err := p.Probe(t.Context(), Options{Trace: true})
			if err != nil {
				t.Fatal(err)
			}
			text := fmt.Sprintf("%+v", r)
			for _, step := range r.Steps {
				text += fmt.Sprintf("%+v", step.Trace)
			}
			if strings.Contains(text, canaryOther) {
				t.Errorf("%s, status %d: the body of the response is shown: %s", name, response.status, text)
			}
		}
	}
}

// A server that responds to a wrong password with success may forbid a later step. Unless the
// definition has the response's code, a 403 does not prove that the password was accepted, and
// counts as a refusal.
func TestStepsForbiddenLate(t *testing.T) {
	definition := threeSteps + "\n    error_codes: {NO_TENANT: forbidden}"
	for name, c := range map[string]struct {
		forbids reply
		state   sessionapi.State
		logins  int // at most
	}{
		"without a code":      {reply{status: 403}, sessionapi.LoginSuspended, 2},
		"with an unknown one": {reply{403, nil, `{"code": "USER_LOCKED_OUT"}`}, sessionapi.LoginSuspended, 2},
		"without permission":  {reply{403, nil, `{"code": "NO_TENANT"}`}, sessionapi.Forbidden, 12},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := threeStepServer()
				server.set("POST "+exchangePath, c.forbids)
				p := piped(t, endpointOf(t, strings.Replace(definition, "message: body.message", "error_code: body.code", 1), sessionapi.AuthLogin), server)
				var r Result
				for range 15 {
					r = mustProbe(t, p)
					time.Sleep(time.Minute)
				}
				if got := server.count("POST /login"); got > c.logins || r.State != c.state {
					t.Errorf("%s after %d logins, want %s after at most %d: %s", r.State, got, c.state, c.logins, r.Diagnosis)
				}
				closeProber(t, p)
			})
		})
	}
}

// A success that arrives after its probe's timeout, in the middle of a login, does not mean that
// the password was accepted: it must not renew the budget of a server that refuses the password
// in the next step.
func TestStepsLateSuccessAcceptsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := threeStepServer()
		logins := 0
		server.set("POST /login", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			logins++
			if logins%2 == 0 {
				time.Sleep(15 * time.Second)
			}
			json200(`{"grant": "`+canaryGrant+`"}`).ServeHTTP(w, r)
		}))
		server.set("POST "+exchangePath, reply{status: 401})
		p := piped(t, endpointOf(t, threeSteps, sessionapi.AuthLogin), server)
		for range 60 {
			mustProbe(t, p)
			time.Sleep(time.Minute)
		}
		if got := server.count("POST " + exchangePath); got > 4 {
			t.Errorf("the password was refused %d times in an hour, want at most 4", got)
		}
		closeProber(t, p)
	})
}

// If the definition lists the statuses of success, the login form again is not a success. The
// password may be wrong, so that counts as a refusal.
func TestStepsFormAgain(t *testing.T) {
	definition := strings.Replace(threeSteps, "send: json", "send: json\n          success: [302]", 1)
	synctest.Test(t, func(t *testing.T) {
		server := threeStepServer()
		server.set("POST /login", reply{200, nil, "<html>Please try again"})
		p := piped(t, endpointOf(t, definition, sessionapi.AuthLogin), server)
		for range 15 {
			mustProbe(t, p)
			time.Sleep(time.Minute)
		}
		if got := server.count("POST /login"); got > 2 {
			t.Errorf("the password was sent %d times, want at most 2", got)
		}
		closeProber(t, p)
	})
}

// A login has one password, even if that changes between two requests: a refusal counts for the
// password that was sent.
func TestStepsPasswordChanges(t *testing.T) {
	const definition = `
    login:
      steps:
        - {path: /a, send: json, body: {pass: $password}}
        - {path: /b, send: json, body: {pass: $password}}
    session: [{from: header, name: x-token}]
    check: {path: /me}
    answer: {username: body.user}`
	synctest.Test(t, func(t *testing.T) {
		e := endpointOf(t, definition, sessionapi.AuthLogin)
		file := filepath.Join(t.TempDir(), "password")
		write := func(text string) {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Error(err)
			}
		}
		write("canary-old-passw0rd")
		e.Credential.Secret.Inline, e.Credential.Secret.File = secret.Secret{}, file
		var passwords []string
		server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			passwords = append(passwords, r.URL.Path+" "+string(body))
			write("canary-new-passw0rd")
			time.Sleep(2 * time.Second) // until it is read again
			reply{status: map[string]int{"/a": 200, "/b": 401}[r.URL.Path], body: "{}"}.ServeHTTP(w, r)
		})
		p := piped(t, e, server)
		for range 10 {
			mustProbe(t, p)
			time.Sleep(time.Minute)
		}
		const want = `/a {"pass":"canary-old-passw0rd"}, /b {"pass":"canary-old-passw0rd"}, /a {"pass":"canary-new-passw0rd"}, /b {"pass":"canary-new-passw0rd"}`
		if got := strings.Join(passwords, ", "); got != want {
			t.Errorf("sent %s, want %s", got, want)
		}
		closeProber(t, p)
	})
}

// Any request of a check may report the expiry, and an outage of a later one does not discard it.
func TestStepsExpiry(t *testing.T) {
	const definition = `
    session: [{from: header, name: x-token}]
    check: {steps: [{path: /token, keep: {id: body.id}}, {path: /me}]}
    answer: {username: body.user, expiry: body.exp}`
	const without, with = `{"id": 7, "user": "alice"}`, `{"id": 7, "user": "alice", "exp": 1900000000}`
	for _, c := range []struct{ name, token, me string }{{"first", with, without}, {"last", without, with}} {
		server := &routes{handlers: map[string]http.Handler{"GET /token": json200(c.token), "GET /me": json200(c.me)}}
		p := piped(t, endpointOf(t, definition, sessionapi.AuthToken), server)
		for _, me := range []http.Handler{json200(c.me), reply{status: 503}} {
			server.set("GET /me", me)
			if r := mustProbe(t, p); r.CredentialExpiries["api"].Unix() != 1900000000 {
				t.Errorf("%s: %s, and the expiry is %v", c.name, r.State, r.CredentialExpiries)
			}
		}
		server.set("GET /token", json200(without))
		server.set("GET /me", json200(without))
		if r := mustProbe(t, p); len(r.CredentialExpiries) > 0 {
			t.Errorf("%s: the expiry is %v, want none", c.name, r.CredentialExpiries)
		}
	}
}

// The response to the request after the password may come after its probe, too: its session is
// logged out, and a refusal counts.
func TestStepsLateLastResponse(t *testing.T) {
	for status, want := range map[int]string{200: "1 logouts, 0 refusals, 0 unanswered", 401: "0 logouts, 1 refusals, 0 unanswered", 503: "0 logouts, 0 refusals, 0 unanswered", 0: "0 logouts, 0 refusals, 1 unanswered"} {
		synctest.Test(t, func(t *testing.T) {
			server := threeStepServer()
			server.set("POST "+exchangePath, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(15 * time.Second)
				header := map[string]string{}
				switch status {
				case 0:
					panic(http.ErrAbortHandler)
				case 200:
					header["X-Token"] = canaryToken
				}
				reply{status, header, ""}.ServeHTTP(w, r)
			}))
			p := piped(t, endpointOf(t, threeSteps, sessionapi.AuthLogin), server)
			r := mustProbe(t, p)
			if r.State != sessionapi.Timeout || r.Logins != 1 || r.Unanswered != 0 || !strings.Contains(r.Diagnosis, "step 3 of 3") {
				t.Errorf("%s, %d logins, %d unanswered: %s", r.State, r.Logins, r.Unanswered, r.Diagnosis)
			}
			time.Sleep(10 * time.Second)
			_, refusals := p.credential.guard.Status(func(string) bool { return true })
			r = *closeProber(t, p)
			if got := fmt.Sprintf("%d logouts, %d refusals, %d unanswered", server.count("DELETE /login"), refusals, r.Unanswered); got != want {
				t.Errorf("%d: %s, want %s", status, got, want)
			}
		})
	}
}

// A session of an earlier request is logged out if the last one gets no response, even late.
func TestStepsSessionBeforeSilence(t *testing.T) {
	for name, definition := range map[string]string{
		"last request without the password": threeSteps,
		"last request with the password":    strings.Replace(threeSteps, "{csrf: $csrf}", "{pass: $password}", 1),
	} {
		synctest.Test(t, func(t *testing.T) {
			server := threeStepServer()
			server.set("POST /login", reply{200, map[string]string{"X-Token": canaryToken}, `{"grant": "` + canaryGrant + `"}`})
			server.set("POST "+exchangePath, hang)
			p := piped(t, endpointOf(t, definition, sessionapi.AuthLogin), server)
			if r := mustProbe(t, p); r.State != sessionapi.Timeout {
				t.Errorf("%s, want %s: %s", r.State, sessionapi.Timeout, r.Diagnosis)
			}
			time.Sleep(time.Minute)
			closeProber(t, p)
			if got := server.count("DELETE /login"); got != 1 {
				t.Errorf("%s: %d logouts, want 1", name, got)
			}
		})
	}
}
