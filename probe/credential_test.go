package probe

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	promconfig "github.com/prometheus/common/config"

	"session_exporter/config"
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
		e := endpointFor("dr", config.AuthToken)
		e.Credential.Secret = config.SecretSource{File: file}
		p := piped(t, e, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Dr-Session") != "right" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			reply{status: 200, body: drOK}.ServeHTTP(w, r)
		}))
		for _, c := range []struct {
			name, text string
			state      State
			why        string
		}{
			{"missing", "", CredentialMissing, "no such file"},
			{"wrong", "wrong", SessionExpired, "token from file"},
			{"right", "right", Valid, ""},
			{"line end", "right\r\n\n", Valid, ""},
			{"empty", "\n", CredentialMissing, "it is empty"},
			{"two lines", "right\nwrong", CredentialMissing, "characters that no HTTP header can carry"},
			{"spaces", " \t\n", CredentialMissing, "it is empty"},
			{"byte order mark", "\ufeffright\r\n", Valid, ""},
			{"control character", "ri\x01ght", CredentialMissing, "characters that no HTTP header can carry"},
			{"NUL", "right\x00", CredentialMissing, "has a NUL character in it"},
			{"right again", "right", Valid, ""},
		} {
			if c.text != "" {
				writeFile(t, file, c.text)
			}
			r := mustProbe(t, p)
			if r.State != c.state || !strings.Contains(r.Diagnosis, c.why) {
				t.Errorf("%s: %s: %s", c.name, r.State, r.Diagnosis)
			}
			if unsent := r.State == CredentialMissing; unsent != (len(r.Steps) == 0) {
				t.Errorf("%s: %d steps", c.name, len(r.Steps))
			}
			<-time.After(time.Minute)
		}
	})
}

// A secret that cannot be read is told as that, however long it took to find out.
func TestSecretThatFailsSlowly(t *testing.T) {
	e := endpointFor("hcx", config.AuthBasic)
	e.Timeout = 200 * time.Millisecond
	e.Credential.Secret = config.SecretSource{File: filepath.Join(t.TempDir(), "none")}
	p := newProber(t, e)
	p.credential.reading.Lock() // as by who waits for the file
	time.AfterFunc(e.Timeout, p.credential.reading.Unlock)
	if r := mustProbe(t, p); r.State != CredentialMissing || !strings.Contains(r.Diagnosis, "no such file") {
		t.Errorf("%s: %s", r.State, r.Diagnosis)
	}
}

// A password may have any characters, and need not fit a header.
func TestPasswordOfAnyCharacters(t *testing.T) {
	const password = "pa\tss\x01wörd\n:\""
	for _, w := range []way{{"hcx", config.AuthLogin}, {"hcx", config.AuthBasic}, {"dr", config.AuthLogin}} {
		e := w.endpoint()
		e.Credential.Secret.Inline = config.NewSecret(password)
		s := alice()
		account := s.Accounts["alice"]
		account.Password = password
		s.Accounts["alice"] = account
		if r := mustProbe(t, piped(t, e, newAppliance(w.api, s))); r.State != Valid {
			t.Errorf("%s: %s: %s", w, r.State, r.Diagnosis)
		}
	}
}

