package probe

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/simulator"
)

// alice is an appliance's only user.
func alice() simulator.Settings {
	return simulator.Settings{Accounts: map[string]simulator.Account{"alice": {Password: canaryPassword, Roles: []string{"Admin"}}}}
}

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

// forEachLogin runs a test against each API that has logins, in virtual time.
func forEachLogin(t *testing.T, s func() simulator.Settings, test func(trial)) {
	t.Helper()
	for _, api := range []string{"hcx", "dr"} {
		t.Run(api, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAppliance(api, s())
				test(trial{t, piped(t, endpointFor(api, config.AuthLogin), a), a})
			})
		})
	}
}

// probesFor probes once an interval for a while, and returns all results.
func probesFor(t *testing.T, p *Prober, while time.Duration) []Result {
	t.Helper()
	var results []Result
	for begin := time.Now(); time.Since(begin) < while; {
		next := time.Now().Add(p.endpoint.Interval)
		results = append(results, mustProbe(t, p))
		<-time.After(time.Until(next))
	}
	return results
}

// states counts results by state.
func states(results []Result) map[State]int {
	n := make(map[State]int)
	for _, r := range results {
		n[r.State]++
	}
	return n
}

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
			if r.State != Valid || r.Logins+r.Logouts+r.Expirations != max(0, 1-i) || !r.Established.Equal(begin) {
				t.Fatalf("probe %d: %+v", i, r)
			}
		}
		for _, want := range []int{1, 0} { // the second has nothing left to do
			if did := closeProber(t, p); did.Logouts != want || did.LogoutFailures != 0 {
				t.Errorf("closing made %d logouts, and %d that failed, want %d", did.Logouts, did.LogoutFailures, want)
			}
		}
		if s := a.Stats(); s.Sessions != 0 || s.Logouts != 1 || s.Attempts != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// An ordinary idle timeout raises no alert.
