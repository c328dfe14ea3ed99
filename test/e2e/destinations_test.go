package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"session_exporter/simulator"
)

// attacker is a server that records its connections and what is sent to it.
type attacker struct {
	listener net.Listener

	mu          sync.Mutex // guards the fields below
	connections int
	received    bytes.Buffer
}

// newAttacker starts a server that sends response whenever it receives something.
func newAttacker(t *testing.T, response string) *attacker {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &attacker{listener: listener}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			a.mu.Lock()
			a.connections++
			a.mu.Unlock()
			go func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(maxWait))
				buffer := make([]byte, 4<<10)
				for {
					n, err := conn.Read(buffer)
					a.mu.Lock()
					a.received.Write(buffer[:n])
					a.mu.Unlock()
					if err != nil {
						return
					}
					if _, err := io.WriteString(conn, response); err != nil {
						return
					}
				}
			}()
		}
	}()
	return a
}

// seen returns the number of connections and what was received on them.
func (a *attacker) seen() (connections int, received string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.connections, a.received.String()
}

func (a *attacker) address() string { return a.listener.Addr().String() }

// checkUnused checks that no connection was made.
func (a *attacker) checkUnused(t *testing.T) {
	t.Helper()
	if connections, received := a.seen(); connections > 0 {
		t.Errorf("the attacker got %d connections and %q", connections, received)
	}
}

var redirects = []int{http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect}

