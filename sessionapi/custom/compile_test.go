package custom

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"session_exporter/internal/strictyaml"
	"session_exporter/sessionapi"
)

// compiled returns the API that a text describes.
func compiled(t *testing.T, text string) *API {
	t.Helper()
	problems := strictyaml.NewCollector("f.yml")
	var d Definition
	if !new(strictyaml.Decoder).Decode("f.yml", []byte(text), &d, problems) {
		t.Fatal(problems.Problems())
	}
	api, err := Compile(&d, "", strings.Split(text, "\n"), problems)
	if err != nil || problems.Failed() {
		t.Fatal(err, problems.Problems())
	}
	return api
}

// The compiled API has the parts of the session and the default methods.
func TestCompile(t *testing.T) {
	api := compiled(t, `
login: {path: /login, send: json, body: {user: $username, pass: $password}}
session:
  - {from: body, name: data.token, to: header, as: authorization, prefix: "Bearer "}
check: {path: /me}
answer: {username: body.user.name}
`)
	part := sessionPart{
		sources: []source{{from: inBody, name: "data.token", path: []string{"data", "token"}}},
		to:      inHeader, as: "Authorization", prefix: "Bearer ",
	}
	if len(api.session) != 1 || !reflect.DeepEqual(api.session[0], part) {
		t.Errorf("the session is %+v, want %+v", api.session, part)
	}
	for step, want := range map[sessionapi.Step]string{sessionapi.Login: http.MethodPost, sessionapi.Check: http.MethodGet, sessionapi.Logout: ""} {
		if got := api.Request(step, sessionapi.Account{}).Method; got != want {
			t.Errorf("the method of %s is %q, want %q", step, got, want)
		}
	}
}

// The values of a body are sent as they are written: YAML would turn a date into a
// timestamp, and round a long number.
func TestBodyValues(t *testing.T) {
	body := `{2024-01-01: 2024-01-01, at: 2024-01-01T10:00:00Z, id: 123456789012345678901234567890, price: 1.10, many: -1e9, is: True, none: ~, text: "007"}`
	api := compiled(t, "auth: [basic]\ncheck: {path: /, body: "+body+"}\nanswer: {username: body.user}")
	got := string(api.check[0].body.json(func(string) (string, bool) { return "", false }))
	if want := `{"2024-01-01":"2024-01-01","at":"2024-01-01T10:00:00Z","id":123456789012345678901234567890,"price":1.10,"many":-1e9,"is":true,"none":null,"text":"007"}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if again := compiled(t, api.YAML()); !again.Equal(api) {
		t.Errorf("another API is compiled from\n%s", api.YAML())
	}
}
