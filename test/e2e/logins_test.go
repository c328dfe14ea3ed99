package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"session_exporter/simulator"
)

const cookieAPI = `
apis:
  described:
    login: {path: /login, send: json, body: {name: $username, password: $password}}
    session: [{from: cookie, name: sid}]
    check: {path: /me}
    logout: {path: /login}
    body: {user: text}
    answer: {username: body.user}
`

// TestSessionOfAFailedLogin: the response to a failed login may nevertheless have a session.
// The exporter logs it out, and does not count the login as unanswered.
func TestSessionOfAFailedLogin(t *testing.T) {
	t.Parallel()
	ledgers := make(map[string]*ledger)
	var credentials, endpoints strings.Builder
	for _, status := range []int{http.StatusFound, http.StatusForbidden, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable} {
		for api, l := range map[string]*ledger{
			"hcx":       {login: byHeader("x-hm-authorization", status, "{}"), token: header("x-hm-authorization")},
			"described": {login: byCookie(status, "{}"), token: cookie},
		} {
			name := fmt.Sprint(api, "-", status)
			ledgers[name] = newLedger(t, l)
			fmt.Fprintf(&credentials, "  %s: {username: %s, password: %[3]s%[1]s}\n", name, user, canary)
			fmt.Fprintf(&endpoints, "  - {name: %s, url: %q, credential: %[1]s, module: m-%[3]s}\n", name, l.url, api)
		}
	}
	x := serve(t, fmt.Sprintf("global: {interval: 2s, timeout: 2s}"+cookieAPI+`
modules:
  m-hcx: {api: hcx, tls_config: {ca_file: %[1]q}}
  m-described: {api: described, tls_config: {ca_file: %[1]q}}
credentials:
%[2]sendpoints:
%[3]s`, caFile, &credentials, &endpoints))
	x.until(t, func(m metrics) error {
		for name := range ledgers {
			if got := m.sum(fmt.Sprintf("session_logouts_total{endpoint=%q}", name)); !(got >= 1) {
				return fmt.Errorf("%s: %v logouts", name, got)
			}
		}
		return nil
	})
	x.awaitProbes(t, "hcx-503", 2).check(t, want{"session_logins_unanswered_total": 0, "session_up": 0})
	if code := x.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for name, l := range ledgers {
		if logins, _, left := l.seen(); logins == 0 || left > 0 {
			t.Errorf("%s: %d sessions of %d logins remain", name, left, logins)
		}
	}
}

// TestLoginsThatWereNotSent: a login is counted only if its request was written, and not if
// the connection or the handshake failed.
func TestLoginsThatWereNotSent(t *testing.T) {
	t.Parallel()
	a := simulator.NewHCX(withAccount(password))
	server, err := ca.Serve(a, "127.0.0.1:0", simulator.ServerOptions{NotAfter: time.Now().Add(-24 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	off := newHCX(t, withAccount(password))
	off.server.Off()
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
  - {name: expired, url: %q, module: hcx, credential: account, interval: 2s, timeout: 2s}
  - {name: off, url: %q, module: hcx, credential: account, interval: 2s, timeout: 2s}
`, user, secretFile(t, password), server.URL(), off.url)
	x.await(t, want{`session_state{endpoint="expired",state="tls_failed"}`: 1, `session_state{endpoint="off",state="unreachable"}`: 1})
	x.awaitProbes(t, "expired", 3).check(t, want{
		"session_logins_total": 0, "session_login_failures_total": 0, "session_logins_unanswered_total": 0, "session_auth_success": absent,
	})
	if stats := a.Stats(); stats.Requests > 0 {
		t.Errorf("the appliance has seen %+v", stats)
	}
}

const gateway = "/api/rest/srm/v2"

// watchDR runs an exporter that probes a gateway, which is a ledger, and waits until it is valid.
func watchDR(t *testing.T) (*ledger, *exporter) {
	t.Helper()
	l := newLedger(t, &ledger{
		login: byHeader("X", http.StatusOK, `{"session_id": "TOKEN"}`), token: header("x-dr-session"), check: response(http.StatusOK, `{"username": "monitor"}`),
	})
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
  - {name: a, url: %q, module: dr, credential: account, interval: 2s, timeout: 2s}
`, user, secretFile(t, password), l.url+gateway)
	x.await(t, want{"session_up": 1, "session_logins_total": 1})
	return l, x
}

// TestTruncatedRefusalOfASession: the status 401 is enough to renew the session, even if the
// body is truncated.
func TestTruncatedRefusalOfASession(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]string{
		"chunked": "Transfer-Encoding: chunked\r\n\r\n",
		"length":  "Content-Length: 100\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, x := watchDR(t)
			l.breakChecks(rawResponse("HTTP/1.1 401 Unauthorized\r\n" + refusal))
			x.await(t, want{"session_expirations_total": 1})
			x.awaitProbes(t, "a", 2).check(t, want{
				"session_up": 1, "session_auth_success": 1, "session_logins_total": 2, "session_expirations_total": 1, "session_probe_failures_total": 0,
			})
			if got := fmt.Sprint(x.states(t, "a")); got != "[valid]" {
				t.Errorf("states %s", got)
			}
			if logins, _, left := l.seen(); logins != 2 || left != 1 {
				t.Errorf("%d logins, %d sessions remain", logins, left)
			}
		})
	}
}

