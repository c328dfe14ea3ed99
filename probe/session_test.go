package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/secret"
	"session_exporter/sessionapi"
	"session_exporter/simulator"
)

// alice returns the settings of an appliance whose only user is alice.
func alice() simulator.Settings {
	return simulator.Settings{Accounts: map[string]simulator.Account{"alice": {Password: canaryPassword, Roles: []string{"Admin"}}}}
}

// newAppliance returns a simulated appliance with the API dr, or else hcx.
func newAppliance(api string, s simulator.Settings) *simulator.Appliance {
	if api == "dr" {
		return simulator.NewDR("", s)
	}
	return simulator.NewHCX(s)
}

// A trial is a prober that logs in, and the appliance that it probes.
type trial struct {
	t *testing.T
	p *Prober
	a *simulator.Appliance
}

// forEachLogin runs a test with the logins of hcx and of dr, in virtual time.
func forEachLogin(t *testing.T, s func() simulator.Settings, test func(trial)) {
	t.Helper()
	for _, api := range []string{"hcx", "dr"} {
		t.Run(api, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAppliance(api, s())
				test(trial{t, piped(t, endpointFor(api, sessionapi.AuthLogin), a), a})
			})
		})
	}
}

// probesFor probes once per interval for a duration, and returns all results.
func probesFor(t *testing.T, p *Prober, duration time.Duration) []Result {
	t.Helper()
	var results []Result
	for begin := time.Now(); time.Since(begin) < duration; {
		next := time.Now().Add(p.endpoint.Interval)
		results = append(results, mustProbe(t, p))
		<-time.After(time.Until(next))
	}
	return results
}

// states counts results by state.
func states(results []Result) map[sessionapi.State]int {
	n := make(map[sessionapi.State]int)
	for _, r := range results {
		n[r.State]++
	}
	return n
}

// closeProber closes a prober, which must not fail, and returns the result.
func closeProber(t *testing.T, p *Prober) *Result {
	t.Helper()
	did, err := p.Close(t.Context())
	if err != nil {
		t.Error(err)
	}
	return did
}

func TestSessionIsHeldAndLoggedOut(t *testing.T) {
	forEachLogin(t, alice, func(on trial) {
		t, p, a := on.t, on.p, on.a
		begin := time.Now()
		results := probesFor(t, p, 20*time.Minute)
		for i, r := range results {
			if r.State != sessionapi.Valid || r.Logins+r.Logouts+r.Expirations != max(0, 1-i) || !r.Established.Equal(begin) {
				t.Fatalf("probe %d: %+v", i, r)
			}
		}
		for _, want := range []int{1, 0} { // the second has nothing left to do
			if did := closeProber(t, p); did.Logouts != want || did.LogoutFailures != 0 {
				t.Errorf("closing made %d logouts, and %d that failed, want %d and none", did.Logouts, did.LogoutFailures, want)
			}
		}
		if s := a.Stats(); s.Sessions != 0 || s.Logouts != 1 || s.Attempts != 1 {
			t.Errorf("the appliance has %+v, want no session, 1 login and 1 logout", s)
		}
	})
}

// A session that reaches its maximum lifetime is renewed in the same probe, so the state stays
// valid.
func TestExpiredSessionIsRenewedInTheSameProbe(t *testing.T) {
	shortLived := func() simulator.Settings {
		s := alice()
		s.MaxLifetime = 10*time.Minute + time.Second
		return s
	}
	forEachLogin(t, shortLived, func(on trial) {
		t, p, a := on.t, on.p, on.a
		results := probesFor(t, p, 12*time.Minute)
		for i, r := range results {
			if r.State != sessionapi.Valid {
				t.Fatalf("probe %d: %s: %s", i, r.State, r.Diagnosis)
			}
			renewed := i == 11
			if (r.Expirations == 1) != renewed || (r.Lifetime == 11*time.Minute) != renewed {
				t.Errorf("probe %d: %d expirations, lifetime %s", i, r.Expirations, r.Lifetime)
			}
		}
		closeProber(t, p)
		if s := a.Stats(); s.Attempts != 2 || s.Sessions != 0 {
			t.Errorf("the appliance has %+v, want no session and 2 logins", s)
		}
	})
}

// A session that is older than session_max_age is logged out and replaced.
func TestSessionMaxAge(t *testing.T) {
	forEachLogin(t, alice, func(on trial) {
		t, p, a := on.t, on.p, on.a
		results := probesFor(t, p, time.Hour)
		if n := states(results); n[sessionapi.Valid] != 60 {
			t.Errorf("states: %v", n)
		}
		if r := results[30]; r.Logins != 1 || r.Logouts != 1 || r.Expirations != 0 || len(r.Steps) != 3 || r.Steps[0].Step != sessionapi.Logout {
			t.Errorf("probe 30: %+v", r)
		}
		if s := a.Stats(); s.Attempts != 2 || s.Logouts != 1 || s.Sessions != 1 {
			t.Errorf("the appliance has %+v, want 1 session, 2 logins and 1 logout", s)
		}
		closeProber(t, p)
	})
}

