package probe

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	promconfig "github.com/prometheus/common/config"

	"session_exporter/probe/transport/mask"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// quotes returns a server error that quotes a text.
func quotes(text string) reply {
	body, _ := json.Marshal(map[string]string{"error_code": "INTERNAL_ERROR", "message": text})
	return reply{status: 500, body: string(body)}
}

// checkShown checks that the diagnosis contains a text, and that neither the diagnosis nor the
// identity nor a trace contains one of the secrets.
func checkShown(t *testing.T, r Result, want string, secrets ...string) {
	t.Helper()
	if !strings.Contains(r.Diagnosis, want) {
		t.Errorf("diagnosis %s, want … %s …", r.Diagnosis, want)
	}
	all := r.Diagnosis + fmt.Sprint(r.Identity)
	for _, step := range r.Steps {
		all += fmt.Sprintf("%+v %+v", step, step.Trace)
	}
	for _, current := range secrets {
		if strings.Contains(all, current) {
			t.Errorf("%q is shown: %s", current, all)
		}
	}
}

// A session that was replaced, and the password before a rotation, are masked for a day.
func TestReplacedSecretsAreMasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const first, second, old = "first-s3ssion", "second-s3ssion", "old-passw0rd"
		ok := reply{status: 200, body: drOK}
		w := way{"dr", sessionapi.AuthLogin}
		e := w.endpoint()
		e.Credential.Secret.Inline = secret.New(old)
		session := func(token string) http.Handler {
			return reply{status: 200, body: `{"session_id": "` + token + `"}`, header: map[string]string{drTokenHeader: token}}
		}
		quote := quotes(first + " " + second + " " + old)
		p := piped(t, e, &handwritten{
			post: []http.Handler{session(first), session(second)},
			get:  []http.Handler{ok, reply{status: 401, body: drError}, ok, quote, ok, quote},
		})
		mustProbe(t, p)
		e.Credential.Secret.Inline = secret.New(canaryPassword)
		time.Sleep(time.Minute)
		for range 2 {
			mustProbe(t, p)
		}
		checkShown(t, mustProbeUntil(t, p, sessionapi.ServerError), "<secret> <secret> <secret>", first, second, old)
		for range 26 { // hours in which only the second session is used
			time.Sleep(time.Hour)
			p.secrets.origin.Add(secret.New(second))
		}
		r := mustProbeUntil(t, p, sessionapi.ServerError)
		checkShown(t, r, first+" <secret> "+old, second)
	})
}

// mustProbeUntil probes until a state is found, at most five times.
func mustProbeUntil(t *testing.T, p *Prober, state sessionapi.State) Result {
	t.Helper()
	for range 5 {
		if r := mustProbe(t, p); r.State == state {
			return r
		}
		time.Sleep(time.Minute)
	}
	t.Fatalf("none of five probes found %s", state)
	return Result{}
}

// A password is masked in every spelling, or the message is not shown.
func TestSpelledSecretsAreMasked(t *testing.T) {
	const odd = `p/é"<'w0rd&1`
	inner, _ := json.Marshal(odd)
	for _, c := range []struct{ password, message, want string }{
		{odd, "bad " + odd, "bad <secret>"},
		{odd, "bad " + string(inner), `bad \"<secret>\"`},
		{odd, `bad p\/\u00e9\"<'w0rd&1`, "bad <secret>"},
		{odd, "bad " + url.QueryEscape(odd), "bad <secret>"},
		{odd, "bad " + html.EscapeString(odd), "bad <secret>"},
		{odd, "bad p/&eacute;&quot;&lt;&#039;w0rd&amp;1", "bad <secret>"},
		{"password", "Invalid username or password", mask.Withheld},
		{"pass #word", "the pass #words", mask.Withheld},
		{"pw-1", "bad pw-1", mask.Withheld},
	} {
		e := endpointFor("dr", sessionapi.AuthLogin)
		e.Credential.Secret.Inline = secret.New(c.password)
		r := mustProbe(t, piped(t, e, quotes(c.message)))
		checkShown(t, r, c.want, c.message[4:])
	}
}

