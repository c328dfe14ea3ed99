package simulator

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Scripts that need no network run for three periods of virtual time, with a probe every
// second.
func TestScripts(t *testing.T) {
	f := newFleet(t)
	type failure struct{ from, to, status int } // from and to are seconds of the period, to exclusive
	for name, failure := range map[string]failure{
		"hcx-password-rotated": {15, 195, 401},
		"hcx-token-expires":    {25, 60, 401},
		"hcx-internal-error":   {10, 20, 500},
		"hcx-session-dies":     {},
		"hcx-role-lost":        {},
	} {
		m := member(t, f, name)
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// An offset of half a second, so that no probe coincides with a step.
				stop := runScript(t, m)
				time.Sleep(time.Second / 2)
				period := int(m.spec.period.Seconds())
				for second := range 3 * period {
					m.Appliance.Change(func(s *Settings) { s.LockAfter = 0 })
					want := http.StatusOK
					if at := second % period; failure.from <= at && at < failure.to {
						want = failure.status
					}
					if got := probe(t, m); got != want {
						t.Errorf("at %d s: status %d, want %d", second, got, want)
					}
					time.Sleep(time.Second)
				}
				stop()
			})
		})
	}
}

// runScript runs a member's script until stop is called.
func runScript(t *testing.T, m *Member) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- m.runScript(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestScriptOfRoles(t *testing.T) {
	m := member(t, newFleet(t), "hcx-role-lost")
	synctest.Test(t, func(t *testing.T) {
		defer runScript(t, m)()
		token := m.Appliance.Issue(user)
		for second := range 120 {
			synctest.Wait()
			w := do(m.Appliance, testRequest{method: "GET", path: hcxPath, header: map[string]string{hcxToken: token}})
			want := second%60 < 20 || second%60 >= 40
			if got := strings.Contains(w.Body.String(), "System Administrator"); got != want {
				t.Errorf("at %d s: role present %t, want %t", second, got, want)
			}
			time.Sleep(time.Second)
		}
	})
}

func TestScriptOfSessions(t *testing.T) {
	m := member(t, newFleet(t), "hcx-session-dies")
	synctest.Test(t, func(t *testing.T) {
		defer runScript(t, m)()
		for range 3 {
			m.Appliance.Issue(user)
			time.Sleep(20*time.Second - time.Millisecond)
			if got := m.Appliance.Stats().Sessions; got != 1 {
				t.Errorf("%d sessions before they end, want 1", got)
			}
			time.Sleep(time.Millisecond)
			synctest.Wait()
			if got := m.Appliance.Stats().Sessions; got != 0 {
				t.Errorf("%d sessions after, want 0", got)
			}
		}
	})
}

func TestScriptSteps(t *testing.T) {
	for _, spec := range fleetSpecs() {
		last := time.Duration(0)
		for _, s := range spec.script {
			if s.at < last || s.at > spec.period {
				t.Errorf("%s: step at %v is out of order", spec.name, s.at)
			}
			last = s.at
		}
	}
}

func TestPowerOffMember(t *testing.T) {
	f := newFleet(t)
	m, client := member(t, f, "dr-powered-off"), newClient(t, f.ca)
	for _, step := range m.spec.script {
		if err := step.do(m); err != nil {
			t.Fatal(err)
		}
		_, err := status(client, m.URL)
		if on := step.at == 30*time.Second; on != (err == nil) {
			t.Errorf("at %v: error %v", step.at, err)
		}
	}
}
