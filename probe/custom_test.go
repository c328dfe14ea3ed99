package probe

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	promconfig "github.com/prometheus/common/config"

	"session_exporter/config"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// endpointOf returns an endpoint of the API that a definition describes.
func endpointOf(tb testing.TB, definition string, auth sessionapi.Auth) *config.Endpoint {
	tb.Helper()
	text := "apis:\n  own:\n" + definition + "\nmodules: {m: {api: own}}"
	settings, err := config.Parse([]byte(text), "own.yml")
	if err != nil {
		tb.Fatalf("%v\n%s", err, text)
	}
	e := endpointFor("own", auth)
	e.SessionAPI = settings.APIs["own"]
	return e
}

// sent formats a request as one line, with the headers that APIs use.
func sent(r *http.Request, body string) string {
	var b strings.Builder
	b.WriteString(r.Method + " " + r.URL.RequestURI())
	for _, name := range []string{"Authorization", "Cookie", "X-Token", "X-Xsrf-Token", "Content-Type", "Accept"} {
		if value := r.Header.Get(name); value != "" && value != "application/json" {
			b.WriteString(" " + name + "=" + value)
		}
	}
	if body != "" {
		b.WriteString(" " + body)
	}
	return b.String()
}

// APIs differ in how a password is sent, and in how a session is returned and
// presented.
func TestCustomRequests(t *testing.T) {
	const basic = "Basic YWxpY2U6Y2FuYXJ5LXBhc3N3MHJk"
	const who = "\n    answer: {username: body.user}"
	for _, c := range []struct {
		name, definition string
		auth             sessionapi.Auth
		login            reply
		want             []string
	}{
		{
			"form, a cookie and a header", `
    login: {path: /login, send: form, body: {user: $username, pass: $password, cost: "$$5 & more"}}
    session: [{from: cookie, name: SID}, {from: header, name: x-xsrf-token}]
    check: {path: /me}
    logout: {method: POST, path: /logout}`, sessionapi.AuthLogin,
			reply{200, map[string]string{"Set-Cookie": "SID=" + canaryToken + "; Path=/; HttpOnly", "X-Xsrf-Token": canaryToken + "2", "X-Other": "x"}, ""},
			[]string{
				"POST /login Content-Type=application/x-www-form-urlencoded user=alice&pass=canary-passw0rd&cost=%245+%26+more",
				"GET /me Cookie=SID=canary-t0ken X-Xsrf-Token=canary-t0ken2",
				"POST /logout Cookie=SID=canary-t0ken X-Xsrf-Token=canary-t0ken2",
			},
		},
		{
			"JSON, nested; a bearer token in the body", `
    headers: {accept: application/vnd.own+json}
    login: {method: PUT, path: "/users/$username/login?tenant=1", send: json, body: {auth: {user: $username, keys: [$password, 7, true, null]}, remember: false}}
    session: [{from: body, name: data.token, to: header, as: authorization, prefix: "Bearer "}]
    check: {path: "/me?fields=user"}`, sessionapi.AuthLogin,
			reply{200, nil, `{"data": {"token": "` + canaryToken + `"}}`},
			[]string{
				`PUT /users/alice/login?tenant=1 Accept=application/vnd.own+json {"auth":{"user":"alice","keys":["canary-passw0rd",7,true,null]},"remember":false}`,
				"GET /me?fields=user Authorization=Bearer canary-t0ken Accept=application/vnd.own+json",
			},
		},
		{
			"the whole body, an address", `
    login: {path: /login, send: basic}
    session: [{from: body, to: header, as: x-token}, {from: header, name: location, to: path}]
    check: {path: $session}
    logout: {path: "$session?now=1"}`, sessionapi.AuthLogin,
			reply{201, map[string]string{"Location": "https://elsewhere.test/sessions/a%2Fb?secret=1"}, `"` + canaryToken + `"`},
			[]string{
				"POST /login Authorization=" + basic,
				"GET /sessions/a%2Fb X-Token=canary-t0ken",
				"DELETE /sessions/a%2Fb?now=1 X-Token=canary-t0ken",
			},
		},
		{
			"a token in a cookie", `
    session: [{from: cookie, name: SID}]
    check: {path: /me}`, sessionapi.AuthToken,
			reply{},
			[]string{"GET /me Cookie=SID=canary-t0ken"},
		},
		{
			"a token in a form", `
    auth: [bearer]
    check: {method: POST, path: /introspect, send: form, body: {token: $token, hint: access_token}}`, sessionapi.AuthBearer,
			reply{},
			[]string{"POST /introspect Authorization=Bearer canary-t0ken Content-Type=application/x-www-form-urlencoded token=canary-t0ken&hint=access_token"},
		},
		{
			"nothing but a password", `
    auth: [basic]
    check: {method: POST, path: /me, body: {kind: Review}}`, sessionapi.AuthBasic,
			reply{},
			[]string{"POST /me Authorization=" + basic + ` {"kind":"Review"}`},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := endpointOf(t, c.definition+who, c.auth)
			ok := reply{200, map[string]string{"Set-Cookie": "tracking=1"}, `{"user": "alice"}`}
			appliance := &handwritten{get: []http.Handler{ok}, post: []http.Handler{ok}, del: []http.Handler{ok}}
			if c.auth == sessionapi.AuthLogin {
				appliance.post = []http.Handler{c.login, ok}
			}
			server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPut {
					c.login.ServeHTTP(w, r)
					return
				}
				appliance.ServeHTTP(w, r)
			})
			var handler http.Handler = appliance
			if strings.HasPrefix(c.want[0], "PUT") {
				handler = recorded(appliance, server)
			}
			p := piped(t, e, handler)
			r := mustProbe(t, p)
			if r.State != sessionapi.Valid {
				t.Errorf("%s: %s", r.State, r.Diagnosis)
			}
			for _, step := range r.Steps {
				if strings.Contains(step.URL, "a%2Fb") {
					t.Errorf("the session shows in %s", step.URL)
				}
			}
			logouts, left := 0, r.Logins // without a logout, a session is left behind
			if strings.Contains(c.definition, "logout:") {
				logouts, left = 1, 0
			}
			if did := closeProber(t, p); did.Logouts != logouts || did.LogoutFailures != left {
				t.Errorf("closing made %d logouts and left %d sessions, want %d and %d", did.Logouts, did.LogoutFailures, logouts, left)
			}
			var got []string
			for i, request := range appliance.got {
				got = append(got, sent(request, appliance.body[i]))
			}
			if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("sent\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// A username arrives unchanged in a path and in a query, whatever its characters.
func TestCustomUsernameInPath(t *testing.T) {
	const name, rest = "svc+mon&admin=1@corp/a?b c%#", `", send: basic}
    session: [{from: body, name: token, to: header, as: x-token}]
    check: {path: /me}
    answer: {username: body.user}`
	given := reply{200, nil, `{"token": "` + canaryToken + `"}`}
	for path, decoded := range map[string]string{
		"/users/$username/login":          "/users/" + name + "/login",
		"/login?user=$username&tenant=$$": "/login",
	} {
		e := endpointOf(t, `    login: {path: "`+path+rest, sessionapi.AuthLogin)
		e.Credential.Username = name
		appliance := &handwritten{post: []http.Handler{given}, get: []http.Handler{reply{200, nil, `{"user": "alice"}`}}}
		if r := mustProbe(t, piped(t, e, appliance)); r.State != sessionapi.Valid {
			t.Fatalf("%s: %s", r.State, r.Diagnosis)
		}
		login := appliance.got[0].URL
		if login.Path != decoded {
			t.Errorf("%s: the path is %q, want %q", path, login.Path, decoded)
		}
		if query := login.Query(); strings.Contains(path, "?") && (query.Get("user") != name || query.Get("tenant") != "$" || len(query) != 2) {
			t.Errorf("%s: the query is %v", path, query)
		}
	}
}

// A module's header takes precedence over its API's, and that over the exporter's. A
// cookie is sent in addition to the session's.
func TestCustomHeaders(t *testing.T) {
	const definition = `
    headers: {accept: application/vnd.own+json, x-xsrf-token: ours}
    session: [{from: cookie, name: SID}]
    check: {path: /me}
    answer: {username: body.user}
`
	header := func(value string) promconfig.Header { return promconfig.Header{Values: []string{value}} }
	for _, c := range []struct {
		name    string
		headers map[string]promconfig.Header
		want    string
	}{
		{"the API's alone", nil, "GET /me Cookie=SID=canary-t0ken X-Xsrf-Token=ours Accept=application/vnd.own+json"},
		{
			"the module's",
			map[string]promconfig.Header{"accept": header("text/json"), "X-Xsrf-Token": header("theirs"), "cookie": header("gate=1; lang=en")},
			"GET /me Cookie=gate=1; lang=en; SID=canary-t0ken X-Xsrf-Token=theirs Accept=text/json",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := endpointOf(t, definition, sessionapi.AuthToken)
			e.HTTP.Headers = &promconfig.Headers{Headers: c.headers}
			appliance := &handwritten{get: []http.Handler{reply{200, nil, `{"user": "alice"}`}}}
			if r := mustProbe(t, piped(t, e, appliance)); r.State != sessionapi.Valid {
				t.Errorf("%s: %s", r.State, r.Diagnosis)
			}
			if got := sent(appliance.got[0], ""); got != c.want {
				t.Errorf("sent %s\nwant %s", got, c.want)
			}
		})
	}
}

// recorded serves next, and adds each PUT to the requests that h received.
func recorded(h *handwritten, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut {
			next.ServeHTTP(w, r)
			return
		}
		body := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(body)
		h.mu.Lock()
		h.got, h.body = append(h.got, r), append(h.body, string(body))
		h.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

const whoAmI = `
    session: [{from: header, name: x-token}]
    check: {path: /me}
`

// The meaning of a response follows from expressions, error codes and rules.
func TestCustomResponses(t *testing.T) {
	const typed = whoAmI + `
    body: {user: {name: text, roles: [text]}, active: bool, code: number, n: any}
    error_codes: {"7": forbidden, "8":}
    answer: {username: body.user.name, authenticated: body.active, roles: body.user.roles, error_code: body.code, organizations: 'body.user.roles.map(r, r + "!")'}
    states:
      - {when: body.code == 9.0 && ok, state: rate_limited, why: it says nine}
      - {when: 'headers["x-down"] == "yes"', state: server_error}
      - {when: 'status == 404', state: session_expired, why: there is no such session}
`
	const plain = whoAmI + `
    answer: {username: body.name, roles: 'body.groups.map(g, g.name)', version: string(body.n / 2.0), organization: 'body.?org.orValue("none")'}
`
	for _, c := range []struct {
		name, definition string
		reply            reply
		state            sessionapi.State
		why              string
	}{
		{"valid", typed, reply{200, nil, `{"active": true, "user": {"name": "alice", "roles": ["a"]}}`}, sessionapi.Valid, `"alice"`},
		{"no user", typed, reply{200, nil, `{"active": true}`}, sessionapi.SessionExpired, "it names no user"},
		{"no roles", typed, reply{200, nil, `{"active": true, "user": {"name": "alice"}}`}, sessionapi.InvalidResponse, "`answer.organizations`"},
		{"not active", typed, reply{200, nil, `{"active": false, "user": {"name": "alice", "roles": []}}`}, sessionapi.SessionExpired, "`authenticated` is false"},
		{"no active field", typed, reply{200, nil, `{"user": {"name": "alice", "roles": []}}`}, sessionapi.SessionExpired, "`authenticated` is false"},
		{"blank name", typed, reply{200, nil, `{"active": true, "user": {"name": " ", "roles": []}}`}, sessionapi.SessionExpired, "names no user"},
		{"name null", typed, reply{200, nil, `{"active": true, "user": {"name": null, "roles": []}}`}, sessionapi.SessionExpired, "names no user"},
		{"empty", typed, reply{200, nil, ``}, sessionapi.SessionExpired, "`authenticated` is false"},
		{"wrong type", typed, reply{200, nil, `{"user": {"name": 7}}`}, sessionapi.InvalidResponse, "its field `user.name` has the wrong type, a JSON number"},
		{"a list", typed, reply{200, nil, `[]`}, sessionapi.InvalidResponse, "a JSON array instead of an object"},
		{"a code", typed, reply{200, nil, `{"code": 7}`}, sessionapi.Forbidden, "200 7"},
		{"a code without a meaning", typed, reply{400, nil, `{"code": 8}`}, sessionapi.BadRequest, "400 8"},
		{"a rule", typed, reply{200, nil, `{"code": 9}`}, sessionapi.RateLimited, "limits the rate of requests"},
		{"a header", typed, reply{400, map[string]string{"X-Down": "yes"}, ``}, sessionapi.ServerError, "failed on the appliance's side"},
		{"a status", typed, reply{404, nil, `{}`}, sessionapi.SessionExpired, "there is no such session"},
		{"a status, HTML", typed, reply{404, nil, `<html>`}, sessionapi.InvalidResponse, "HTML"},
		{"401 HTML", typed, reply{401, nil, `<html>`}, sessionapi.SessionExpired, "refused"},
		{"500", typed, reply{500, nil, `{"code": 7}`}, sessionapi.ServerError, "failed on the appliance's side"},
		{"untyped", plain, reply{200, nil, `{"name": "alice", "groups": [{"name": "a"}], "n": 4}`}, sessionapi.Valid, "alice"},
		{"a group without a name", plain, reply{200, nil, `{"name": "alice", "groups": [{"name": "a"}, {}], "n": 4}`}, sessionapi.InvalidResponse, "the API's `answer.roles` cannot be evaluated on this response"},
		{"the name is a number", plain, reply{200, nil, `{"name": 7, "groups": []}`}, sessionapi.InvalidResponse, "`answer.username` has the wrong type"},
		{"a role is a number", plain, reply{200, nil, `{"name": "alice", "groups": [{"name": 7}]}`}, sessionapi.InvalidResponse, "`answer.roles` has the wrong type"},
		{"a number that is text", plain, reply{200, nil, `{"name": "alice", "groups": [], "n": "canary"}`}, sessionapi.InvalidResponse, "`answer.version` cannot be evaluated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := mustProbe(t, piped(t, endpointOf(t, c.definition, sessionapi.AuthToken), c.reply))
			if r.State != c.state || !strings.Contains(r.Diagnosis, c.why) {
				t.Errorf("%s: %s\nwant %s: … %s …", r.State, r.Diagnosis, c.state, c.why)
			}
			if strings.Contains(r.Diagnosis, "canary") {
				t.Errorf("the diagnosis quotes a value: %s", r.Diagnosis)
			}
		})
	}
}

// A response that would take too long to evaluate is invalid.
func TestCustomCost(t *testing.T) {
	const definition = whoAmI + `
    answer: {username: body.name, roles: 'body.roles.map(r, r.replace("a", "bb").replace("b", "cc"))'}
`
	for roles, want := range map[int]sessionapi.State{100: sessionapi.Valid, 10_000: sessionapi.Valid, 200_000: sessionapi.InvalidResponse} {
		body := `{"name": "alice", "roles": [` + strings.Repeat(`"a",`, roles-1) + `"a"]}`
		r := mustProbe(t, piped(t, endpointOf(t, definition, sessionapi.AuthToken), reply{200, nil, body}))
		if r.State != want || (want == sessionapi.InvalidResponse && !strings.Contains(r.Diagnosis, "`answer.roles` takes too long on this response")) {
			t.Errorf("%d roles: %s: %.300s", roles, r.State, r.Diagnosis)
		}
	}
}

// The expiry of a session is the one that the API reported last, until the session is
// refused.
func TestCustomExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		const definition = `
    login: {path: /login, send: basic}
    session: [{from: body, name: token, to: header, as: x-token}]
    check: {path: /me}
    answer:
      username: body.user
      expiry: |
        step == "login" ? now + duration(string(int(body.expires_in)) + "s") : timestamp(headers["x-expires"])
`
		given := reply{200, nil, `{"token": "` + canaryToken + `", "expires_in": 3600}`}
		me := func(header string) reply {
			return reply{200, map[string]string{"X-Expires": header}, `{"user": "alice"}`}
		}
		later := begin.Add(2 * time.Hour).UTC()
		appliance := &handwritten{post: []http.Handler{given}, get: []http.Handler{
			reply{200, nil, `{"user": "alice"}`},
			me(later.Format(time.RFC3339)),
			reply{503, nil, ""},
			reply{401, nil, ""},
		}}
		p := piped(t, endpointOf(t, definition, sessionapi.AuthLogin), appliance)
		for i, want := range []time.Time{begin.Add(time.Hour), later.Truncate(time.Second), later.Truncate(time.Second)} {
			if got := mustProbe(t, p).CredentialExpiries["api"]; !got.Equal(want) {
				t.Errorf("probe %d: the session expires at %s, want %s", i, got, want)
			}
		}
		if expiries := mustProbe(t, p).CredentialExpiries; !expiries["api"].IsZero() {
			t.Errorf("a refused session expires at %s, want no expiry", expiries["api"])
		}
	})
}

