package probe

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/secret"
	"session_exporter/sessionapi"
	"session_exporter/simulator"
)

const canaryRemote = "canary-rem0te"

// paired returns the settings of an appliance with a pairing. Its user is alice, and that of
// the other site is bob.
func paired() simulator.Settings {
	s := alice()
	s.Pairings = map[string]simulator.Pairing{"p-1": {Accounts: map[string]string{"bob": canaryRemote}}}
	return s
}

// pairingEndpoint returns an endpoint with a pairing.
func pairingEndpoint() *config.Endpoint {
	e := endpointFor("dr", sessionapi.AuthLogin)
	remote := *credentialFor(sessionapi.AuthLogin)
	remote.Name, remote.Username, remote.Secret.Inline = "remote", "bob", secret.New(canaryRemote)
	e.Pairing, e.Credential = &config.Pairing{ID: "p-1", Local: e.Credential, LocalAPI: e.SessionAPI}, &remote
	e.SessionAPI = sessionapi.Remote("p-1")
	return e
}

// pipedAll returns the probers of the endpoints of one configuration, all of which lead
// to one appliance.
func pipedAll(t *testing.T, a *simulator.Appliance, endpoints ...*config.Endpoint) []*Prober {
	t.Helper()
	settings := &config.Config{Credentials: make(map[string]*config.Credential)}
	for _, e := range endpoints {
		settings.Credentials[e.Credential.Name] = e.Credential
		if e.Pairing != nil {
			settings.Credentials[e.Pairing.Local.Name] = e.Pairing.Local
		}
	}
	g, err := NewManagerWithDial(newPipeServer(t, a).dial).Prepare(settings)
	if err != nil {
		t.Fatal(err)
	}
	g.Commit()
	probers := make([]*Prober, len(endpoints))
	for i, e := range endpoints {
		probers[i] = proberOf(t, g, e)
	}
	return probers
}

// steps lists the requests of a result, as in "local login, local check, remote check".
func steps(r Result) string {
	var all []string
	for _, step := range r.Steps {
		site := "local"
		if strings.Contains(step.URL, "/pairings/p-1/remote-session") {
			site = "remote"
		}
		all = append(all, site+" "+string(step.Step))
	}
	return strings.Join(all, ", ")
}

// Both sessions of a pairing are held between probes, and renewed when they end.
func TestPairingIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.NewDR("", paired())
		e := pairingEndpoint()
		e.Expect.Username = "bob"
		p := pipedAll(t, a, e)[0]
		want := func(sent string, expirations int) {
			t.Helper()
			r := mustProbe(t, p)
			if r.State != sessionapi.Valid || r.Identity.Username != "bob" || steps(r) != sent || r.Expirations != expirations || r.Established.IsZero() {
				t.Errorf("%s, %d expired, sent %s, want %d expired, %s\n%s", r.State, r.Expirations, steps(r), expirations, sent, r.Diagnosis)
			}
			<-time.After(time.Minute)
		}
		want("local login, local check, remote check, remote login, remote check", 0)
		want("local check, remote check", 0)
		a.EndRemoteSessions()
		want("local check, remote check, remote login, remote check", 1)
		a.EndSessions()
		want("local check, local login, local check, remote check, remote login, remote check", 1)
		<-time.After(30 * time.Minute)
		want("local logout, local login, local check, remote check, remote login, remote check", 0)
		closeProber(t, p)
		if stats := a.Stats(); stats.Sessions != 0 || stats.RemoteLogins != 4 {
			t.Errorf("the appliance has %+v, want no session and 4 remote logins", stats)
		}
	})
}

