package probe

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	promconfig "github.com/prometheus/common/config"

	"session_exporter/config"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

func writeFile(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A secret's file is read again at each probe.
func TestSecretFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "token")
		e := endpointFor("dr", sessionapi.AuthToken)
		e.Credential.Secret = secret.Source{File: file}
		p := piped(t, e, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Dr-Session") != "right" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			reply{status: 200, body: drOK}.ServeHTTP(w, r)
		}))
		for _, c := range []struct {
			name, text string
			state      sessionapi.State
			why        string
		}{
			{"missing", "", sessionapi.CredentialMissing, "no such file"},
			{"wrong", "wrong", sessionapi.SessionExpired, "token from file"},
			{"right", "right", sessionapi.Valid, ""},
			{"line end", "right\r\n\n", sessionapi.Valid, ""},
			{"empty", "\n", sessionapi.CredentialMissing, "it is empty"},
			{"two lines", "right\nwrong", sessionapi.CredentialMissing, "it has more than one line"},
			{"spaces", " \t\n", sessionapi.CredentialMissing, "it is empty"},
			{"byte order mark", "\ufeffright\r\n", sessionapi.Valid, ""},
			{"control character", "ri\x01ght", sessionapi.CredentialMissing, "characters that no HTTP header can carry"},
			{"NUL", "right\x00", sessionapi.CredentialMissing, "contains a NUL character"},
			{"right again", "right", sessionapi.Valid, ""},
		} {
			if c.text != "" {
				writeFile(t, file, c.text)
			}
			r := mustProbe(t, p)
			if r.State != c.state || !strings.Contains(r.Diagnosis, c.why) {
				t.Errorf("%s: %s: %s\nwant %s: … %s …", c.name, r.State, r.Diagnosis, c.state, c.why)
			}
			if unsent := r.State == sessionapi.CredentialMissing; unsent != (len(r.Steps) == 0) {
				t.Errorf("%s: %d steps", c.name, len(r.Steps))
			}
			<-time.After(time.Minute)
		}
	})
}

// A secret that cannot be read gives credential_missing, however long reading it takes.
func TestSecretThatFailsSlowly(t *testing.T) {
	e := endpointFor("hcx", sessionapi.AuthBasic)
	e.Timeout = 200 * time.Millisecond
	e.Credential.Secret = secret.Source{File: filepath.Join(t.TempDir(), "none")}
	p := newProber(t, e)
	p.credential.readMu.Lock() // as if the file were being read
	time.AfterFunc(e.Timeout, p.credential.readMu.Unlock)
	if r := mustProbe(t, p); r.State != sessionapi.CredentialMissing || !strings.Contains(r.Diagnosis, "no such file") {
		t.Errorf("%s, want %s: %s", r.State, sessionapi.CredentialMissing, r.Diagnosis)
	}
}

// A password may have characters that no header can carry.
func TestPasswordOfAnyCharacters(t *testing.T) {
	const password = "pa\tss\x01wörd\n:\""
	for _, w := range []way{{"hcx", sessionapi.AuthLogin}, {"hcx", sessionapi.AuthBasic}, {"dr", sessionapi.AuthLogin}} {
		e := w.endpoint()
		e.Credential.Secret.Inline = secret.New(password)
		s := alice()
		account := s.Accounts["alice"]
		account.Password = password
		s.Accounts["alice"] = account
		if r := mustProbe(t, piped(t, e, newAppliance(w.api, s))); r.State != sessionapi.Valid {
			t.Errorf("%s: %s: %s", w, r.State, r.Diagnosis)
		}
	}
}

