package servers

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// startCouchDB starts express-pouchdb and returns its address.
func startCouchDB(t *testing.T) string {
	t.Helper()
	server := exec.CommandContext(t.Context(), "node", "couchdb.cjs")
	server.Stderr = os.Stderr
	in, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // stops the server
		_ = server.Wait()
	})
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal("run `npm --prefix test ci` first:", err)
	}
	return "http://127.0.0.1:" + strings.TrimSpace(port)
}

func put(t *testing.T, url, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		t.Fatalf("PUT %s: %s", url, response.Status)
	}
}

func TestCouchDB(t *testing.T) {
	address := startCouchDB(t)
	put(t, address+"/_users/org.couchdb.user:monitor", `{"type": "user", "name": "monitor", "password": "right", "roles": ["reader"]}`)
	config := func(password string) string {
		return catalogued(t, "couchdb", "https://couchdb.example.com:6984", address, "password_file: secret", "password: "+password,
			"credential: monitor", "credential: monitor, expect: {username: monitor, roles: [reader], roles_exact: true}")
	}

	p := proberOf(t, config("right"), probe.NewManager())
	wants(t, p, sessionapi.Valid)
	if r := wants(t, p, sessionapi.Valid); r.Logins != 0 {
		t.Error("the session was not held")
	}
	// A changed server secret invalidates all cookies. The server then responds with 200,
	// without a user.
	put(t, address+"/_config/couch_httpd_auth/secret", `"another"`)
	if r := wants(t, p, sessionapi.Valid); r.Expirations != 1 || r.Logins != 1 {
		t.Errorf("renewed with %d expirations, %d logins", r.Expirations, r.Logins)
	}
	// With a timeout of 0, sessions expire immediately.
	put(t, address+"/_config/couch_httpd_auth/timeout", `"0"`)
	wants(t, p, sessionapi.SessionExpired)
	put(t, address+"/_config/couch_httpd_auth/timeout", `"600"`)
	closeProber(t, p)

	p = proberOf(t, config("wrong"), probe.NewManager())
	if r := wants(t, p, sessionapi.CredentialsRejected); !strings.Contains(r.Diagnosis, "401 unauthorized") {
		t.Error(r.Diagnosis)
	}
	closeProber(t, p)

	text := strings.Replace(config("x"), "username: monitor, password: x", "token: bm9ib2R5", 1)
	if r := wants(t, proberOf(t, text, probe.NewManager()), sessionapi.SessionExpired); !strings.Contains(r.Diagnosis, "it names no user") {
		t.Error(r.Diagnosis)
	}
}