// After a login whose response lacks a part of the session, or that a rule calls failed, no
// session is held. No result shows a token from the response.
func TestCustomSessionMissing(t *testing.T) {
	const cookies = `
    login: {path: /login, send: form, body: {pass: $password}}
    session: [{from: cookie, name: SID}, {from: header, name: x-xsrf}]
    check: {path: /me}
    answer: {username: body.user, message: body.secret}
`
	const bodies = `
    login: {path: /login, send: form, body: {pass: $password}}
    session: [{from: body, name: data.token, to: cookie, as: T}]
    check: {path: /me}
    answer: {username: body.user, message: body.data.token, error_code: body.data.token}
    states: [{when: ok && step == "login" && has(body.failed), state: server_error}]
`
	for _, c := range []struct {
		name, definition string
		reply            reply
		why              string
	}{
		{"no cookie", cookies, reply{200, map[string]string{"X-Xsrf": "x"}, ""}, "it has no session in its cookie SID"},
		{"a deleted cookie", cookies, reply{200, map[string]string{"X-Xsrf": "x", "Set-Cookie": "SID=x; Max-Age=0"}, ""}, "its cookie SID"},
		{"no header", cookies, reply{200, map[string]string{"Set-Cookie": "SID=x"}, `{"secret": "x"}`}, "its header x-xsrf"},
		{"no field", bodies, reply{200, nil, `{"data": "x"}`}, "its field `data.token`"},
		{"not text", bodies, reply{200, nil, `{"data": {"token": 7}}`}, "`answer.message` has the wrong type"},
		{"failed", bodies, reply{200, nil, `{"failed": 1, "data": {"token": "` + canaryToken + `"}}`}, "failed on the appliance's side"},
	} {
		t.Run(c.name, func(t *testing.T) {
			appliance := &handwritten{post: []http.Handler{c.reply}, get: []http.Handler{reply{status: 200}}}
			r := mustProbe(t, piped(t, endpointOf(t, c.definition, sessionapi.AuthLogin), appliance))
			if !strings.Contains(r.Diagnosis, c.why) || r.Logins != 1 || r.LoginFailures != 1 || appliance.methods() != "POST" {
				t.Errorf("%s after %s: %s", r.State, appliance.methods(), r.Diagnosis)
			}
		})
	}
}

