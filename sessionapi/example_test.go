package sessionapi_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
	"session_exporter/sessionapi/catalogue"
	"session_exporter/simulator/pipenet"
)

const (
	password = "canary-passw0rd"
	token    = "canary-t0ken"
)

// response is a response of CouchDB.
type response struct {
	status int
	cookie bool // it sets the cookie of a session
	body   string
}

// couchDB has one response to all logins and another to all checks, and accepts logouts. It
// records the requests.
type couchDB struct {
	login, check response
	methods      []string
	cookies      []string // of the requests after a login
	logins       []string // bodies
}

func (c *couchDB) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c.methods = append(c.methods, r.Method)
	reply := c.check
	switch r.Method {
	case http.MethodPost:
		reply = c.login
		c.logins = append(c.logins, string(body))
	case http.MethodDelete:
		reply = response{status: 200, body: `{"ok": true}`}
	}
	if r.Method != http.MethodPost {
		c.cookies = append(c.cookies, r.Header.Get("Cookie"))
	}
	if reply.cookie {
		w.Header().Set("Set-Cookie", "AuthSession="+token+"; Version=1; Path=/; HttpOnly")
	}
	w.WriteHeader(reply.status)
	_, _ = io.WriteString(w, reply.body)
}

// couchDBConfig returns a configuration with one endpoint, of the API in the catalogue.
func couchDBConfig(t *testing.T) *config.Config {
	t.Helper()
	file, _ := catalogue.File("couchdb")
	definition, _, _ := strings.Cut(string(file), "\ncredentials:")
	text := fmt.Sprintf(`%s
credentials: {c: {username: alice, password: %s}}
modules: {m: {api: couchdb, credential: c, expect: {roles: [reader]}}}
endpoints: [{name: e, url: "http://couchdb.test", module: m}]
`, definition, password)
	settings, err := config.Parse([]byte(text), "couchdb.yml")
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

// TestAddYourAPI checks that docs/apis/README.md shows both examples, the definition and the Go
// file, and that both interpret responses in the same way.
func TestAddYourAPI(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "apis", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for file, language := range map[string]string{"couchdb_test.go": "go", "catalogue/couchdb.yml": "yaml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(page), "```"+language+"\n"+string(text)+"```\n") {
			t.Errorf("the page does not show %s as it is", file)
		}
	}
	given := response{200, true, `{"ok": true, "name": "alice", "roles": ["reader"]}`}
	for _, c := range []struct {
		name         string
		login, check response
		state        sessionapi.State
		methods      string
	}{
		{"valid", given, response{200, false, `{"ok": true, "userCtx": {"name": "alice", "roles": ["reader"]}, "info": {}}`}, sessionapi.Valid, "POST GET DELETE"},
		{"no user", given, response{200, false, `{"ok": true, "userCtx": {"name": null, "roles": []}, "info": {}}`}, sessionapi.SessionExpired, "POST GET DELETE POST GET DELETE"},
		{"wrong password", response{401, false, `{"error": "unauthorized", "reason": "Name or password is incorrect."}`}, given, sessionapi.CredentialsRejected, "POST"},
		{"session refused", given, response{401, false, `{"error": "unauthorized", "reason": "expired"}`}, sessionapi.SessionExpired, "POST GET DELETE POST GET DELETE"},
		{"locked", response{403, false, `{"error": "forbidden", "reason": "Account is temporarily locked"}`}, given, sessionapi.CredentialsRejected, "POST"},
		{"no permission", given, response{403, false, `{"error": "forbidden", "reason": "You are not allowed to access this db."}`}, sessionapi.Forbidden, "POST GET DELETE"},
		{"no cookie", response{200, false, `{"ok": true}`}, given, sessionapi.InvalidResponse, "POST"},
		{"wrong type", given, response{200, false, `{"userCtx": {"name": 7}}`}, sessionapi.InvalidResponse, "POST GET DELETE"},
		{"HTML", given, response{200, false, `<html>`}, sessionapi.InvalidResponse, "POST GET DELETE"},
		{"down", response{503, false, ``}, given, sessionapi.ServerError, "POST"},
	} {
		for _, example := range []string{"Go", "configuration"} {
			t.Run(c.name+"/"+example, func(t *testing.T) {
				settings := couchDBConfig(t)
				if example == "Go" {
					settings.Endpoints[0].SessionAPI = sessionapi.CouchDB()
				}
				server := &couchDB{login: c.login, check: c.check}
				if r := probeOnce(t, settings, server); r.State != c.state {
					t.Errorf("%s: %s\nwant %s", r.State, r.Diagnosis, c.state)
				}
				if got := strings.Join(server.methods, " "); got != c.methods {
					t.Errorf("sent %s, want %s", got, c.methods)
				}
				for _, cookie := range server.cookies {
					if cookie != "AuthSession="+token {
						t.Errorf("sent the cookies %q, want %q", cookie, "AuthSession="+token)
					}
				}
				if want := `{"name":"alice","password":"` + password + `"}`; server.logins[0] != want {
					t.Errorf("sent %s, want %s", server.logins[0], want)
				}
			})
		}
	}
}

// probeOnce probes the endpoint of a configuration once, over pipes to server, and logs out.
func probeOnce(t *testing.T, settings *config.Config, server http.Handler) *probe.Result {
	t.Helper()
	generation, err := probe.NewManagerWithDial(pipenet.Serve(t, server).Dial).Prepare(settings)
	if err != nil {
		t.Fatal(err)
	}
	generation.Commit()
	prober, err := generation.NewProber(settings.Endpoints[0])
	if err != nil {
		t.Fatal(err)
	}
	r, err := prober.Probe(t.Context(), probe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := prober.Close(t.Context()); err != nil {
		t.Error(err)
	}
	return r
}