// TestTruncatedRateLimit: Retry-After applies although the body is truncated.
func TestTruncatedRateLimit(t *testing.T) {
	t.Parallel()
	l, x := watchDR(t)
	const limit = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 600\r\nContent-Length: 100\r\n\r\n{"
	l.breakChecks(rawResponse(limit), rawResponse(limit), rawResponse(limit), rawResponse(limit), rawResponse(limit), rawResponse(limit))
	x.await(t, want{`session_state{state="rate_limited"}`: 1})
	_, before, _ := l.seen()
	x.awaitProbes(t, "a", 5).check(t, want{`session_state{state="rate_limited"}`: 1, "session_auth_success": 1})
	if logins, checks, _ := l.seen(); logins != 1 || checks != before {
		t.Errorf("%d logins, want 1; %d checks before Retry-After had passed, want 0", logins, checks-before)
	}
	l.breakChecks()
}

// TestAccountLockedOut: gateways respond to logins with 403 and the code USER_LOCKED_OUT, which
// counts as a refusal.
func TestAccountLockedOut(t *testing.T) {
	t.Parallel()
	var posts atomic.Int64
	server, err := ca.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			posts.Add(1)
		}
		response(http.StatusForbidden, `{"error_code":"USER_LOCKED_OUT","message":"try later"}`).ServeHTTP(w, r)
	}), "127.0.0.1:0", simulator.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	var endpoints strings.Builder
	for i := range 20 {
		fmt.Fprintf(&endpoints, "  - {name: e%d, url: \"%s/n%[1]d%s\", module: dr, credential: account, interval: 2s, timeout: 2s}\n", i, server.URL(), gateway)
	}
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
%s`, user, secretFile(t, password), &endpoints)
	x.await(t, suspended(20))
	x.awaitProbes(t, "e0", 4).check(t, want{
		"session_exporter_credential_suspended": 1, "session_auth_success": 0, "session_logins_total": 2, "session_login_failures_total": 2,
	})
	if got := posts.Load(); got != 2 {
		t.Errorf("%d logins, want 2", got)
	}
	rejected := 0
	for i := range 20 {
		rejected += strings.Count(fmt.Sprint(x.states(t, fmt.Sprint("e", i))), "credentials_rejected")
	}
	if rejected != 2 {
		t.Errorf("%d endpoints were credentials_rejected, want 2", rejected)
	}
}

// TestRedfishWithoutLocation: the response to a login has the session's path only in its body.
// The exporter finds it there, and deletes the session when it stops.
func TestRedfishWithoutLocation(t *testing.T) {
	t.Parallel()
	const sessions = "/redfish/v1/SessionService/Sessions"
	var mu sync.Mutex
	var elsewhere []string
	l := newLedger(t, &ledger{
		login: byHeader("X-Auth-Token", http.StatusCreated, `{"@odata.id": "`+sessions+`/TOKEN", "Id": "TOKEN"}`),
		check: response(http.StatusOK, `{"UserName": "monitor"}`),
		token: func(r *http.Request) string {
			token := r.Header.Get("X-Auth-Token")
			if r.URL.Path != sessions+"/"+token {
				mu.Lock()
				defer mu.Unlock()
				elsewhere = append(elsewhere, r.Method+" "+r.URL.Path)
				return ""
			}
			return token
		},
	})
	definition, _, _ := strings.Cut(document(t, "../sessionapi/catalogue/redfish.yml"), "\ncredentials:")
	x := serve(t, fmt.Sprintf(`%s
global: {interval: 2s, timeout: 2s}
modules: {m: {api: redfish, tls_config: {ca_file: %q}}}
credentials: {account: {username: %s, password_file: %q}}
endpoints: [{name: a, url: %q, module: m, credential: account}]
`, definition, caFile, user, secretFile(t, password), l.url))
	x.await(t, want{"session_up": 1})
	x.awaitProbes(t, "a", 3).check(t, want{"session_up": 1, "session_logins_total": 1, "session_logins_unanswered_total": 0})
	if code := x.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if logins, _, left := l.seen(); logins != 1 || left != 0 {
		t.Errorf("%d logins, %d sessions remain", logins, left)
	}
	mu.Lock()
	defer mu.Unlock()
	if elsewhere != nil {
		t.Errorf("requests to other paths: %v", elsewhere)
	}
}
