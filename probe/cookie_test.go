package probe

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/sessionapi"
)

// A session's cookie is sent back byte for byte, to the logout too.
func TestCookieSessionsByteForByte(t *testing.T) {
	for _, value := range []string{`"q/1=="`, `"a\073b"`, "a b", `{"id":1,"x":[2]}`} {
		appliance := &handwritten{
			post: []http.Handler{reply{200, map[string]string{"Set-Cookie": "sid=" + value + "; Path=/"}, `{}`}},
			get:  []http.Handler{json200(`{"user": "alice"}`)}, del: []http.Handler{reply{status: 204}},
		}
		p := piped(t, endpointOf(t, cookieAPI, sessionapi.AuthLogin), appliance)
		for range 2 {
			if r := mustProbe(t, p); r.State != sessionapi.Valid {
				t.Errorf("%s: %s", r.State, r.Diagnosis)
			}
		}
		closeProber(t, p)
		if got := appliance.methods(); got != "POST GET GET DELETE" {
			t.Errorf("sent %s, want POST GET GET DELETE", got)
		}
		for _, r := range appliance.got[1:] {
			if got := r.Header["Cookie"]; len(got) != 1 || got[0] != "sid="+value {
				t.Errorf("%s: Cookie: %q, want %q", r.Method, got, "sid="+value)
			}
		}
	}
}

// A session's cookie that is empty or has already expired establishes no session.
func TestExpiredCookieIsNeverSent(t *testing.T) {
	for _, set := range []string{"sid=gone; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "sid=gone; Max-Age=0", "sid="} {
		appliance := &handwritten{post: []http.Handler{reply{200, map[string]string{"Set-Cookie": set}, `{}`}}}
		p := piped(t, endpointOf(t, cookieAPI, sessionapi.AuthLogin), appliance)
		r := mustProbe(t, p)
		closeProber(t, p)
		if r.State != sessionapi.InvalidResponse || appliance.methods() != "POST" || !strings.Contains(r.Diagnosis, "its cookie sid") {
			t.Errorf("%s: %s after %s: %s", set, r.State, appliance.methods(), r.Diagnosis)
		}
	}
}

// settingCookies adds cookies to the responses of next.
func settingCookies(next http.Handler, cookies ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, cookie := range cookies {
			w.Header().Add("Set-Cookie", cookie)
		}
		next.ServeHTTP(w, r)
	}
}

// An appliance may set a session's cookie for another path with each response. The number of
// cookies that are kept is limited.
func TestSessionCookiesAreLimited(t *testing.T) {
	set := 0
	server := &routes{handlers: map[string]http.Handler{
		"POST /login": settingCookies(json200(`{}`), "sid=canary-t0ken; Path=/me"),
		"GET /me": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for range 100 {
				set++
				w.Header().Add("Set-Cookie", fmt.Sprintf("sid=canary-%d; Path=/%d", set, set%1000))
			}
			json200(`{"user": "alice"}`).ServeHTTP(w, r)
		}),
	}}
	p := piped(t, endpointOf(t, `
    login: {path: /login, send: basic}
    session: [{from: cookie, name: sid}]
    check: {path: /me}
    answer: {username: body.user}`, sessionapi.AuthLogin), server)
	for range 5 {
		mustProbe(t, p)
	}
	if got := len(p.sessions.session.cookies); got > maxKeptCookies {
		t.Errorf("%d cookies are kept, want at most %d", got, maxKeptCookies)
	}
}

