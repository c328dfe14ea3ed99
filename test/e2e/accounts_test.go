package e2e

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	wrongA = canary + "wrong-a"
	wrongB = canary + "wrong-b"
)

// suspended returns the expected metrics of n endpoints whose logins are held back.
func suspended(n int) want {
	return want{`session_state{state="login_suspended"}`: float64(n), "session_login_suspended": float64(n)}
}

// TestPasswordChangedAndSessionsDropped: the password is changed and all sessions are dropped,
// so that all endpoints send the old password concurrently. Each refusal takes 1 s. The guard permits
// another login if a refusal takes 5 s, so a busy machine has 4 s of slack.
func TestPasswordChangedAndSessionsDropped(t *testing.T) {
	t.Parallel()
	for _, auth := range []string{"login", "basic"} {
		t.Run(auth, func(t *testing.T) {
			t.Parallel()
			d := newRealm(t, password, time.Second)
			x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
%s`, user, secretFile(t, password), d.endpoints(100, "credential: account, interval: 6s, timeout: 6s, auth: "+auth))
			x.await(t, want{"session_up": 100})
			d.change(newPassword)
			x.await(t, suspended(100))
			x.awaitProbes(t, "e0", 1)
			x.await(t, suspended(100))
			d.checkRefusals(t, map[string]int{user + " " + password: 2})
		})
	}
}

// TestAlternatingSecret: two processes take turns to overwrite a secret file, each with its own
// wrong password. Further new passwords share what is left of the account's budget.
func TestAlternatingSecret(t *testing.T) {
	t.Parallel()
	d := newRealm(t, password, 50*time.Millisecond)
	secret := secretFile(t, wrongA)
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
%s`, user, secret, d.endpoints(20, "credential: account, interval: 2s, timeout: 2s"))
	x.await(t, suspended(20))
	for range 3 {
		for _, flipped := range []string{wrongB, wrongA} {
			write(t, secret, flipped)
			x.awaitProbes(t, "e0", 1)
		}
	}
	x.await(t, suspended(20))
	d.checkRefusals(t, map[string]int{user + " " + wrongA: 2, user + " " + wrongB: 2})
	for i := range 3 {
		write(t, secret, fmt.Sprint(canary, "ever-new-", i))
		x.awaitProbes(t, "e0", 1)
	}
	x.await(t, suspended(20))
	if got := d.refusals(); got != 6 {
		t.Errorf("%d refusals in total, want 6", got)
	}
}

// TestGuardBelongsToTheAccount: the refusals of an account are remembered whatever its
// name in the configuration, and across changes of that name.
func TestGuardBelongsToTheAccount(t *testing.T) {
	t.Parallel()
	d := newRealm(t, password, 0)
	file := filepath.Join(t.TempDir(), "session_exporter.yml")
	configure := func(credential, username, password string) string {
		return fmt.Sprintf(prelude+"credentials: {%s: {username: %s, password: %s}}\nendpoints:\n%s", caFile,
			credential, username, password, d.endpoints(3, "interval: 2s, timeout: 2s, credential: "+credential))
	}
	x := onFile(t, write(t, file, configure("account", user, wrongA)))
	reload := func(text string) {
		t.Helper()
		write(t, file, text)
		if status, message := x.post(t, "/-/reload"); status != http.StatusOK {
			t.Fatalf("status %d: %s", status, message)
		}
	}
	x.await(t, suspended(3))
	first, second := user+" "+wrongA, user+" "+wrongB
	d.checkRefusals(t, map[string]int{first: 2})
	for _, step := range []struct {
		what, text string
		costs      map[string]int
	}{
		{"renamed", configure("renamed", user, wrongA), map[string]int{first: 2}},
		{"removed", fmt.Sprintf(prelude, caFile) + "credentials: {}\nendpoints: []\n", nil},
		{"added again", configure("account", user, wrongA), map[string]int{first: 2}},
		{"another user", configure("account", "other", wrongA), map[string]int{first: 2, "other " + wrongA: 2}},
		{"the user again", configure("account", user, wrongA), map[string]int{first: 2, "other " + wrongA: 2}},
		{"another password", configure("account", user, wrongB), map[string]int{first: 2, "other " + wrongA: 2, second: 2}},
		{"the password again", configure("account", user, wrongA), map[string]int{first: 2, "other " + wrongA: 2, second: 2}},
	} {
		reload(step.text)
		if step.costs == nil {
			x.await(t, want{"session_up": absent})
			continue
		}
		reloaded := time.Now()
		for _, name := range []string{"e0", "e1", "e2"} {
			x.probedAfter(t, name, reloaded)
		}
		x.await(t, suspended(3))
		d.checkRefusals(t, step.costs)
		if t.Failed() {
			t.Fatalf("after the step %q", step.what)
		}
	}
}

// TestEntriesOfOneAccount: three credentials of the same account share its budget.
func TestEntriesOfOneAccount(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		usernames [3]string
		guard     string
	}{
		"the same username and password": {[3]string{user, user, user}, "{}"},
		"lockout_guard.account":          {[3]string{`CORP\svc`, "svc@corp.example", "svc"}, "{account: site-a}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newRealm(t, password, 50*time.Millisecond)
			var credentials, endpoints strings.Builder
			for i, username := range c.usernames {
				fmt.Fprintf(&credentials, "  c%d: {username: '%s', password: %s, lockout_guard: %s}\n", i, username, wrongA, c.guard)
				fmt.Fprintf(&endpoints, "  - {name: e%d, url: \"%s/n%[1]d\", module: hcx, credential: c%[1]d}\n", i, d.url)
			}
			x := watch(t, "\ncredentials:\n%sendpoints:\n%s", &credentials, &endpoints)
			x.await(t, suspended(3)).check(t, want{"session_exporter_credential_suspended": 3})
			x.awaitProbes(t, "e0", 2)
			if got := d.refusals(); got != 2 {
				t.Errorf("%d refusals, want 2", got)
			}
		})
	}
}

