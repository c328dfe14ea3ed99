package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"session_exporter/simulator"
)

// realm is a directory, together with the servers that it checks passwords for: an HCX Manager
// below every path, and an OAuth 2.0 token endpoint at /token, which can only refuse.
type realm struct {
	url string

	mu       sync.Mutex // guards the fields below
	delay    time.Duration
	password string         // the right password
	epoch    int            // number of password changes; sessions of earlier epochs are refused
	refused  map[string]int // refusals by username and secret, separated by a space
}

// newRealm starts a realm that refuses a wrong password after a delay.
func newRealm(t *testing.T, password string, delay time.Duration) *realm {
	t.Helper()
	d := &realm{password: password, delay: delay, refused: make(map[string]int)}
	server, err := ca.Serve(d, "127.0.0.1:0", simulator.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	d.url = server.URL()
	return d
}

func (d *realm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const failure = `{"success": false, "completed": true, "time": 1, "version": "1", "errorCode": %q, "error": "invalid_client"}`
	username, secret, carries := secretOf(r)
	accepted, session, delay := d.judge(username, secret, carries)
	switch {
	case carries && !accepted:
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprintf(w, failure, "INVALID_CREDENTIALS")
	case carries || r.Header.Get("X-Hm-Authorization") == session:
		w.Header().Set("X-Hm-Authorization", session)
		_, _ = fmt.Fprint(w, `{"success": true, "completed": true, "time": 1, "version": "1", "data": {"user": {"username": "monitor"}}}`)
	default:
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprintf(w, failure, "INVALID_SESSION_TOKEN")
	}
}

// secretOf returns the username and the secret that a request carries, and whether it carries
// any.
func secretOf(r *http.Request) (username, secret string, carries bool) {
	if username, secret, carries = r.BasicAuth(); carries || r.Method != http.MethodPost {
		return username, secret, carries
	}
	text, err := io.ReadAll(r.Body)
	var body struct{ Username, Password string }
	if err != nil || json.Unmarshal(text, &body) != nil {
		form, _ := url.ParseQuery(string(text)) // a token request
		for _, name := range []string{"password", "refresh_token", "api_token"} {
			if form.Has(name) {
				return form.Get("username"), form.Get(name), true
			}
		}
		return "", string(text), true
	}
	return body.Username, body.Password, true
}

// judge returns whether the realm accepts a secret, the session of its responses, and the
// delay of a refusal.
func (d *realm) judge(username, secret string, carries bool) (accepted bool, session string, delay time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if carries {
		if accepted = secret == d.password; !accepted {
			d.refused[username+" "+secret]++
		}
	}
	return accepted, fmt.Sprint(canary, "session-", d.epoch), d.delay
}

// change changes the password and drops all sessions.
func (d *realm) change(password string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.password = password
	d.epoch++
}

// refusals counts the refusals of a username and secret, or all of them without arguments.
func (d *realm) refusals(account ...string) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, times := range d.refused {
		if len(account) == 0 || key == strings.Join(account, " ") {
			n += times
		}
	}
	return n
}

// endpoints lists n endpoints, named e0 and so on, with settings.
func (d *realm) endpoints(n int, settings string) string {
	var list strings.Builder
	for i := range n {
		fmt.Fprintf(&list, "  - {name: e%d, url: \"%s/n%d\", module: hcx, %s}\n", i, d.url, i, settings)
	}
	return list.String()
}

// checkRefusals checks how often each secret was refused, by username and secret as in
// refused.
func (d *realm) checkRefusals(t *testing.T, wanted map[string]int) {
	t.Helper()
	all := 0
	for account, times := range wanted {
		all += times
		if got := d.refusals(account); got != times {
			t.Errorf("%q was refused %d times, want %d", account, got, times)
		}
	}
	if got := d.refusals(); got != all {
		t.Errorf("%d refusals in total, want %d", got, all)
	}
}
