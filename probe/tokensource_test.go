package probe

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// The identity broker of VCF issues tokens for 1,799 s. No expired token is sent to the
// appliance.
func TestTokenIsReplacedBeforeItExpires(t *testing.T) {
	for _, interval := range []time.Duration{10 * time.Second, time.Minute, 7 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var fetched []time.Time
			handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				now := time.Now()
				if r.Host == "sso.test" {
					fetched = append(fetched, now)
					_, _ = fmt.Fprintf(w, `{"access_token": "%s-%d", "token_type": "Bearer", "expires_in": 1799}`, canaryToken, len(fetched))
					return
				}
				latest := len(fetched) - 1
				if r.Header.Get("Authorization") != fmt.Sprintf("Bearer %s-%d", canaryToken, latest+1) || now.Sub(fetched[latest]) >= 1799*time.Second {
					reply{status: 401, body: hcxUnauthorized}.ServeHTTP(w, r)
					return
				}
				reply{status: 200, body: hcxOK}.ServeHTTP(w, r)
			})
			p := new(authServer).grantProber(t, byGrant(config.GrantVCFAPIToken))
			p.endpoint.Interval = interval
			dial := newPipeServer(t, handler).dial
			directly(p).DialContext, tokenTransport(p).DialContext = dial, dial
			logins := 0
			for begin := time.Now(); time.Since(begin) < 24*time.Hour; time.Sleep(interval) {
				r := mustProbe(t, p)
				if logins += r.Logins; r.State != sessionapi.Valid || len(r.Steps) != 1+r.Logins {
					t.Fatalf("every %s: %s after %s in %d requests: %s", interval, r.State, time.Since(begin), len(r.Steps), r.Diagnosis)
				}
			}
			if limit := 1 + int(24*time.Hour/(1789*time.Second-interval)); logins > limit {
				t.Errorf("every %s: %d token requests in a day, want at most %d", interval, logins, limit)
			}
		})
	}
}

// rotating is a token server that accepts each refresh token once, and replaces it. A
// token that is presented again revokes all of them, as RFC 9700 recommends.
type rotating struct {
	mu      sync.Mutex // guards the fields below
	next    int        // number of the refresh token that is accepted
	revoked bool       // no refresh token is accepted
	keeps   bool       // the server does not rotate
	delay   time.Duration
	fetches int
}

func (s *rotating) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Host != "sso.test" {
		reply{status: 200, body: hcxOK}.ServeHTTP(w, r)
		return
	}
	_ = r.ParseForm()
	s.mu.Lock()
	s.fetches++
	accepted := !s.revoked && r.Form.Get("refresh_token") == fmt.Sprintf("%s-%d", canaryRefresh, s.next)
	body := `{"error": "invalid_grant"}`
	switch {
	case accepted && s.keeps:
		body = fmt.Sprintf(`{"access_token": "%s-%d", "expires_in": 60}`, canaryToken, s.fetches)
	case accepted:
		s.next++
		body = fmt.Sprintf(`{"access_token": "%s-%d", "expires_in": 60, "refresh_token": "%s-%d"}`, canaryToken, s.fetches, canaryRefresh, s.next)
	default:
		s.revoked = true
	}
	delay := s.delay
	s.mu.Unlock()
	time.Sleep(delay)
	if !accepted {
		w.WriteHeader(http.StatusBadRequest)
	}
	_, _ = fmt.Fprint(w, body)
}

// rotatingProber returns a prober whose credential uses the grant refresh_token at a server.
func rotatingProber(t *testing.T, s *rotating, changes ...func(*config.Credential)) *Prober {
	t.Helper()
	p := new(authServer).grantProber(t, append([]func(*config.Credential){byGrant(config.GrantRefreshToken)}, changes...)...)
	dial := newPipeServer(t, s).dial
	directly(p).DialContext, tokenTransport(p).DialContext = dial, dial
	return p
}