// The states of the two endpoints distinguish a broken login at the other site from a
// broken local one, and the other account is not affected.
func TestPairingDistinguishesSites(t *testing.T) {
	for _, c := range []struct {
		name           string
		change         func(*simulator.Settings)
		local, pairing sessionapi.State
		words          string
		heldBack       string // the credential
	}{
		{"healthy", func(*simulator.Settings) {}, sessionapi.Valid, sessionapi.Valid, `Pairing "p-1", other site: Logged in as "bob"`, ""},
		{"remote password", func(s *simulator.Settings) { s.Pairings["p-1"].Accounts["bob"] = "other" }, sessionapi.Valid, sessionapi.CredentialsRejected, `Wrong password for "bob"`, "remote"},
		{"local password", func(s *simulator.Settings) { s.Accounts["alice"] = simulator.Account{Password: "other"} }, sessionapi.CredentialsRejected, sessionapi.LoginSuspended, `no local session exists through which to log in to the other site. Wrong password for "alice"`, "monitor"},
		{"local permissions", func(s *simulator.Settings) {
			s.Accounts["alice"] = simulator.Account{Password: canaryPassword, Forbidden: true}
		}, sessionapi.Forbidden, sessionapi.LoginSuspended, "no local session", ""},
		{"local outage", func(s *simulator.Settings) { s.Faults = []simulator.Fault{{On: simulator.Check, Status: 503}} }, sessionapi.ServerError, sessionapi.ServerError, "no local session", ""},
		{"no pairing", func(s *simulator.Settings) { s.Pairings = nil }, sessionapi.Valid, sessionapi.InvalidResponse, "the pairing may not exist", ""},
		{"remote outage", func(s *simulator.Settings) { s.Faults = []simulator.Fault{{On: simulator.RemoteLogin, Status: 500}} }, sessionapi.Valid, sessionapi.ServerError, "other site: ", ""},
		{"remote session refused immediately", func(s *simulator.Settings) {
			s.Faults = []simulator.Fault{{On: simulator.RemoteCheck, Status: 401}}
		}, sessionapi.Valid, sessionapi.SessionExpired, "refuses the new session", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := simulator.NewDR("", paired())
				a.Change(c.change)
				local, pairing := endpointFor("dr", sessionapi.AuthLogin), pairingEndpoint()
				local.Name = "site-a-local"
				probers := pipedAll(t, a, local, pairing)
				there, here := mustProbe(t, probers[1]), mustProbe(t, probers[0])
				if c.local == sessionapi.CredentialsRejected {
					// The pairing was probed first, so the local password may be held back already.
					if here.State != sessionapi.CredentialsRejected && here.State != sessionapi.LoginSuspended {
						t.Errorf("local: %s, want %s or %s", here.State, sessionapi.CredentialsRejected, sessionapi.LoginSuspended)
					}
				} else if here.State != c.local {
					t.Errorf("local: %s, want %s: %s", here.State, c.local, here.Diagnosis)
				}
				if there.State != c.pairing || !strings.Contains(there.Diagnosis, c.words) {
					t.Errorf("pairing: %s: %s\nwant %s: … %s …", there.State, there.Diagnosis, c.pairing, c.words)
				}
				if again := mustProbe(t, probers[1]); there.HeldCredential != "" || again.HeldCredential != c.heldBack {
					t.Errorf("held back %q and then %q, want %q: %s", there.HeldCredential, again.HeldCredential, c.heldBack, again.Diagnosis)
				}
				for range 200 {
					for _, p := range probers {
						mustProbe(t, p)
					}
					<-time.After(time.Minute)
				}
				stats := a.Stats()
				if limit := map[bool]int{true: 6, false: 0}; stats.Refusals > limit[c.name == "local password"] || stats.RemoteRefusals > limit[c.name == "remote password"] {
					t.Errorf("too many logins were refused in 200 minutes: %+v", stats)
				}
				for _, p := range probers {
					closeProber(t, p)
				}
				if left := a.Stats().Sessions; left != 0 {
					t.Errorf("%d sessions are left", left)
				}
			})
		})
	}
}

// A reload hands over the session, including the remote one in it, unless the account
// changes.
func TestPairingIsHandedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.NewDR("", paired())
		first, same, other := pairingEndpoint(), pairingEndpoint(), pairingEndpoint()
		same.Interval = time.Hour
		other.Credential.Name, other.Credential.Username = "carol", "carol"
		p := pipedAll(t, a, first, same, other)
		mustProbe(t, p[0])
		held := p[0].Release()
		if p[2].Adopt(held) || !p[1].Adopt(held) {
			t.Fatal("another account adopted the session, or the same account did not")
		}
		if r := mustProbe(t, p[1]); r.State != sessionapi.Valid || steps(r) != "local check, remote check" {
			t.Errorf("%s: sent %s", r.State, steps(r))
		}
		if plain := pipedAll(t, a, endpointFor("dr", sessionapi.AuthLogin))[0]; plain.Adopt(p[1].Release()) {
			t.Error("a session with a remote one was adopted by an endpoint without a pairing")
		}
		a.EndSessions()
	})
}

// A late response to a login at the other site leaves nothing to log out of.
func TestPairingLateLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := paired()
		s.Faults = []simulator.Fault{{On: simulator.RemoteLogin, After: true, Delay: 15 * time.Second, Times: 1}}
		a := simulator.NewDR("", s)
		p := pipedAll(t, a, pairingEndpoint())[0]
		if r := mustProbe(t, p); r.State != sessionapi.Timeout || !strings.Contains(r.Diagnosis, "other site: ") {
			t.Errorf("%s, want %s: %s", r.State, sessionapi.Timeout, r.Diagnosis)
		}
		<-time.After(10 * time.Minute)
		if r := mustProbe(t, p); r.State != sessionapi.Valid || r.Unanswered+r.Logouts+r.LogoutFailures != 0 {
			t.Errorf("%s, %d unanswered, %d logouts, %d failed, want valid and none: %s", r.State, r.Unanswered, r.Logouts, r.LogoutFailures, r.Diagnosis)
		}
		closeProber(t, p)
		if stats := a.Stats(); stats.Sessions != 0 || stats.RemoteLogins != 1 {
			t.Errorf("the appliance has %+v, want no session and 1 remote login", stats)
		}
	})
}