// An appliance may change a session's cookie with each response.
func TestRollingCookies(t *testing.T) {
	const definition = `
    login: {path: /login, send: basic}
    session: [{from: cookie, name: sid}, {from: cookie, name: csrf, to: header, as: x-csrf}]
    check: {path: /api/me}
    logout: {path: /login}
    answer: {username: body.user}`
	me, down := json200(`{"user": "alice"}`), reply{status: 503}
	appliance := &handwritten{
		post: []http.Handler{settingCookies(reply{status: 200}, "sid=one; Path=/", "csrf=c1; Path=/")},
		get: []http.Handler{
			settingCookies(me, "sid=two; Path=/", "csrf=c2; Path=/", "other=x; Path=/"),
			settingCookies(down, "sid=three; Path=/"),
			settingCookies(me, "sid=api"), // for the default path, /api
			settingCookies(me, "sid=x; Path=/; Max-Age=0"),
			me,
		},
		del: []http.Handler{reply{status: 204}},
	}
	p := piped(t, endpointOf(t, definition, sessionapi.AuthLogin), appliance)
	for i := range 5 {
		if r := mustProbe(t, p); r.State != sessionapi.Valid && i != 1 || r.Logins != max(0, 1-i) {
			t.Errorf("probe %d: %s, %d logins: %s", i, r.State, r.Logins, r.Diagnosis)
		}
	}
	closeProber(t, p)
	var got []string
	for _, r := range appliance.got[1:] {
		got = append(got, r.Header.Get("Cookie")+" "+r.Header.Get("X-Csrf"))
	}
	want := []string{"sid=one c1", "sid=two c2", "sid=three c2", "sid=api; sid=three c2", "sid=api c2", " c2"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("sent\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A response that refuses a session may set the cookie of another one. The logout presents
// the cookie of the refused session nevertheless.
func TestRefusalDoesNotReplaceCookies(t *testing.T) {
	refused := settingCookies(reply{status: 401}, "sid=anonymous; Path=/")
	appliance := &handwritten{
		post: []http.Handler{settingCookies(reply{status: 200}, "sid=one; Path=/"), settingCookies(reply{status: 200}, "sid=two; Path=/")},
		get:  []http.Handler{refused, json200(`{"user": "alice"}`)},
		del:  []http.Handler{reply{status: 204}},
	}
	p := piped(t, endpointOf(t, cookieAPI, sessionapi.AuthLogin), appliance)
	if r := mustProbe(t, p); r.State != sessionapi.Valid || r.Logins != 2 || r.Logouts != 1 {
		t.Errorf("%s, %d logins, %d logouts: %s", r.State, r.Logins, r.Logouts, r.Diagnosis)
	}
	closeProber(t, p)
	var got []string
	for _, r := range appliance.got {
		got = append(got, r.Method+" "+r.Header.Get("Cookie"))
	}
	if want := "POST , GET sid=one, DELETE sid=one, POST , GET sid=two, DELETE sid=two"; strings.Join(got, ", ") != want {
		t.Errorf("sent %s, want %s", strings.Join(got, ", "), want)
	}
}

// A session whose cookies have expired is renewed, and the cookies are not sent.
func TestCookiesExpireBetweenProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		appliance := &handwritten{
			post: []http.Handler{settingCookies(reply{status: 200}, "sid=a; Path=/; Max-Age=150")},
			get:  []http.Handler{json200(`{"user": "alice"}`)}, del: []http.Handler{reply{status: 204}},
		}
		p := piped(t, endpointOf(t, cookieAPI, sessionapi.AuthLogin), appliance)
		logins, expired := 0, 0
		for _, r := range probesFor(t, p, 6*time.Minute) {
			if logins, expired = logins+r.Logins, expired+r.Expirations; r.State != sessionapi.Valid {
				t.Errorf("%s: %s", r.State, r.Diagnosis)
			}
		}
		if logins != 2 || expired != 1 {
			t.Errorf("%d logins, %d sessions expired, want 2 and 1", logins, expired)
		}
		for _, r := range appliance.got {
			if r.Method == http.MethodGet && r.Header.Get("Cookie") != "sid=a" {
				t.Errorf("Cookie: %s, want sid=a", r.Header.Get("Cookie"))
			}
		}
		closeProber(t, p)
	})
}