// The replacement of a refresh token is presented next, unless the file has a new token. A
// restart loses the replacement, and the diagnosis says so.
func TestRefreshTokenRotates(t *testing.T) {
	file := filepath.Join(t.TempDir(), "refresh")
	put := func(number int) {
		if err := os.WriteFile(file, fmt.Appendf(nil, "%s-%d\n", canaryRefresh, number), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(0)
	synctest.Test(t, func(t *testing.T) {
		s := new(rotating)
		fromFile := func(c *config.Credential) { c.Secret = secret.Source{File: file} }
		p := rotatingProber(t, s, fromFile)
		if n := states(probesFor(t, p, time.Hour)); n[sessionapi.Valid] != 60 || s.next < 30 {
			t.Fatalf("states %v, %d refresh tokens", n, s.next)
		}

		restarted := rotatingProber(t, s, fromFile)
		r := mustProbe(t, restarted)
		if r.State != sessionapi.CredentialsRejected || !strings.Contains(r.Diagnosis, "loses it at a restart") {
			t.Errorf("%s, want %s: %s", r.State, sessionapi.CredentialsRejected, r.Diagnosis)
		}
		time.Sleep(time.Minute)
		r = mustProbe(t, p) // the reuse has revoked its token
		if r.State != sessionapi.CredentialsRejected || !strings.Contains(r.Diagnosis, "the refresh token that replaced the one from file") {
			t.Errorf("%s, want %s: %s", r.State, sessionapi.CredentialsRejected, r.Diagnosis)
		}

		put(1000)
		s.mu.Lock()
		s.next, s.revoked = 1000, false
		s.mu.Unlock()
		time.Sleep(time.Minute)
		if r := mustProbe(t, p); r.State != sessionapi.Valid {
			t.Errorf("with a new token: %s: %s", r.State, r.Diagnosis)
		}
	})
}

// A refresh token that the server does not replace is presented again, after a restart too.
func TestRefreshTokenThatIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rotating{keeps: true}
		if n := states(probesFor(t, rotatingProber(t, s), time.Hour)); n[sessionapi.Valid] != 60 {
			t.Errorf("states %v, want 60 valid", n)
		}
		if n := states(probesFor(t, rotatingProber(t, s), time.Hour)); n[sessionapi.Valid] != 60 {
			t.Errorf("after a restart, states %v, want 60 valid", n)
		}
	})
}

// Even if a token server is slower than a probe, a refresh token is not presented again before
// the response with its replacement, however many endpoints wait for it.
func TestRefreshTokenIsPresentedOnce(t *testing.T) {
	for _, delay := range []time.Duration{3 * time.Second, 8 * time.Second, 14 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			s := &rotating{delay: delay}
			first := rotatingProber(t, s)
			probers := []*Prober{first}
			for range 4 {
				probers = append(probers, sibling(first))
			}
			for range 20 {
				var all sync.WaitGroup
				for _, p := range probers {
					all.Go(func() {
						r := mustProbe(t, p)
						if r.State == sessionapi.LoginSuspended && !strings.Contains(r.Diagnosis, "an earlier request with the refresh token has no response yet") {
							t.Errorf("delay %s: a login is held back for another reason: %s", delay, r.Diagnosis)
						}
					})
				}
				all.Wait()
				time.Sleep(20 * time.Second)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.revoked || s.next < 3 {
				t.Errorf("%s: %d refresh tokens, revoked: %t", delay, s.next, s.revoked)
			}
		})
	}
}

