package config

import (
	"strings"
	"testing"
)

// The running configuration shows no literal that may be a secret; the settings keep
// it.
func TestLiteralsAreMasked(t *testing.T) {
	const text = `
credentials: {a: {username: m, password: x}}
apis:
  own:
    login: {path: /login, send: json, options: {pin: []}, body: {user: $username, pass: $password, app: l1teral-key, kind: local, more: [{n: 1234567, c: "in-c0mposed-$username"}], pin: $pin}}
    session: [{from: cookie, name: sid}]
    headers: {x-api-key: k3y-of-the-api, x-tenant: $tenantSECRET, accept: application/json;version=37.0}
    check: {path: /me, method: POST, body: {scope: ch3ck-key, view: full}}
    logout: {path: /logout, body: {reason: l0gout-key}}
    answer: {username: body.user}
modules:
  m: {api: own, credential: a, login: {pin: pin-0ption}, http_headers: {X-Key: {values: [v4lue-of-header, plain]}, Cookie: {values: [c00kie]}, Accept: {values: ["text/plain;version=1"]}}}
endpoints:
  - {name: e, url: "https://a.test", module: m, login: {pin: pin-0ther}, http_headers: {X-Key: {values: [v4lue-of-endpoint]}}}
`
	settings, problems := CheckText([]byte(text), "x.yml")
	if settings == nil {
		t.Fatal(problems)
	}
	for _, secret := range []string{"l1teral", "1234567", "c0mposed", "0ption", "0ther", "v4lue", "c00kie", "k3y", "tenantSECRET", "ch3ck", "l0gout"} {
		if strings.Contains(settings.YAML, secret) {
			t.Errorf("%s is shown in\n%s", secret, settings.YAML)
		}
	}
	for _, plain := range []string{"local", "plain", "$password", "$pin", "version=1", "version=37.0", "full"} {
		if !strings.Contains(settings.YAML, plain) {
			t.Errorf("%s is not shown in\n%s", plain, settings.YAML)
		}
	}
	if own := settings.Endpoints[0].Settings; own.Login["pin"] != "pin-0ther" || own.HTTP.Headers.Headers["X-Key"].Values[0] != "v4lue-of-endpoint" {
		t.Errorf("the settings are %+v", own)
	}
}
