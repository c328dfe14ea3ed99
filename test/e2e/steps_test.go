package e2e

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// formServer has a login form with a CSRF token, as AWX does, and is behind a load balancer
// that finds the node of a session by a cookie.
type formServer struct {
	mu       sync.Mutex // guards the fields below
	sessions map[string]bool
	down     bool // the request for the form fails
	posts    int  // logins
}

// setDown changes whether the form is down, resets the count of logins, and returns the
// number of sessions.
func (s *formServer) setDown(down bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down, s.posts = down, 0
	return len(s.sessions)
}

const csrfToken = canary + "csrf-token-1"

func (s *formServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cookie := func(name string) string {
		c, err := r.Cookie(name)
		if err != nil {
			return ""
		}
		return c.Value
	}
	set := func(pair string) { w.Header().Add("Set-Cookie", pair+"; Path=/; Secure") }
	switch request := r.Method + " " + r.URL.Path; {
	case request == "GET /api/login/" && s.down:
		w.WriteHeader(http.StatusBadGateway)
	case request == "GET /api/login/":
		set("csrftoken=" + csrfToken)
		set("NODE=" + canary + "node")
		fmt.Fprintf(w, "<!DOCTYPE html><html>%s</html>", csrfToken)
	case request == "POST /api/login/":
		s.posts++
		switch {
		case cookie("csrftoken") != csrfToken || r.Header.Get("X-CSRFToken") != csrfToken || r.Header.Get("Referer") != "https://"+r.Host+"/api/login/":
			w.WriteHeader(http.StatusForbidden)
		case r.FormValue("username") != user || r.FormValue("password") != password:
			w.WriteHeader(http.StatusUnauthorized)
		default:
			id := fmt.Sprint(canary, "session-", s.posts)
			s.sessions[id] = true
			set("awx_sessionid=" + id)
			http.Redirect(w, r, "/api/", http.StatusFound)
		}
	case !s.sessions[cookie("awx_sessionid")] || cookie("NODE") != canary+"node":
		w.WriteHeader(http.StatusUnauthorized)
	case request == "GET /api/v2/me/":
		fmt.Fprintf(w, `{"count": 1, "results": [{"username": %q, "is_superuser": true}]}`, user)
	case request == "GET /api/logout/":
		delete(s.sessions, cookie("awx_sessionid"))
		http.Redirect(w, r, "/api/login/", http.StatusFound)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// TestFormLogin logs in with a form that has a CSRF token, holds the session with the load
// balancer's cookie, shows each request without secrets, and logs out. An outage of the form
// is not a refusal, and a refused password is sent once.
func TestFormLogin(t *testing.T) {
	t.Parallel()
	form := &formServer{sessions: make(map[string]bool)}
	server := httptest.NewTLSServer(form)
	t.Cleanup(server.Close)
	ca := write(t, filepath.Join(t.TempDir(), "server.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	definition, _, _ := strings.Cut(document(t, "../sessionapi/catalogue/awx.yml"), "\ncredentials:")
	configuration := func(secret string) string {
		return fmt.Sprintf(`%s
global: {interval: 4s, timeout: 4s}
modules: {m: {api: awx, auth: login, tls_config: {ca_file: %q}, expect: {username: %s, roles: [superuser]}}}
credentials: {account: {username: %s, password_file: %q}}
endpoints: [{name: a, url: %q, module: m, credential: account}]
`, definition, ca, user, user, secretFile(t, secret), server.URL)
	}
	x := serve(t, configuration(password))
	x.await(t, want{"session_up": 1})
	x.awaitProbes(t, "a", 3).check(t, want{"session_up": 1, "session_logins_total": 1, "session_expirations_total": 0})
	for _, path := range []string{"/probe?endpoint=a&debug=true", "/endpoints/a", "/config", "/api/v1/endpoints"} {
		x.get(t, path) // get checks that the page has no secret
	}
	if code, left := x.stop(t, syscall.SIGTERM), form.setDown(false); code != 0 || left != 0 {
		t.Errorf("exit code %d, %d sessions remain", code, left)
	}

	got := run(t, "probe", "--config.file="+configFile(t, configuration(password)), "a")
	for _, line := range []string{"login   GET " + server.URL + "/api/login/  200", "login   POST " + server.URL + "/api/login/  302", "check   GET " + server.URL + "/api/v2/me/  200"} {
		if !strings.Contains(got.stdout, line) {
			t.Errorf("no %q in\n%s%s", line, got.stdout, got.stderr)
		}
	}
	form.setDown(true)
	if got := run(t, "probe", "--config.file="+configFile(t, configuration(password)), "a"); !strings.Contains(got.stdout, "server_error\n  Login (step 1 of 2) failed") {
		t.Errorf("%s%s", got.stdout, got.stderr)
	}
	form.setDown(false)
	x = serve(t, configuration(canary+"wrong"))
	x.await(t, want{`session_state{state="login_suspended"}`: 1})
	x.awaitProbes(t, "a", 5).check(t, want{"session_auth_success": 0, "session_logins_total": 1})
	form.mu.Lock()
	defer form.mu.Unlock()
	if form.posts != 1 {
		t.Errorf("the wrong password was sent %d times, want once", form.posts)
	}
}