// A password that was changed on the appliance is noticed within session_max_age, without
// locking the account. Once the file has the new one, the next probe uses it.
func TestChangedPassword(t *testing.T) {
	forEachLogin(t, alice, func(on trial) {
		t, p, a := on.t, on.p, on.a
		file := filepath.Join(t.TempDir(), "password")
		write := func(text string) {
			if err := os.WriteFile(file, []byte(text+"\r\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(canaryPassword)
		p.credential.Secret = secret.Source{File: file}
		if r := mustProbe(t, p); r.State != sessionapi.Valid {
			t.Fatalf("%s: %s", r.State, r.Diagnosis)
		}
		a.Change(func(s *simulator.Settings) {
			s.Accounts["alice"] = simulator.Account{Password: "another"}
		})
		n := states(probesFor(t, p, 30*time.Minute))
		if n[sessionapi.Valid] != 30 {
			t.Errorf("before session_max_age: states %v, want only %s", n, sessionapi.Valid)
		}
		n = states(probesFor(t, p, 20*time.Minute))
		if n[sessionapi.CredentialsRejected] != 2 || n[sessionapi.LoginSuspended] != 18 || a.Stats().Refusals != 2 {
			t.Errorf("after session_max_age: states %v, %d refusals, want 2 refusals and 18 suspended logins", n, a.Stats().Refusals)
		}
		write("another")
		if r := mustProbe(t, p); r.State != sessionapi.Valid || r.Logins != 1 {
			t.Errorf("with the right password: %s: %s", r.State, r.Diagnosis)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if r := mustProbe(t, p); r.State != sessionapi.Valid {
			t.Errorf("a held session, without a secret: %s: %s", r.State, r.Diagnosis)
		}
		<-time.After(31 * time.Minute)
		if r := mustProbe(t, p); r.State != sessionapi.CredentialMissing || len(r.Steps) != 0 {
			t.Errorf("a session that is too old, without a secret: %s: %s", r.State, r.Diagnosis)
		}
		closeProber(t, p)
	})
}

// The guard holds back a renewal, not the checks of a session that still works.
func TestHeldSessionIsKeptWhenTheGuardHoldsBack(t *testing.T) {
	forEachLogin(t, alice, func(on trial) {
		t, p := on.t, on.p
		mustProbe(t, p)
		for i := range 2 {
			refuse(t, p.credential, fmt.Sprint("another ", i))
		}
		<-time.After(15 * time.Minute)
		p.sessions.session.established = time.Now().Add(-time.Hour)
		if r := mustProbe(t, p); r.State != sessionapi.Valid || r.Logins+r.Logouts != 0 {
			t.Errorf("%s, %d logins, %d logouts, want valid and none: %s", r.State, r.Logins, r.Logouts, r.Diagnosis)
		}
		closeProber(t, p)
	})
}

// A canceled probe returns no result. It ends immediately, except during a login, whose
// session would be lost. A deadline of the caller only shortens the timeout.
func TestCancellation(t *testing.T) {
	t.Run("before the probe", func(t *testing.T) {
		forEachLogin(t, alice, func(on trial) {
			t, p, a := on.t, on.p, on.a
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if r, err := p.Probe(ctx, Options{}); !errors.Is(err, context.Canceled) || r != nil {
				t.Errorf("error %v, result %+v, want %v and none", err, r, context.Canceled)
			}
			if n := a.Stats().Requests; n != 0 {
				t.Errorf("%d requests, want none", n)
			}
		})
	})
	t.Run("during a login", func(t *testing.T) {
		slow := func() simulator.Settings {
			s := alice()
			s.Faults = []simulator.Fault{{On: simulator.Login, Delay: 3 * time.Second}}
			return s
		}
		forEachLogin(t, slow, func(on trial) {
			t, p, a := on.t, on.p, on.a
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			begin := time.Now()
			if _, err := p.Probe(ctx, Options{}); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want %v", err, context.Canceled)
			}
			if took := time.Since(begin); took != 3*time.Second || a.Stats().Sessions != 1 {
				t.Errorf("the probe took %s, want 3s; the appliance has %+v, want 1 session", took, a.Stats())
			}
			closeProber(t, p)
			if s := a.Stats(); s.Sessions != 0 || s.Checks != 0 {
				t.Errorf("the appliance has %+v, want no session and no check", s)
			}
		})
	})
	t.Run("during a check", func(t *testing.T) {
		hangs := func() simulator.Settings {
			s := alice()
			s.Faults = []simulator.Fault{{On: simulator.Check, Hang: true}}
			return s
		}
		forEachLogin(t, hangs, func(on trial) {
			t, p, a := on.t, on.p, on.a
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			begin := time.Now()
			if _, err := p.Probe(ctx, Options{}); !errors.Is(err, context.Canceled) || time.Since(begin) != time.Second {
				t.Errorf("error %v after %s, want %v after 1s", err, time.Since(begin), context.Canceled)
			}
			closeProber(t, p)
			if n := a.Stats().Sessions; n != 0 {
				t.Errorf("%d sessions left", n)
			}
		})
	})
	t.Run("deadline of the caller", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := piped(t, endpointFor("hcx", sessionapi.AuthToken), http.HandlerFunc(silent))
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			r, err := p.Probe(ctx, Options{})
			if err != nil || r.State != sessionapi.Timeout || !strings.Contains(r.Diagnosis, "within 3s") {
				t.Errorf("error %v, %s: %s\nwant %s: … within 3s …", err, r.State, r.Diagnosis, sessionapi.Timeout)
			}
		})
	})
}