// TestReloadWhileLoginsWait: a reload replaces a wrong password with another while 50 probes
// wait to try the first.
func TestReloadWhileLoginsWait(t *testing.T) {
	t.Parallel()
	d := newRealm(t, password, 250*time.Millisecond)
	configure := func(password string) string {
		return fmt.Sprintf(prelude+"credentials: {account: {username: %s, password: %s}}\nendpoints:\n%s", caFile, user, password, d.endpoints(50, "credential: account"))
	}
	file := filepath.Join(t.TempDir(), "session_exporter.yml")
	x := onFile(t, write(t, file, configure(wrongA)))
	eventually(t, func() error {
		if d.refusals() == 0 {
			return fmt.Errorf("no login was sent")
		}
		return nil
	})
	write(t, file, configure(wrongB))
	x.sendSIGHUP(t)
	x.await(t, suspended(50))
	x.awaitProbes(t, "e0", 2)
	x.await(t, suspended(50))
	if a, b := d.refusals(user, wrongA), d.refusals(user, wrongB); a < 1 || a > 2 || b != 2 {
		t.Errorf("%d refusals of the first password, want 1 or 2; %d of the second, want 2", a, b)
	}
}

// TestResumeHammered: a user clicks Resume 149 times instead of correcting the password. At
// most three logins are granted.
func TestResumeHammered(t *testing.T) {
	t.Parallel()
	d := newRealm(t, password, 50*time.Millisecond)
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
%s`, user, secretFile(t, wrongA), d.endpoints(3, "credential: account"))
	x.await(t, suspended(3))
	granted := 0
	for range 149 {
		response, err := http.Post(x.url+"/-/resume?credential=account", "", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		wait, number := strconv.Atoi(response.Header.Get("Retry-After"))
		switch {
		case err != nil:
			t.Fatal(err)
		case response.StatusCode == http.StatusOK && granted < 3:
			granted++
			x.await(t, want{"session_exporter_credential_refusals_total": float64(2 + granted)})
		case response.StatusCode != http.StatusTooManyRequests || number != nil || wait < 1 || wait > 20*60:
			t.Fatalf("after %d logins: %s, Retry-After %q: %s", granted, response.Status, response.Header.Get("Retry-After"), text)
		}
	}
	x.awaitProbes(t, "e0", 1)
	x.await(t, suspended(3))
	if got := d.refusals(); granted == 0 || got != 2+granted {
		t.Errorf("%d refusals, want 2 and one for each of the %d logins granted", got, granted)
	}
}

// TestTokenEndpointRefuses: each attempt is one request, although the OAuth 2.0 library
// would retry with the other method of client authentication.
func TestTokenEndpointRefuses(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			d := newRealm(t, password, 50*time.Millisecond)
			x := watch(t, `
credentials:
  account: {oauth2: {client_id: id, client_secret_file: %q, token_url: "%s/token", tls_config: {ca_file: %q}}}
endpoints:
%s`, secretFile(t, wrongA), d.url, caFile, d.endpoints(n, "credential: account"))
			x.await(t, suspended(n))
			x.awaitProbes(t, "e0", 2)
			d.checkRefusals(t, map[string]int{"id " + wrongA: min(n, 2)})
		})
	}
}

// TestGrantsAreGuarded: the secret that a grant exchanges is guarded like the password of a
// login, and never shown.
func TestGrantsAreGuarded(t *testing.T) {
	t.Parallel()
	for grant, c := range map[string]struct{ entry, client, user string }{
		"password":      {"username: " + user + ", password_file", "client_id: id, ", user},
		"refresh_token": {"token_file", "client_id: id, ", ""},
		"vcf_api_token": {"token_file", "", ""},
	} {
		t.Run(grant, func(t *testing.T) {
			t.Parallel()
			d := newRealm(t, password, 50*time.Millisecond)
			x := watch(t, `
credentials:
  account: {%s: %q, oauth2: {grant_type: %s, %stoken_url: "%s/token", tls_config: {ca_file: %q}}}
endpoints:
%s`, c.entry, secretFile(t, wrongA), grant, c.client, d.url, caFile, d.endpoints(100, "credential: account"))
			x.await(t, suspended(100))
			x.awaitProbes(t, "e0", 2)
			d.checkRefusals(t, map[string]int{c.user + " " + wrongA: 2})
			for _, path := range []string{"/", "/endpoints/?name=e0", "/config", "/api/v1/endpoints", "/metrics"} {
				if strings.Contains(x.get(t, path), canary) {
					t.Errorf("%s shows a secret", path)
				}
			}
		})
	}
}

// TestOneEndpointIsHeldBack: if the guard holds back a single endpoint, the credential's
// gauge and the response to /-/probe report it.
func TestOneEndpointIsHeldBack(t *testing.T) {
	t.Parallel()
	d := newRealm(t, password, 0)
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
%s`, user, secretFile(t, wrongA), d.endpoints(1, "credential: account"))
	x.await(t, suspended(1)).check(t, want{`session_exporter_credential_suspended{credential="account"}`: 1})
	const reason = `Nothing was sent: the lockout guard holds back logins with credential "account"`
	if status, text := x.post(t, "/-/probe?endpoint=e0"); status != http.StatusConflict || !strings.HasPrefix(text, reason) {
		t.Errorf("status %d: %s", status, text)
	}
	d.checkRefusals(t, map[string]int{user + " " + wrongA: 1})
}
