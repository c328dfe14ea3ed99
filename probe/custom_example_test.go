package probe

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"session_exporter/config"
)

// TestAddYourAPI holds both examples of docs/apis/README.md, the definition and the
// Go file, to what the page shows and to each other.
func TestAddYourAPI(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "apis", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for file, language := range map[string]string{"couchdb_test.go": "go", "../docs/apis/couchdb.yml": "yaml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(page), "```"+language+"\n"+string(text)+"```\n") {
			t.Errorf("the page does not show %s as it is", file)
		}
	}
	apis["couchdb"] = couchdb{}
	defer delete(apis, "couchdb")
	cookie := map[string]string{"Set-Cookie": "AuthSession=" + canaryToken + "; Version=1; Path=/; HttpOnly"}
	given := reply{200, cookie, `{"ok": true, "name": "alice", "roles": ["reader"]}`}
	for _, c := range []struct {
		name         string
		login, check reply
		state        State
		methods      string
	}{
		{"valid", given, reply{200, nil, `{"ok": true, "userCtx": {"name": "alice", "roles": ["reader"]}, "info": {}}`}, Valid, "POST GET DELETE"},
		{"nobody", given, reply{200, nil, `{"ok": true, "userCtx": {"name": null, "roles": []}, "info": {}}`}, SessionExpired, "POST GET DELETE POST GET DELETE"},
		{"password", reply{401, nil, `{"error": "unauthorized", "reason": "Name or password is incorrect."}`}, given, CredentialsRejected, "POST"},
		{"session", given, reply{401, nil, `{"error": "unauthorized", "reason": "expired"}`}, SessionExpired, "POST GET DELETE POST GET DELETE"},
		{"locked", reply{403, nil, `{"error": "forbidden", "reason": "Account is temporarily locked"}`}, given, Forbidden, "POST"},
		{"no cookie", reply{200, nil, `{"ok": true}`}, given, InvalidResponse, "POST"},
		{"wrong type", given, reply{200, nil, `{"userCtx": {"name": 7}}`}, InvalidResponse, "POST GET DELETE"},
		{"HTML", given, reply{200, nil, `<html>`}, InvalidResponse, "POST GET DELETE"},
		{"down", reply{503, nil, ``}, given, ServerError, "POST"},
	} {
		for way, custom := range map[string]*config.Definition{"Go": nil, "configuration": definition("couchdb")} {
			t.Run(c.name+"/"+way, func(t *testing.T) {
				e := endpointFor("couchdb", config.AuthLogin)
				e.Custom = custom
				e.Expect.Roles = []string{"reader"}
				appliance := &handwritten{post: []http.Handler{c.login}, get: []http.Handler{c.check}, del: []http.Handler{reply{200, nil, `{"ok": true}`}}}
				p := piped(t, e, appliance)
				r := mustProbe(t, p)
				closeProber(t, p)
				if got := appliance.methods(); r.State != c.state || got != c.methods {
					t.Errorf("%s after %s: %s\nwant %s after %s", r.State, got, r.Diagnosis, c.state, c.methods)
				}
				for i, request := range appliance.got {
					if cookie := request.Header.Get("Cookie"); request.Method != http.MethodPost && cookie != "AuthSession="+canaryToken {
						t.Errorf("request %d has the cookies %q", i, cookie)
					}
				}
				if want := `{"name":"alice","password":"` + canaryPassword + `"}`; appliance.body[0] != want {
					t.Errorf("sent %s", appliance.body[0])
				}
			})
		}
	}
}