// If two cookies have the same name, each request gets the one for its path. A logout
// without a cookie is a failed logout.
func TestCookiesByPath(t *testing.T) {
	for logout, c := range map[string]struct{ cookie, counted string }{
		"/api/logout": {"sid=A", "1 logouts, 0 failed"},
		"/ui":         {"sid=B", "1 logouts, 0 failed"},
		"/login":      {"", "0 logouts, 1 failed"},
	} {
		definition := strings.NewReplacer("/me", "/api/me", "logout: {path: /login}", "logout: {path: "+logout+"}").Replace(cookieAPI)
		appliance := &handwritten{
			post: []http.Handler{settingCookies(reply{200, nil, "{}"}, "sid=A; Path=/api", "sid=B; Path=/ui")},
			get:  []http.Handler{json200(`{"user": "alice"}`)}, del: []http.Handler{reply{status: 204}},
		}
		p := piped(t, endpointOf(t, definition, sessionapi.AuthLogin), appliance)
		if r := mustProbe(t, p); r.State != sessionapi.Valid {
			t.Fatalf("%s: %s", r.State, r.Diagnosis)
		}
		did := closeProber(t, p)
		if got := fmt.Sprintf("%d logouts, %d failed", did.Logouts, did.LogoutFailures); got != c.counted {
			t.Errorf("%s: %s, want %s", logout, got, c.counted)
		}
		if check, last := appliance.got[1].Header.Get("Cookie"), appliance.got[2].Header.Get("Cookie"); check != "sid=A" || last != c.cookie {
			t.Errorf("%s: the check has Cookie: %s, the logout has %s, want sid=A and %s", logout, check, last, c.cookie)
		}
	}
}

// A part of the session may be optional, or in one of several places.
func TestOptionalSessionParts(t *testing.T) {
	const definition = `
    login: {path: /login, send: basic}
    session:
      - {from: cookie, name: route, optional: true}
      - {from: header, name: x-token, or: [{from: cookie, name: tok}, {from: body, name: 'data["a.b"]'}], prefix: "T "}
      - {from: header, name: x-csrf, optional: true}
    check: {path: /me}
    logout: {path: /login}
    answer: {username: body.user}`
	for name, c := range map[string]struct {
		login http.Handler
		want  string
	}{
		"header":        {reply{200, map[string]string{"X-Token": "h", "X-Csrf": "c"}, ""}, "cookie , token T h, csrf c"},
		"cookie":        {settingCookies(reply{200, nil, `{"data": {"a.b": "b"}}`}, "tok=k; Path=/", "route=r; Path=/"), "cookie route=r, token T k, csrf "},
		"body":          {reply{200, nil, `{"data": {"a.b": "b"}}`}, "cookie , token T b, csrf "},
		"not a session": {settingCookies(reply{200, map[string]string{"X-Csrf": "c"}, `{"data": {"b": "b"}}`}, "route=r; Path=/"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			appliance := &handwritten{post: []http.Handler{c.login}, get: []http.Handler{json200(`{"user": "alice"}`)}, del: []http.Handler{reply{status: 204}}}
			p := piped(t, endpointOf(t, definition, sessionapi.AuthLogin), appliance)
			r := mustProbe(t, p)
			closeProber(t, p)
			if c.want == "" {
				if why := "no session in its header x-token or its cookie tok or its field `data[\"a.b\"]`"; r.State != sessionapi.InvalidResponse || r.Unanswered != 1 || !strings.Contains(r.Diagnosis, why) {
					t.Errorf("%s, %d logins unanswered: %s\nwant %s, 1: … %s …", r.State, r.Unanswered, r.Diagnosis, sessionapi.InvalidResponse, why)
				}
				return
			}
			if r.State != sessionapi.Valid || appliance.methods() != "POST GET DELETE" {
				t.Fatalf("%s after %s: %s", r.State, appliance.methods(), r.Diagnosis)
			}
			for _, r := range appliance.got[1:] {
				if got := "cookie " + r.Header.Get("Cookie") + ", token " + r.Header.Get("X-Token") + ", csrf " + r.Header.Get("X-Csrf"); got != c.want {
					t.Errorf("%s: %s, want %s", r.Method, got, c.want)
				}
			}
		})
	}
}
