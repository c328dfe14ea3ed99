package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"session_exporter/simulator"
)

// ledger is an appliance that creates a session for each login, even if its response is an
// error, and knows which sessions remain.
type ledger struct {
	url   string
	login func(w http.ResponseWriter, token string) // writes the response to a login
	token func(r *http.Request) string              // returns the token that a request carries

	mu     sync.Mutex     // guards the fields below
	check  http.Handler   // handles checks of live sessions
	broken []http.Handler // handle the next checks, one each, and terminate the session
	logins int
	checks int
	left   map[string]bool // tokens of the sessions that remain
}

func newLedger(t *testing.T, l *ledger) *ledger {
	t.Helper()
	l.left = make(map[string]bool)
	server, err := ca.Serve(l, "127.0.0.1:0", simulator.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	l.url = server.URL()
	return l
}

func (l *ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Method == http.MethodPost {
		l.logins++
		token := fmt.Sprintf("%ssession-%d", canary, l.logins)
		l.left[token] = true
		l.login(w, token)
		return
	}
	token := l.token(r)
	if r.Method == http.MethodGet {
		l.checks++
		if len(l.broken) > 0 {
			broken := l.broken[0]
			l.broken = l.broken[1:]
			delete(l.left, token)
			broken.ServeHTTP(w, r)
			return
		}
	}
	switch {
	case !l.left[token]:
		w.WriteHeader(http.StatusUnauthorized)
	case r.Method == http.MethodDelete:
		delete(l.left, token)
		w.WriteHeader(http.StatusNoContent)
	default:
		l.check.ServeHTTP(w, r)
	}
}

// breakChecks sets the handlers of the next checks, one each, which also terminate the
// session.
func (l *ledger) breakChecks(with ...http.Handler) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = with
}

// seen returns the number of logins, of checks, and of sessions that remain.
func (l *ledger) seen() (logins, checks, left int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.logins, l.checks, len(l.left)
}

// header returns a function that returns the token in a header.
func header(name string) func(*http.Request) string {
	return func(r *http.Request) string { return r.Header.Get(name) }
}

// cookie returns the token in the cookie of byCookie.
func cookie(r *http.Request) string { return strings.TrimPrefix(r.Header.Get("Cookie"), "sid=") }

// byHeader returns a login that responds with the token in a header, and in the body in place
// of TOKEN.
func byHeader(name string, status int, body string) func(http.ResponseWriter, string) {
	return func(w http.ResponseWriter, token string) {
		w.Header().Set(name, token)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, strings.ReplaceAll(body, "TOKEN", token))
	}
}

// byCookie returns a login that responds with the token in a cookie.
func byCookie(status int, body string) func(http.ResponseWriter, string) {
	return func(w http.ResponseWriter, token string) {
		byHeader("Set-Cookie", status, body)(w, "sid="+token+"; Path=/; HttpOnly")
	}
}

// response returns a handler that responds with a body.
func response(status int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

// rawResponse writes bytes instead of a valid response and closes the connection.
func rawResponse(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, text)
		_ = conn.Close()
	})
}