// The refusal of a refresh token's replacement is explained as such, even if it comes after
// its probe.
func TestLateRefusalOfAReplacement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(rotating)
		p := rotatingProber(t, s)
		mustProbe(t, p)
		s.mu.Lock()
		s.revoked, s.delay = true, 14*time.Second
		s.mu.Unlock()
		time.Sleep(time.Minute)
		if r := mustProbe(t, p); r.State != sessionapi.Timeout {
			t.Errorf("%s, want %s: %s", r.State, sessionapi.Timeout, r.Diagnosis)
		}
		time.Sleep(50 * time.Second)
		if r := mustProbe(t, p); r.State != sessionapi.CredentialsRejected || !strings.Contains(r.Diagnosis, "the refresh token that replaced the one from the configuration at 00:00 UTC") {
			t.Errorf("%s, want %s: %s", r.State, sessionapi.CredentialsRejected, r.Diagnosis)
		}
	})
}

// A canceled probe ends immediately, but does not lose the replacement of its refresh token.
func TestCanceledProbeKeepsTheReplacement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rotating{delay: 2 * time.Second}
		p := rotatingProber(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		begin := time.Now()
		if _, err := p.Probe(ctx, Options{}); err == nil || time.Since(begin) != time.Second { // a shutdown waits for probes
			t.Errorf("%v after %s, want an error after 1s", err, time.Since(begin))
		}
		time.Sleep(2 * time.Minute)
		if r := mustProbe(t, p); r.State != sessionapi.Valid {
			t.Errorf("%s: %s", r.State, r.Diagnosis)
		}
	})
}

// A reload keeps the replacement of a refresh token, even if the credential is changed, renamed,
// removed and added again, or gets the token from another source. Credentials with the same
// refresh token share the replacement.
func TestReplacementOutlivesReloads(t *testing.T) {
	file := filepath.Join(t.TempDir(), "refresh")
	if err := os.WriteFile(file, []byte(canaryRefresh+"-0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	inFile := secret.Source{File: file}
	inline := secret.Source{Inline: secret.New(canaryRefresh + "-0")}
	another := secret.Source{Inline: secret.New(canaryRefresh + "-another")}
	type entry struct {
		name   string
		source secret.Source
		state  sessionapi.State
	}
	synctest.Test(t, func(t *testing.T) {
		s := &rotating{delay: time.Second}
		m := NewManagerWithDial(newPipeServer(t, s).dial)
		for _, entries := range [][]entry{
			{{"a", inline, sessionapi.Valid}},
			{{"a", inline, sessionapi.Valid}},
			{{"renamed", inline, sessionapi.Valid}},
			{{"renamed", inline, sessionapi.Valid}, {"another", inline, sessionapi.Valid}},
			{{"another", inFile, sessionapi.Valid}},
			{},
			{{"a", inline, sessionapi.Valid}, {"b", inFile, sessionapi.Valid}},
			{{"a", another, sessionapi.CredentialsRejected}},
			{{"a", inline, sessionapi.Valid}},
		} {
			settings := &config.Config{Credentials: make(map[string]*config.Credential)}
			for _, given := range entries {
				e := endpointFor("hcx", sessionapi.AuthBearer)
				e.Name, e.Credential = given.name, oauthCredential("http://sso.test/token")
				byGrant(config.GrantRefreshToken)(e.Credential)
				e.Credential.Name, e.Credential.Secret, e.Credential.MaxAge = given.name, given.source, time.Duration(time.Now().Unix())
				settings.Credentials[given.name] = e.Credential
				settings.Endpoints = append(settings.Endpoints, e)
			}
			g, err := m.Prepare(settings)
			if err != nil {
				t.Fatal(err)
			}
			g.Commit()
			var all sync.WaitGroup
			for i, given := range entries {
				p := proberOf(t, g, settings.Endpoints[i])
				all.Go(func() {
					if r := mustProbe(t, p); r.State != given.state || r.Logins != 1 {
						t.Errorf("%v: %s after %d logins: %s", entries, r.State, r.Logins, r.Diagnosis)
					}
				})
			}
			all.Wait()
			s.mu.Lock()
			s.revoked = false
			s.mu.Unlock()
			time.Sleep(time.Minute)
		}
		if s.next != 9 {
			t.Errorf("%d refresh tokens, want 9", s.next)
		}
	})
}
