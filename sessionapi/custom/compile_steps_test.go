package custom

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"session_exporter/internal/strictyaml"
)

const formWithToken = `
cookies: keep
login:
  steps:
    - {path: /login, keep: {csrf: 'cookies["csrftoken"]'}}
    - {path: /login, send: form, headers: {x-csrf: $csrf, authorization: Basic c3VwZXI6c2VjcmV0}, body: {user: $username, pass: $password, key: s3cr3t-key}, success: [302]}
session: [{from: cookie, name: SID}]
check: {steps: [{path: /tenants, keep: {tenant: body.id}}, {path: /tenants/$tenant/me}]}
logout: {path: /logout, success: [302]}
answer: {username: body.user}
`

// A definition is shown as it was understood, and compiles to the same API again.
func TestStepsYAML(t *testing.T) {
	api := compiled(t, formWithToken)
	if again := compiled(t, api.YAML()); !again.Equal(api) || len(again.login) != 2 || len(again.check) != 2 {
		t.Errorf("shown as\n%s", api.YAML())
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
	for _, literal := range []string{"c3VwZXI6c2VjcmV0", "s3cr3t-key"} {
		if strings.Contains(string(text), literal) {
			t.Errorf("%s shows in\n%s", literal, text)
		}
	}
	for _, shown := range []string{"x-csrf: $csrf", "pass: $password"} {
		if !strings.Contains(string(text), shown) {
			t.Errorf("no %s in\n%s", shown, text)
		}
	}
	if d.Login.Steps[1].Headers["authorization"] != "Basic c3VwZXI6c2VjcmV0" {
		t.Error("masking changes the definition")
	}
}
