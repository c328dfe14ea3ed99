package config_test

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"session_exporter/config"
	"session_exporter/sessionapi"
	"session_exporter/sessionapi/catalogue"
)

const described = `apis:
  own:
    login: {path: /login, send: json, body: {user: $username, pass: $password, realm: $realm}, options: {realm: [a, b]}}
    session:
      - {from: body, name: data.token, to: header, as: authorization, prefix: "Bearer "}
    check: {path: /me}
    body: {user: {name: text, roles: [text]}, code: number, data: any}
    error_codes: {401: session_expired, 402: }
    answer: {username: body.user.name, roles: body.user.roles, error_code: body.code, operation_id: body.data.requestId}
    states:
      - {when: status == 418, state: forbidden, why: it is a teapot}
credentials:
  c: {username: u, password: p}
modules:
  m: {api: own, credential: c, login: {realm: a}, expect: {roles: [x]}}
endpoints:
  - {name: e, url: "https://a.example.com", module: m}
`

func parsed(t *testing.T, text string) *config.Config {
	t.Helper()
	settings, err := config.Parse([]byte(text), "f.yml")
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

// A module and its endpoints have the API that the file defines.
func TestDefinedAPI(t *testing.T) {
	settings := parsed(t, described)
	api := settings.APIs["own"]
	if e := settings.Endpoints[0]; e.SessionAPI != sessionapi.API(api) || e.Auth != sessionapi.AuthLogin || settings.Modules["m"].SessionAPI != sessionapi.API(api) {
		t.Errorf("the endpoint has %+v", e)
	}
	want := sessionapi.Spec{
		Auth:            []sessionapi.Auth{sessionapi.AuthLogin, sessionapi.AuthToken},
		LoginOptions:    map[string][]string{"realm": {"a", "b"}},
		SessionHeaders:  []string{"Authorization"},
		NoOrganizations: true,
		Codes:           []string{"401", "402"}, // also one that means no state
		OperationID:     "requestId",
	}
	if got := api.Spec(); !reflect.DeepEqual(got, want) {
		t.Errorf("the API is %+v, want %+v", got, want)
	}
}

// The YAML of a definition parses to the same definition.
func TestDefinitionYAML(t *testing.T) {
	settings := parsed(t, described)
	again := parsed(t, settings.YAML)
	if !again.APIs["own"].Equal(settings.APIs["own"]) || again.YAML != settings.YAML {
		t.Errorf("got\n%s\nof\n%s", again.YAML, settings.YAML)
	}
	if strings.Contains(settings.YAML, "pass: p\n") || !strings.Contains(settings.YAML, "pass: $password") {
		t.Errorf("shown as\n%s", settings.YAML)
	}
}

// A reload keeps the sessions of an API whose definition is the same, and no others.
func TestDefinitionChanges(t *testing.T) {
	was := parsed(t, described).Endpoints[0]
	for name, c := range map[string]struct {
		before, after string
		same          bool
	}{
		"a comment":      {"apis:\n", "# of our own\n\napis:\n", true},
		"another layout": {"{path: /me}", "\n      path: '/me'", true},
		"an expression":  {"body.user.name,", "body.user.name + 'x',", false},
		"another header": {"authorization", "x-token", false},
		"a rule":         {"418", "419", false},
		"built in":       {"api: own", "api: dr", false},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(described, c.before, c.after, 1)
			if c.after == "api: dr" {
				text = strings.Replace(text, ", login: {realm: a}, expect: {roles: [x]}", "", 1)
			}
			is := parsed(t, text).Endpoints[0]
			if is.SameProbe(was) != c.same || is.SameAccount(was) != c.same {
				t.Errorf("same probe: %t, same account: %t; want %t", is.SameProbe(was), is.SameAccount(was), c.same)
			}
		})
	}
}

// Every definition of the catalogue is loaded as it is.
func TestCatalogue(t *testing.T) {
	if n := len(catalogue.Names()); n < 16 {
		t.Errorf("only %d definitions", n)
	}
	for _, name := range catalogue.Names() {
		file := filepath.Join("..", "sessionapi", "catalogue", name+".yml")
		settings, err := config.NewLoader(file).Load()
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if settings.APIs[name] == nil || len(settings.APIs) != 1 || len(settings.Endpoints) == 0 {
			t.Errorf("%s describes %d APIs and %d endpoints, want one API with the name of the file, and an endpoint", file, len(settings.APIs), len(settings.Endpoints))
		}
	}
}