// The configured headers are sent, and their files read at each request.
func TestHTTPHeaders(t *testing.T) {
	file := filepath.Join(t.TempDir(), "header")
	writeFile(t, file, "from-file\n")
	e := endpointFor("dr", config.AuthToken)
	e.HTTP.Headers = &promconfig.Headers{Headers: map[string]promconfig.Header{
		"X-Tenant":     {Values: []string{"a", "b"}, Secrets: []promconfig.Secret{"c"}, Files: []string{file}},
		"X-Dr-Session": {Values: []string{"never"}},
	}}
	appliance := &handwritten{get: []http.Handler{reply{status: 200, body: drOK}}}
	p := piped(t, e, appliance)
	if r := mustProbe(t, p); r.State != Valid {
		t.Fatalf("%s: %s", r.State, r.Diagnosis)
	}
	sent := appliance.got[0].Header
	if got := strings.Join(sent["X-Tenant"], " "); got != "a b c from-file" {
		t.Errorf("X-Tenant: %s", got)
	}
	if got := strings.Join(sent["X-Dr-Session"], " "); got != canaryToken {
		t.Errorf("X-Dr-Session: %s", got)
	}
	writeFile(t, file, "a\nb")
	spoilt := mustProbe(t, p)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	for why, r := range map[string]Result{"characters that no": spoilt, "no such file": mustProbe(t, p)} {
		if r.State != CredentialMissing || len(r.Steps) != 0 || !strings.Contains(r.Diagnosis, why) {
			t.Errorf("%s: %s", r.State, r.Diagnosis)
		}
	}
	if n := len(appliance.got); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// What is held against a secret is held against an account, whatever else a reload
// changes of the credential.
func TestGuardGoesByAccount(t *testing.T) {
	password := func() *config.Credential { return credentialFor(config.AuthLogin) }
	oauth := func() *config.Credential { return oauthCredential("http://sso.test/token") }
	for name, c := range map[string]struct {
		credential func() *config.Credential
		change     func(*config.Credential)
		same       bool
	}{
		"username":      {password, func(c *config.Credential) { c.Username = "bob" }, false},
		"lockout_guard": {password, func(c *config.Credential) { c.Guard.MaxRefusals = 5 }, true},
		"client_id":     {oauth, func(c *config.Credential) { c.OAuth2.ClientID = "another" }, false},
		"token_url":     {oauth, func(c *config.Credential) { c.OAuth2.TokenURL = "http://sso.test/tokens" }, false},
		"scopes":        {oauth, func(c *config.Credential) { c.OAuth2.Scopes = []string{"read"} }, true},
		"no oauth2":     {oauth, func(c *config.Credential) { c.OAuth2 = nil }, false},
	} {
		f := NewFactory()
		load := func(c *config.Credential) *guard {
			b, err := f.Prepare(&config.Config{Credentials: map[string]*config.Credential{c.Name: c}})
			if err != nil {
				t.Fatal(err)
			}
			b.Commit()
			return f.current()[c.Name].guard
		}
		before, changed := load(c.credential()), c.credential()
		c.change(changed)
		if same := load(changed) == before; same != c.same {
			t.Errorf("%s: the guard is the same: %t", name, same)
		}
	}
}

// Refusals during a reload that changes the account are counted too: the credential's
// name is what they are counted by.
func TestRefusalsNeverGoBack(t *testing.T) {
	f := NewFactory()
	prepared := func(username string) *Batch {
		c := credentialFor(config.AuthLogin)
		c.Username = username
		b, err := f.Prepare(&config.Config{Credentials: map[string]*config.Credential{c.Name: c}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	prepared("alice").Commit()
	next := prepared("bob")
	f.current()["monitor"].guard.try(t, "a", new(patience), Refused)
	next.Commit()
	if n := f.Credentials()[0].Refusals; n != 1 {
		t.Errorf("%d refusals", n)
	}
}

// A change is told once, also when a probe is the first to read it.
func TestRefreshTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "password")
		settings := credentialFor(config.AuthLogin)
		settings.Secret = config.SecretSource{File: file}
		c, err := newCredential(settings, nil)
		if err != nil {
			t.Fatal(err)
		}
		write := func(text string) func() { return func() { writeFile(t, file, text) } }
		remove := func() {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}
		read := func() {
			<-time.After(readAgainAfter)
			_, _ = c.load() // whether it can be read or not
		}
		for _, step := range []struct {
			name    string
			happens []func()
			tells   bool
		}{
			{"not used yet", []func(){write("one")}, false},
			{"used", []func(){read}, false},
			{"written again", []func(){write("one"), read}, false},
			{"changed", []func(){write("two")}, true},
			{"told", []func(){read}, false},
			{"changed, and read by a probe", []func(){write("three"), read}, true},
			{"told too", []func(){read}, false},
			{"gone", []func(){remove, read}, false},
			{"back", []func(){write("three"), read}, true},
			{"changed, read and gone", []func(){write("four"), read, remove}, false},
			{"back again", []func(){write("four")}, true},
		} {
			for _, happens := range step.happens {
				happens()
			}
			if tells := c.refresh(); tells != step.tells {
				t.Errorf("%s: %t", step.name, tells)
			}
		}
	})
}