// The configured headers are sent, but do not replace the header of the session. Their files are
// read for each request.
func TestHTTPHeaders(t *testing.T) {
	file := filepath.Join(t.TempDir(), "header")
	writeFile(t, file, "from-file\n")
	e := endpointFor("dr", sessionapi.AuthToken)
	e.HTTP.Headers = &promconfig.Headers{Headers: map[string]promconfig.Header{
		"X-Tenant":     {Values: []string{"a", "b"}, Secrets: []promconfig.Secret{"c"}, Files: []string{file}},
		"X-Dr-Session": {Values: []string{"never"}},
	}}
	appliance := &handwritten{get: []http.Handler{reply{status: 200, body: drOK}}}
	p := piped(t, e, appliance)
	if r := mustProbe(t, p); r.State != sessionapi.Valid {
		t.Fatalf("%s: %s", r.State, r.Diagnosis)
	}
	sent := appliance.got[0].Header
	if got := strings.Join(sent["X-Tenant"], " "); got != "a b c from-file" {
		t.Errorf("X-Tenant: %s, want a b c from-file", got)
	}
	if got := strings.Join(sent["X-Dr-Session"], " "); got != canaryToken {
		t.Errorf("X-Dr-Session: %s, want the session alone", got)
	}
	writeFile(t, file, "a\nb")
	invalid := mustProbe(t, p)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	for why, r := range map[string]Result{"characters that no": invalid, "no such file": mustProbe(t, p)} {
		if r.State != sessionapi.CredentialMissing || len(r.Steps) != 0 || !strings.Contains(r.Diagnosis, why) {
			t.Errorf("%s, want %s: %s", r.State, sessionapi.CredentialMissing, r.Diagnosis)
		}
	}
	if n := len(appliance.got); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// Refusals count for an account and its secret, whatever else a reload changes about the
// credential, including its name.
func TestReloadKeepsTheBudget(t *testing.T) {
	password := func() *config.Credential { return credentialFor(sessionapi.AuthLogin) }
	oauth := func() *config.Credential { return oauthCredential("http://sso.test/token") }
	for name, c := range map[string]struct {
		credential func() *config.Credential
		change     func(*config.Credential)
		same       bool
	}{
		"username":  {password, func(c *config.Credential) { c.Username = "bob" }, false},
		"password":  {password, func(c *config.Credential) { c.Secret.Inline = secret.New("another") }, false},
		"name":      {password, func(c *config.Credential) { c.Name = "renamed" }, true},
		"expires":   {password, func(c *config.Credential) { c.Expires = time.Now() }, true},
		"client_id": {oauth, func(c *config.Credential) { c.OAuth2.ClientID = "another" }, false},
		"token_url": {oauth, func(c *config.Credential) { c.OAuth2.TokenURL = "http://sso.test/tokens" }, false},
		"scopes":    {oauth, func(c *config.Credential) { c.OAuth2.Scopes = []string{"read"} }, true},
		"no oauth2": {oauth, func(c *config.Credential) { c.OAuth2 = nil }, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := NewManager()
			load := func(c *config.Credential) *credential {
				g, err := m.Prepare(&config.Config{Credentials: map[string]*config.Credential{c.Name: c}})
				if err != nil {
					t.Fatal(err)
				}
				g.Commit()
				return m.credentials()[c.Name]
			}
			before, changed := c.credential(), c.credential()
			c.change(changed)
			for i := range 2 {
				refuse(t, load(before), fmt.Sprint(i))
			}
			load(password())
			after := load(changed)
			if held := after.guard.Held(changed.Secret.Inline, "2") != nil; held != c.same {
				t.Errorf("after the reload, the secret is held back: %t, want %t", held, c.same)
			}
		})
	}
}

// refusalsOf returns how often the secrets of a prober's credential were refused.
func refusalsOf(p *Prober) int {
	_, refusals := p.credential.guard.Status(nil)
	return refusals
}

// refuse records that an appliance refused a credential's secret.
func refuse(t *testing.T, c *credential, appliance string) {
	t.Helper()
	permit, err := c.guard.Acquire(t.Context(), c.Secret.Inline, appliance)
	if err != nil {
		t.Fatal(err)
	}
	permit.Record(sessionapi.Refused)
}

// Refusals during a reload that changes the account are counted too, under the
// credential's name.
func TestRefusalsDuringAReloadCount(t *testing.T) {
	m := NewManager()
	prepared := func(username string) *Generation {
		c := credentialFor(sessionapi.AuthLogin)
		c.Username = username
		g, err := m.Prepare(&config.Config{Credentials: map[string]*config.Credential{c.Name: c}})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	prepared("alice").Commit()
	next := prepared("bob")
	refuse(t, m.credentials()["monitor"], "a")
	next.Commit()
	if n := m.Credentials()[0].Refusals; n != 1 {
		t.Errorf("%d refusals, want 1", n)
	}
}

// A change is reported once, even if a probe is the first to read it.
func TestRefreshReportsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "password")
		settings := credentialFor(sessionapi.AuthLogin)
		settings.Secret = secret.Source{File: file}
		c := &credential{Credential: settings}
		write := func(text string) func() { return func() { writeFile(t, file, text) } }
		remove := func() {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}
		read := func() {
			<-time.After(rereadAfter)
			_, _ = c.read() // whether it can be read or not
		}
		for _, step := range []struct {
			name    string
			actions []func() // since the step before
			reports bool
		}{
			{"not used yet", []func(){write("one")}, false},
			{"used", []func(){read}, false},
			{"written again", []func(){write("one"), read}, false},
			{"changed", []func(){write("two")}, true},
			{"already reported", []func(){read}, false},
			{"changed, and read by a probe", []func(){write("three"), read}, true},
			{"already reported", []func(){read}, false},
			{"gone", []func(){remove, read}, false},
			{"back", []func(){write("three"), read}, true},
			{"changed, read and gone", []func(){write("four"), read, remove}, false},
			{"back again", []func(){write("four")}, true},
		} {
			for _, act := range step.actions {
				act()
			}
			if reports := c.refresh(); reports != step.reports {
				t.Errorf("%s: refresh reports %t, want %t", step.name, reports, step.reports)
			}
		}
	})
}