// An untrusted local password is not sent again before its verdict, even if the password of
// the other site is trusted.
func TestPairingLateLocalLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := simulator.NewDR("", paired())
		e := pairingEndpoint()
		e.Interval = e.Timeout
		p := pipedAll(t, a, e)[0]
		if r := mustProbe(t, p); r.State != sessionapi.Valid {
			t.Fatalf("%s: %s", r.State, r.Diagnosis)
		}
		a.EndSessions()
		a.Change(func(s *simulator.Settings) {
			s.Accounts["alice"] = simulator.Account{Password: "another"}
			s.Faults = []simulator.Fault{{On: simulator.Login, After: true, Delay: 25 * time.Second, Times: 1}}
		})
		p.flow.(*remoteFlow).local.credential.Secret.Inline = secret.New("another")
		time.Sleep(time.Minute)
		if r := mustProbe(t, p); r.State != sessionapi.Timeout || r.Duration != 10*time.Second {
			t.Errorf("%s after %s: %s", r.State, r.Duration, r.Diagnosis)
		}
		time.Sleep(e.Interval)
		if r := mustProbe(t, p); r.State != sessionapi.Valid || r.Logouts != 1 || r.Duration != 5*time.Second {
			t.Errorf("%s after %s, %d logged out: %s", r.State, r.Duration, r.Logouts, r.Diagnosis)
		}
		closeProber(t, p)
		if stats := a.Stats(); stats.Sessions != 0 || stats.Attempts != 3 {
			t.Errorf("the appliance has %+v, want no session and 3 logins", stats)
		}
	})
}

// A late refusal is reported for the site that refused.
func TestPairingLateRefusal(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*simulator.Settings)
		on     simulator.Operation
		state  sessionapi.State
		words  string
	}{
		"local": {
			func(s *simulator.Settings) { s.Accounts["alice"] = simulator.Account{Password: "other"} },
			simulator.Login, sessionapi.LoginSuspended, `no local session exists through which to log in to the other site. Wrong password for "alice"`,
		},
		"remote": {
			func(s *simulator.Settings) { s.Pairings["p-1"].Accounts["bob"] = "other" },
			simulator.RemoteLogin, sessionapi.CredentialsRejected, `other site: Wrong password for "bob"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := simulator.NewDR("", paired())
				a.Change(c.change)
				a.Change(func(s *simulator.Settings) {
					s.Faults = []simulator.Fault{{On: c.on, After: true, Delay: 15 * time.Second}}
				})
				p := pipedAll(t, a, pairingEndpoint())[0]
				results := probesFor(t, p, 3*time.Minute)
				if first, second := results[0], results[1]; first.State != sessionapi.Timeout || second.State != c.state || !strings.Contains(second.Diagnosis, c.words) || !strings.Contains(second.Diagnosis, "arrived after 15s") {
					t.Errorf("%s, then %s: %s", first.State, second.State, second.Diagnosis)
				}
				if last := results[2]; last.State != sessionapi.LoginSuspended || strings.Contains(last.Diagnosis, "arrived after") {
					t.Errorf("the third probe: %s: %s", last.State, last.Diagnosis)
				}
				closeProber(t, p)
			})
		})
	}
}

// A remote login establishes no session of its own: Close does not wait for its
// response.
func TestCloseDoesNotWaitForARemoteLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := paired()
		s.Faults = []simulator.Fault{{On: simulator.RemoteLogin, After: true, Delay: 25 * time.Second}}
		a := simulator.NewDR("", s)
		p := pipedAll(t, a, pairingEndpoint())[0]
		if r := mustProbe(t, p); r.State != sessionapi.Timeout {
			t.Fatalf("%s, want %s: %s", r.State, sessionapi.Timeout, r.Diagnosis)
		}
		begin := time.Now()
		closeProber(t, p)
		if took := time.Since(begin); took != 0 || a.Stats().Sessions != 0 {
			t.Errorf("Close took %s, %d sessions left, want 0s and none", took, a.Stats().Sessions)
		}
		time.Sleep(maxLateWait)
	})
}
