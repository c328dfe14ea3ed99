package config_test

import (
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"session_exporter/config"
	"session_exporter/probe"
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
	settings, err := config.Parse([]byte(text), "f.yml", probe.APIs())
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

func TestDefinition(t *testing.T) {
	settings := parsed(t, described)
	d := settings.APIs["own"]
	if e := settings.Endpoints[0]; e.Custom != d || e.Auth != config.AuthLogin || settings.Modules["m"].Custom != d {
		t.Errorf("the endpoint has %+v", e)
	}
	want := config.API{
		Auth:            []config.Auth{config.AuthLogin, config.AuthToken},
		LoginOptions:    map[string][]string{"realm": {"a", "b"}},
		SessionHeaders:  []string{"Authorization"},
		NoOrganizations: true,
	}
	if !reflect.DeepEqual(d.API, want) {
		t.Errorf("the API is %+v, want %+v", d.API, want)
	}
	part := config.SessionPart{From: config.InBody, Name: "data.token", Path: []string{"data", "token"}, To: config.InHeader, As: "Authorization", Prefix: "Bearer "}
	if len(d.Session) != 1 || !reflect.DeepEqual(d.Session[0], part) {
		t.Errorf("the session is %+v, want %+v", d.Session, part)
	}
	if d.Login.Method != http.MethodPost || d.Check.Method != http.MethodGet || d.Logout != nil || d.OperationID != "requestId" || d.ErrorCodes["401"] != "session_expired" {
		t.Errorf("%+v", d)
	}
	if _, known := d.ErrorCodes["402"]; !known {
		t.Error("an error code without a state is not known")
	}
}

// What a body says is sent as it is written: YAML would make a day a moment, and
// round a long number.
func TestBodyValues(t *testing.T) {
	body := `{2024-01-01: 2024-01-01, at: 2024-01-01T10:00:00Z, id: 123456789012345678901234567890, price: 1.10, many: -1e9, is: True, none: ~, text: "007"}`
	settings := parsed(t, "apis: {own: {auth: [basic], check: {path: /, body: "+body+"}, answer: {username: body.user}}}\nmodules: {m: {api: own}}")
	got := string(settings.APIs["own"].Check.Body.JSON(func(string) (string, bool) { return "", false }))
	if want := `{"2024-01-01":"2024-01-01","at":"2024-01-01T10:00:00Z","id":123456789012345678901234567890,"price":1.10,"many":-1e9,"is":true,"none":null,"text":"007"}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if again := parsed(t, settings.YAML); !again.APIs["own"].Equal(settings.APIs["own"]) {
		t.Errorf("shown as\n%s", settings.YAML)
	}
}

// What is shown of an API is one again, and the same.
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

// A reload keeps the sessions of an API that is still the same, and of no other.
func TestDefinitionChanges(t *testing.T) {
	was := parsed(t, described).Endpoints[0]
	for name, c := range map[string]struct {
		before, after string
		same          bool
	}{
		"a comment":       {"apis:\n", "# of our own\n\napis:\n", true},
		"another layout":  {"{path: /me}", "\n      path: '/me'", true},
		"an expression":   {"body.user.name,", "body.user.name + 'x',", false},
		"how it presents": {"authorization", "x-token", false},
		"a rule":          {"418", "419", false},
		"built in":        {"api: own", "api: dr", false},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(described, c.before, c.after, 1)
			if c.after == "api: dr" {
				text = strings.Replace(text, ", login: {realm: a}, expect: {roles: [x]}", "", 1)
			}
			is := parsed(t, text).Endpoints[0]
			if is.ProbedLike(was) != c.same || is.SameAccount(was) != c.same {
				t.Errorf("probed alike: %t, same account: %t; want %t", is.ProbedLike(was), is.SameAccount(was), c.same)
			}
		})
	}
}

// Every definition of the catalogue is loaded as it is.
func TestCatalogue(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "docs", "apis", "*.yml"))
	if err != nil || len(files) < 2 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yml")
		settings, err := config.Load(file, probe.APIs())
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if settings.APIs[name] == nil || len(settings.APIs) != 1 || len(settings.Endpoints) == 0 {
			t.Errorf("%s describes %d APIs and %d endpoints, want one, of its own name, and an example", file, len(settings.APIs), len(settings.Endpoints))
		}
	}
}