// Values of http_headers and their parts are masked, whether or not they are configured as
// secrets, except ordinary words.
func TestSecretsInHeadersAreMasked(t *testing.T) {
	e := endpointFor("hcx", sessionapi.AuthToken)
	e.HTTP.Headers = &promconfig.Headers{Headers: map[string]promconfig.Header{
		"X-Gateway": {Secrets: []promconfig.Secret{"Token gate-k3y-1"}},
		"X-Tenant":  {Values: []string{"k3y-of-tenant", "production"}},
		"Cookie":    {Values: []string{"a=c00kie-one; b=c00kie-two"}},
	}}
	r := mustProbe(t, piped(t, e, reply{status: 500, body: `{"success": false, "errorCode": "E", "error": "gate-k3y-1, k3y-of-tenant, production, c00kie-one, c00kie-two"}`}))
	checkShown(t, r, "<secret>, <secret>, production, <secret>, <secret>", "gate-k3y-1", "k3y-of-tenant", "c00kie")
}

// Every value of endpoint_params is a secret.
func TestEndpointParamsAreMasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const param = "grant-passw0rd"
		p := (&authServer{response: reply{status: 400, body: `{"error": "invalid_request", "error_description": "bad ` + param + `"}`}}).prober(t)
		p.credential.oauth.params = []secret.Secret{secret.New(param)}
		checkShown(t, mustProbe(t, p), "bad <secret>", param)
	})
}

// Literals and login options in the body of a described login are masked, except
// ordinary words and the username.
func TestBodyLiteralsAreMasked(t *testing.T) {
	const definition = `
    login: {path: /login, send: json, options: {pin: []}, body: {user: $username, pass: $password, app: {key: app-k3y-1, kind: local}, pin: $pin}}
    session: [{from: header, name: x-token}]
    check: {path: /me}
    answer: {username: body.user, message: body.errorText}
`
	e := endpointOf(t, definition, sessionapi.AuthLogin)
	e.Login = map[string]string{"pin": "0ption-pin"}
	r := mustProbe(t, piped(t, e, reply{status: 500, body: `{"errorText": "local alice: app-k3y-1, 0ption-pin"}`}))
	checkShown(t, r, "local alice: <secret>, <secret>", "app-k3y-1", "0ption-pin")
}

// Secrets in the names of an identity are masked.
func TestSecretsInNamesAreMasked(t *testing.T) {
	e := endpointFor("hcx", sessionapi.AuthToken)
	body := reply{status: 200, body: hcxUser(`{"username": "alice", "roles": ["r-` + canaryToken + `", "Auditor"], "organization": ["canary\\u002dt0ken"]}`)}
	r := mustProbe(t, piped(t, e, body))
	if id := r.Identity; r.State != sessionapi.Valid || id.Roles[0] != "r-<secret>" || id.Roles[1] != "Auditor" {
		t.Errorf("%s, identity %+v, want the roles r-<secret> and Auditor", r.State, id)
	}
	checkShown(t, r, "alice", canaryToken)
}

// A session's path is masked, and so is its last element alone.
func TestSessionPathIsMasked(t *testing.T) {
	const definition = `
    login: {path: /login, send: json, body: {user: $username, pass: $password}}
    session: [{from: header, name: location, to: path}]
    check: {path: $session}
    answer: {username: body.user, message: body.errorText}
`
	e := endpointOf(t, definition, sessionapi.AuthLogin)
	r := mustProbe(t, piped(t, e, &handwritten{
		post: []http.Handler{reply{status: 201, header: map[string]string{"Location": "https://appliance.test/sessions/5e551on-1d"}, body: `{"user": "alice"}`}},
		get:  []http.Handler{reply{status: 500, body: `{"errorText": "no session 5e551on-1d at /sessions/5e551on-1d, see /sessions"}`}},
	}))
	checkShown(t, r, "no session <secret> at <secret>, see /sessions", "5e551on-1d")
}

// If the password is the username in another case, a message that has it is not shown.
func TestPasswordIsUsername(t *testing.T) {
	e := endpointFor("dr", sessionapi.AuthLogin)
	e.Credential.Username, e.Credential.Secret.Inline = "monitor1", secret.New("Monitor1")
	r := mustProbe(t, piped(t, e, reply{status: 401, body: `{"error_code": "UNAUTHORIZED", "message": "no user monitor1"}`}))
	if r.State != sessionapi.CredentialsRejected || !strings.Contains(r.Diagnosis, mask.Withheld) || strings.Contains(r.Diagnosis, mask.Masked) {
		t.Errorf("%s, want %s: %s", r.State, sessionapi.CredentialsRejected, r.Diagnosis)
	}
}