func TestExpiredSessionIsRenewedInTheSameProbe(t *testing.T) {
	lives := func() simulator.Settings {
		s := alice()
		s.MaxLifetime = 10*time.Minute + time.Second
		return s
	}
	forEachLogin(t, lives, func(on trial) {
		t, p, a := on.t, on.p, on.a
		results := probesFor(t, p, 12*time.Minute)
		for i, r := range results {
			if r.State != Valid {
				t.Fatalf("probe %d: %s: %s", i, r.State, r.Diagnosis)
			}
			renewed := i == 11
			if (r.Expirations == 1) != renewed || (r.Lifetime == 11*time.Minute) != renewed {
				t.Errorf("probe %d: %d expirations, lifetime %s", i, r.Expirations, r.Lifetime)
			}
		}
		closeProber(t, p)
		if s := a.Stats(); s.Attempts != 2 || s.Sessions != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestSessionMaxAge(t *testing.T) {
	forEachLogin(t, alice, func(on trial) {
		t, p, a := on.t, on.p, on.a
		results := probesFor(t, p, time.Hour)
		if n := states(results); n[Valid] != 60 {
			t.Errorf("states: %v", n)
		}
		if r := results[30]; r.Logins != 1 || r.Logouts != 1 || r.Expirations != 0 || len(r.Steps) != 3 || r.Steps[0].Step != Logout {
			t.Errorf("probe 30: %+v", r)
		}
		if s := a.Stats(); s.Attempts != 2 || s.Logouts != 1 || s.Sessions != 1 {
			t.Errorf("%+v", s)
		}
		closeProber(t, p)
	})
}

// A changed password shows within session_max_age, and the account is not
// locked over it. The right one is tried at once.
func TestChangedPassword(t *testing.T) {
	forEachLogin(t, alice, func(on trial) {
		t, p, a := on.t, on.p, on.a
		secret := filepath.Join(t.TempDir(), "password")
		write := func(text string) {
			if err := os.WriteFile(secret, []byte(text+"\r\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(canaryPassword)
		p.credential.Secret = config.SecretSource{File: secret}
		if r := mustProbe(t, p); r.State != Valid {
			t.Fatalf("%s: %s", r.State, r.Diagnosis)
		}
		a.Change(func(s *simulator.Settings) {
			s.Accounts["alice"] = simulator.Account{Password: "another"}
		})
		n := states(probesFor(t, p, 30*time.Minute))
		if n[Valid] != 30 {
			t.Errorf("before session_max_age: %v", n)
		}
		n = states(probesFor(t, p, 20*time.Minute))
		if n[CredentialsRejected] != 1 || n[LoginSuspended] != 19 || a.Stats().Refusals != 1 {
			t.Errorf("behind it: %v, %d refusals", n, a.Stats().Refusals)
		}
		write("another")
		if r := mustProbe(t, p); r.State != Valid || r.Logins != 1 {
			t.Errorf("with the right password: %s: %s", r.State, r.Diagnosis)
		}
		if err := os.Remove(secret); err != nil {
			t.Fatal(err)
		}
		if r := mustProbe(t, p); r.State != Valid {
			t.Errorf("held, without a secret: %s: %s", r.State, r.Diagnosis)
		}
		<-time.After(31 * time.Minute)
		if r := mustProbe(t, p); r.State != CredentialMissing || len(r.Steps) != 0 {
			t.Errorf("too old, without a secret: %s: %s", r.State, r.Diagnosis)
		}
		closeProber(t, p)
	})
}

// A session that is still good is better than none.
func TestHeldSessionIsKeptWhenTheGuardWithholds(t *testing.T) {
	forEachLogin(t, alice, func(on trial) {
		t, p := on.t, on.p
		mustProbe(t, p)
		g := p.credential.guard
		for range 2 { // another endpoint of the account is refused
			if !g.try(t, canaryPassword, new(patience), Refused) {
				t.Fatal("not admitted")
			}
		}
		<-time.After(15 * time.Minute)
		if g.try(t, canaryPassword, new(patience), Accepted) {
			t.Fatal("not suspended")
		}
		p.session.established = time.Now().Add(-time.Hour)
		if r := mustProbe(t, p); r.State != Valid || r.Logins+r.Logouts != 0 {
			t.Errorf("%s: %+v", r.State, r)
		}
		closeProber(t, p)
	})
}

func TestCancellation(t *testing.T) {
	t.Run("before", func(t *testing.T) {
		forEachLogin(t, alice, func(on trial) {
			t, p, a := on.t, on.p, on.a
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if r, err := p.Probe(ctx); !errors.Is(err, context.Canceled) || r != nil {
				t.Errorf("%v, %+v", err, r)
			}
			if n := a.Stats().Requests; n != 0 {
				t.Errorf("%d requests", n)
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
			if _, err := p.Probe(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
			if took := time.Since(begin); took != 3*time.Second || a.Stats().Sessions != 1 {
				t.Errorf("took %s, %+v", took, a.Stats())
			}
			closeProber(t, p)
			if s := a.Stats(); s.Sessions != 0 || s.Checks != 0 {
				t.Errorf("%+v", s)
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
			if _, err := p.Probe(ctx); !errors.Is(err, context.Canceled) || time.Since(begin) != time.Second {
				t.Errorf("%v after %s", err, time.Since(begin))
			}
			closeProber(t, p)
			if n := a.Stats().Sessions; n != 0 {
				t.Errorf("%d sessions left", n)
			}
		})
	})
	t.Run("by a deadline of the caller's", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := piped(t, endpointFor("hcx", config.AuthToken), http.HandlerFunc(silent))
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			r, err := p.Probe(ctx)
			if err != nil || r.State != Timeout || !strings.Contains(r.Diagnosis, "within 3s") {
				t.Errorf("%v, %s: %s", err, r.State, r.Diagnosis)
			}
		})
	})
}