// TestRedirects: a redirect in response to a login, check or logout is never followed,
// whatever its status and whether it leads to another port, scheme or host, or to another
// path of the same appliance.
func TestRedirects(t *testing.T) {
	t.Parallel()
	a := newAttacker(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
	_, port, err := net.SplitHostPort(a.address())
	if err != nil {
		t.Fatal(err)
	}
	locations := map[string]string{"tls": "https://" + a.address(), "plain": "http://" + a.address() + "/x", "host": "https://localhost:" + port, "no-scheme": "//" + a.address() + "/x"}
	var endpoints strings.Builder
	appliances := map[string]*appliance{}
	paths := map[string]*appliance{}
	for where, location := range locations {
		for _, status := range redirects {
			for _, on := range []simulator.Operation{simulator.Login, simulator.Check, simulator.Logout} {
				redirect := simulator.Fault{On: on, Status: status, Header: map[string]string{"Location": location}}
				appliance, module := newHCX(t, with(withAccount(password), redirect)), "hcx"
				if status%2 == 0 {
					appliance, module = newDR(t, with(withAccount(password), redirect)), "dr"
				}
				appliance.mayLeak = on == simulator.Logout
				name := fmt.Sprintf("%s-%s-%d", on, where, status)
				appliances[name] = appliance
				// A session_max_age below the interval: most probes log out and in again.
				fmt.Fprintf(&endpoints, "  - {name: %s, url: %s, module: %s, credential: account, session_max_age: 3s}\n", name, appliance.url, module)
			}
		}
	}
	for _, status := range redirects { // on the appliance itself, where requests are counted
		appliance := newHCX(t, with(withAccount(password), simulator.Fault{On: simulator.Check, Status: status, Header: map[string]string{"Location": "/elsewhere"}}))
		name := fmt.Sprintf("path-%d", status)
		paths[name] = appliance
		fmt.Fprintf(&endpoints, "  - {name: %s, url: %s, module: hcx, credential: account}\n", name, appliance.url)
	}
	x := serve(t, fmt.Sprintf(prelude+`
credentials:
  account: {username: %s, password_file: %q}
endpoints:
%s`, caFile, user, secretFile(t, password), &endpoints))
	n := float64(len(locations) * len(redirects))
	x.await(t, want{"session_up": n, `session_state{state="invalid_response"}`: 2*n + float64(len(redirects))})
	eventually(t, func() error { // logouts get redirects too
		for name, appliance := range appliances {
			if stats := appliance.Stats(); strings.HasPrefix(name, "logout") && stats.Requests <= stats.Checks+stats.Attempts {
				return fmt.Errorf("%s: no logout has arrived: %+v", name, stats)
			}
		}
		return nil
	})
	for name, appliance := range paths {
		if stats := appliance.Stats(); stats.Requests != stats.Checks+stats.Attempts {
			t.Errorf("%s: the redirect was followed: %+v", name, stats)
		}
	}
	if code := x.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	a.checkUnused(t)
}

// tokenServer is an OAuth 2.0 token endpoint that records its requests. It issues tokens, or
// redirects if redirect is set.
type tokenServer struct {
	mu       sync.Mutex // guards the fields below
	redirect int        // status; 0 to issue tokens
	location string     // of the redirect
	requests []http.Header
}

const bearer = canary + "bearer"

func (s *tokenServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r.Header)
	if s.redirect != 0 {
		w.Header().Set("Location", s.location)
		w.WriteHeader(s.redirect)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"access_token": %q, "token_type": "Bearer", "expires_in": 3600}`, bearer)
}

// TestHeadersGoNowhereElse: a header configured for an appliance is sent with each of its
// requests, and neither to the token endpoint nor to a redirect's target.
func TestHeadersGoNowhereElse(t *testing.T) {
	t.Parallel()
	const header, key = "X-Api-Key", canary + "key"
	target := newAttacker(t, "")
	var keyed sync.Map // the header's value, by method and path
	settings := withAccount(password)
	settings.Bearers = map[string]string{bearer: user}
	hcx := simulator.NewHCX(settings)
	server, err := ca.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keyed.Store(r.Method+" "+r.URL.Path, r.Header.Get(header))
		hcx.ServeHTTP(w, r)
	}), "127.0.0.1:0", simulator.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	redirected := newHCX(t, with(withAccount(password), simulator.Fault{Status: http.StatusTemporaryRedirect, Header: map[string]string{"Location": "https://" + target.address()}}))

	var credentials, endpoints strings.Builder
	servers := map[int]*tokenServer{}
	for _, status := range append([]int{0}, redirects...) {
		tokens := &tokenServer{redirect: status, location: "https://" + target.address() + "/token"}
		if status == http.StatusFound {
			tokens.location = "http://" + target.address() + "/token"
		}
		servers[status] = tokens
		sso, err := ca.Serve(tokens, "127.0.0.1:0", simulator.ServerOptions{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(sso.Close)
		fmt.Fprintf(&credentials, "  sso%d: {oauth2: {client_id: exporter, client_secret_file: %q, token_url: %q, tls_config: {ca_file: %q}}}\n", status, secretFile(t, canary+"client"), sso.URL()+"/token", caFile)
		fmt.Fprintf(&endpoints, "  - {name: sso%d, url: %s, module: keyed, credential: sso%[1]d}\n", status, server.URL())
	}
	x := serve(t, fmt.Sprintf(`
global: {interval: 2s, timeout: 2s}
modules:
  keyed: {api: hcx, tls_config: {ca_file: %q}, http_headers: {%s: {secrets: [%q]}}}
credentials:
  account: {username: %s, password_file: %q}
%sendpoints:
  - {name: login, url: %s, module: keyed, credential: account}
  - {name: redirected, url: %s, module: keyed, credential: account}
%s`, caFile, header, key, user, secretFile(t, password), &credentials, server.URL(), redirected.url, &endpoints))
	x.await(t, want{`session_up{endpoint="login"}`: 1, `session_up{endpoint="sso0"}`: 1, `session_state{state="invalid_response"}`: float64(1 + len(redirects))})
	x.awaitProbes(t, "redirected", 2)
	for status, tokens := range servers {
		tokens.mu.Lock()
		if len(tokens.requests) == 0 {
			t.Errorf("no token was requested from the server that redirects with %d", status)
		}
		for _, sent := range tokens.requests {
			if sent.Get(header) != "" || strings.Contains(fmt.Sprint(sent), key) {
				t.Errorf("the token endpoint was sent %s", header)
			}
		}
		tokens.mu.Unlock()
	}
	if code := x.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, step := range []string{http.MethodPost, http.MethodGet, http.MethodDelete} {
		if got, _ := keyed.Load(step + " /api/admin/v1/sessions"); got != key {
			t.Errorf("%s: the appliance was sent %s: %v", step, header, got)
		}
	}
	target.checkUnused(t)
}

// TestSchemeIsKept: an https address is never contacted without TLS, whatever its
// responses.
func TestSchemeIsKept(t *testing.T) {
	t.Parallel()
	plain := newAttacker(t, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nUpgrade: HTTP/1.1\r\nConnection: close\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
  script: {token_file: %q}
  other: {token_file: %[3]q}
endpoints:
  - {name: a, url: "https://%[4]s", module: hcx, credential: account}
  - {name: b, url: "https://%[4]s", module: dr, credential: script}
  - {name: c, url: "https://%[4]s", module: hcx, credential: other, auth: bearer}
`, user, secretFile(t, password), secretFile(t, canary+"token"), plain.address())
	x.await(t, want{`session_state{state="tls_failed"}`: 3, "session_auth_success": absent})
	x.awaitProbes(t, "a", 1)
	connections, received := plain.seen()
	if connections == 0 {
		t.Error("no connection was made")
	}
	noSecret(t, "what was sent without TLS", received)
	if strings.Contains(received, "HTTP/") {
		t.Errorf("HTTP was sent without TLS: %q", received)
	}
}