// A password is masked in a response, even in the spelling of a form.
func TestCustomQuotedSecrets(t *testing.T) {
	const definition = `
    login: {path: /login, send: form, body: {user: $username, pass: $password}}
    session: [{from: header, name: x-token}]
    check: {path: /me}
    answer: {username: body.user, message: body.errorText, error_code: body.errorText}
`
	e := endpointOf(t, definition, sessionapi.AuthLogin)
	e.Credential.Secret.Inline = secret.New("pässwörd & more")
	r := mustProbe(t, piped(t, e, quoting(`{"errorText": %s}`)))
	for _, text := range []string{"pässwörd", url.QueryEscape("pässwörd & more")} {
		if strings.Contains(r.Diagnosis, text) {
			t.Errorf("the diagnosis shows %q: %s", text, r.Diagnosis)
		}
	}
}

// FuzzCustom checks that the definitions of hcx and dr in the catalogue and the built-in APIs find
// the same responses valid.
func FuzzCustom(f *testing.F) {
	for _, seed := range []string{hcxOK, hcxUnauthorized, drOK, drError, `{}`, `null`, ``, `[]`, `"x"`, `<html>`, `{"data": {"user": {"roles": [1]}}}`, `{"success": true, "data": {"user": {"username": " "}}}`} {
		for _, status := range []int{200, 204, 400, 401, 500} {
			f.Add(status, []byte(seed), "token")
		}
	}
	// Names in another case are other names, and duplicates are malformed.
	f.Add(200, []byte(`{"suCCess": true, "data": {"user": {"username": "a"}}}`), "token")
	f.Add(200, []byte(`{"success": true, "data": {"user": {"username": "a"}}, "data": {}}`), "token")
	f.Fuzz(func(t *testing.T, status int, body []byte, token string) {
		header := http.Header{hcxTokenHeader: {token}, "Date": {token}}
		for name, builtIn := range map[string]sessionapi.API{"hcx": builtIn["hcx"], "dr": builtIn["dr"]} {
			response := sessionapi.Response{Status: status, Header: header, Body: body}
			want, _ := fuzzResponse(t, builtIn, response)
			got, _ := fuzzResponse(t, definition(name), response)
			if (got == sessionapi.Valid) != (want == sessionapi.Valid) {
				t.Errorf("%s: described %s, built in %s", name, got, want)
			}
		}
	})
}
