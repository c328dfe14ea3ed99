package custom

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"session_exporter/internal/strictyaml"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

const formWithToken = `
cookies: keep
login:
  steps:
    - {path: /login, keep: {csrf: 'cookies["csrftoken"]'}}
    - {path: /login, send: form, headers: {x-csrf: $csrf, authorization: Basic c3VwZXI6c2VjcmV0}, body: {user: $username, pass: $password, key: s3cr3t-key}, success: [302], keep: {access: body.access}}
    - {path: /session, headers: {authorization: Bearer $access, x-key: "k3y-of-app-$access"}}
session: [{from: cookie, name: SID}]
check: {steps: [{path: /tenants, keep: {tenant: body.id}}, {path: /tenants/$tenant/me}]}
logout: {path: /logout, success: [302]}
answer: {username: body.user}
`

// The YAML in which a compiled definition is shown compiles to the same API again.
func TestStepsYAML(t *testing.T) {
	api := compiled(t, formWithToken)
	if again := compiled(t, api.YAML()); !again.Equal(api) || len(again.login) != 3 || len(again.check) != 2 {
		t.Errorf("another API is compiled from\n%s", api.YAML())
	}
}

// The running configuration shows no literal of a step that may be a secret.
func TestStepsMasked(t *testing.T) {
	var d Definition
	if problems := strictyaml.NewCollector("f.yml"); !new(strictyaml.Decoder).Decode("f.yml", []byte(formWithToken), &d, problems) {
		t.Fatal(problems.Problems())
	}
	masked := d.Masked()
	text, err := yaml.Marshal(&masked)
	if err != nil {
		t.Fatal(err)
	}
	for _, literal := range []string{"c3VwZXI6c2VjcmV0", "s3cr3t-key", "k3y-of-app"} {
		if strings.Contains(string(text), literal) {
			t.Errorf("%s shows in\n%s", literal, text)
		}
	}
	for _, shown := range []string{"x-csrf: $csrf", "pass: $password", "authorization: Bearer $access"} {
		if !strings.Contains(string(text), shown) {
			t.Errorf("%s is missing in\n%s", shown, text)
		}
	}
	if d.Login.Steps[1].Headers["authorization"] != "Basic c3VwZXI6c2VjcmV0" {
		t.Error("masking changes the definition")
	}
}

// A literal beside a variable, or with an escaped $, is masked in a header; a scheme is not.
func TestHeadersOfStepsMasked(t *testing.T) {
	d := Definition{Check: checkDefinition{requestsDefinition: requestsDefinition{Steps: []stepDefinition{{Headers: map[string]string{
		"authorization": "Bearer $access", "x-csrf": "$csrf", "referer": "$origin/api/login/",
	}}, {Headers: map[string]string{
		"authorization": "Bearer pa$$word", "cookie": "correct-horse-battery:$user", "x-key": "k3y-of-app-$user",
	}}}}}}
	masked := d.Masked()
	for i, step := range masked.Check.Steps {
		for name, value := range step.Headers {
			if shown := value != secret.Masked; shown != (i == 0) {
				t.Errorf("%s: %s is shown as %s", name, d.Check.Steps[i].Headers[name], value)
			}
		}
	}
}

// A login option may have the name of a variable. In a body, that name means the option; in a
// header, `$origin` is the endpoint's origin.
func TestOptionsNamedLikeVariables(t *testing.T) {
	api := compiled(t, `
login:
  options: {origin: [], token: [], session: []}
  steps:
    - {path: /login, headers: {origin: $origin}, body: {user: $username, pass: $password, from: $origin, otp: $token, for: $session}}
session: [{from: header, name: x-token}]
check: {path: /me}
answer: {username: body.user}
`)
	steps := api.Sequence(sessionapi.Login, &url.URL{Scheme: "https", Host: "a.example.com"})
	for _, c := range []struct {
		options map[string]string
		want    string
	}{
		{map[string]string{"origin": "LDAP", "token": "1", "session": "2"}, `{"user":"alice","pass":"s3cr3t","from":"LDAP","otp":"1","for":"2"}`},
		{nil, `{"user":"alice","pass":"s3cr3t"}`},
	} {
		r := steps.Request(sessionapi.Login, sessionapi.Account{Username: "alice", Password: secret.New("s3cr3t"), Options: c.options})
		if string(r.Body) != c.want || r.Header["Origin"] != "https://a.example.com" {
			t.Errorf("%v: origin %q, body %s, want %s", c.options, r.Header["Origin"], r.Body, c.want)
		}
	}
}

// The path of a step has the values that earlier steps kept, even if a part of the session goes
// to the path of another step.
func TestKeptValuesInPathWithSessionPath(t *testing.T) {
	api := compiled(t, `
login: {path: /login, send: basic}
session: [{from: header, name: x-token}, {from: header, name: location, to: path}]
check:
  steps:
    - {path: $session, keep: {tenant: body.id}}
    - {path: "/tenants/$tenant/me?of=$tenant", send: json, body: {tenant: $tenant, token: $token, session: $session}}
answer: {username: body.user}
`)
	steps := api.Sequence(sessionapi.Check, &url.URL{Scheme: "https", Host: "a.example.com"})
	session := sessionapi.JoinSession([]string{"t0k3n", "https://a.example.com/sessions/s3cr3t"})
	if r := steps.Request(sessionapi.Check, sessionapi.Account{}).Fill(session); r.Path != "/sessions/s3cr3t" || r.Shown != "/$session" {
		t.Errorf("the first path is %s, shown as %s, want /sessions/s3cr3t, shown as /$session", r.Path, r.Shown)
	}
	steps.Interpret(sessionapi.Check, sessionapi.Response{Status: 200, Body: []byte(`{"id": "a b"}`)})
	steps.Advance()
	r := steps.Request(sessionapi.Check, sessionapi.Account{}).Fill(session)
	if r.Path != "/tenants/a%20b/me?of=a%20b" || r.Shown != "/tenants/$tenant/me?of=$tenant" {
		t.Errorf("the second path is %s, shown as %s", r.Path, r.Shown)
	}
	if want := `{"tenant":"a b","token":"t0k3n","session":"/sessions/s3cr3t"}`; string(r.Body) != want {
		t.Errorf("the second body is %s, want %s", r.Body, want)
	}
}

// The cookies of a session are sent in the order of its parts, in whichever order they were
// set, each under its own name.
func TestOrderOfSessionCookies(t *testing.T) {
	api := compiled(t, `
login: {path: /login, send: basic}
session: [{from: cookie, name: a, as: b}, {from: cookie, name: b, as: c}]
check: {steps: [{path: /}, {path: /me}]}
answer: {username: body.user}
`)
	base := &url.URL{Scheme: "https", Host: "a.example.com"}
	for _, set := range [][]string{{"a=1", "b=2"}, {"b=2", "a=1"}} {
		steps := api.Sequence(sessionapi.Check, base)
		steps.SessionCookies(sessionapi.Response{Status: 200, Header: http.Header{"Set-Cookie": set}, URL: base})
		if got, want := steps.Extend(sessionapi.Authorization{}).Cookies.Header(base), "b=1; c=2"; got != want {
			t.Errorf("after %v: cookies %q, want %q", set, got, want)
		}
	}
}
