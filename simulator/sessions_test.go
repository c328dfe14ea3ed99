package simulator

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestSessionExpiry(t *testing.T) {
	for _, tc := range []struct {
		name     string
		settings Settings
		every    time.Duration // interval of the checks
		want     time.Duration // from login to the first check that fails; 0: none in a day
	}{
		{name: "never", every: time.Hour},
		{name: "idle", settings: Settings{IdleTimeout: time.Hour}, every: time.Hour, want: time.Hour},
		{name: "checks restart the idle timeout", settings: Settings{IdleTimeout: time.Hour}, every: time.Hour - 1},
		{name: "lifetime", settings: Settings{MaxLifetime: time.Hour}, every: 10 * time.Minute, want: time.Hour},
		{name: "lifetime before idle timeout", settings: Settings{IdleTimeout: 20 * time.Minute, MaxLifetime: time.Hour}, every: 15 * time.Minute, want: time.Hour},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tc.settings.Accounts = alice().Accounts
				a := NewDR("", tc.settings)
				token := a.Issue("alice")
				var got time.Duration
				for at := tc.every; at <= 24*time.Hour && got == 0; at += tc.every {
					time.Sleep(tc.every)
					if w := do(a, testRequest{method: "GET", path: "/session", header: map[string]string{drToken: token}}); w.Code != 200 {
						got = at
					}
				}
				if got != tc.want {
					t.Errorf("session expired after %v, want %v", got, tc.want)
				}
			})
		})
	}
}

func TestExpiredSessionsFreeTheirSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := alice()
		settings.MaxSessions, settings.IdleTimeout = 2, time.Minute
		a := NewDR("", settings)
		login := testRequest{method: "POST", path: "/session", basic: [2]string{"alice", "right"}}
		logins := func() (accepted int) {
			for range 3 {
				if do(a, login).Code == 200 {
					accepted++
				}
			}
			return accepted
		}
		for _, free := range []struct {
			name string
			do   func()
		}{
			{"at first", func() {}},
			{"after the idle timeout", func() { time.Sleep(time.Minute) }},
			{"after EndSessions", a.EndSessions},
		} {
			free.do()
			if got := logins(); got != 2 {
				t.Errorf("%s: %d logins accepted, want 2", free.name, got)
			}
			if got := a.Stats().Sessions; got != 2 {
				t.Errorf("%s: %d sessions, want 2", free.name, got)
			}
		}
	})
}

func TestLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := alice()
		settings.LockAfter, settings.LockFor = 3, time.Minute
		a := NewHCX(settings)
		accepts := func(password string) bool {
			return do(a, testRequest{method: "GET", path: hcxPath, basic: [2]string{"alice", password}}).Code == 200
		}
		for _, step := range []struct {
			name     string
			after    time.Duration
			password string
			accepted bool
			locked   int
		}{
			{name: "first refusal", password: "wrong"},
			{name: "second refusal", password: "wrong"},
			{name: "acceptance starts the count again", password: "right", accepted: true},
			{name: "first refusal again", password: "wrong"},
			{name: "second refusal again", password: "wrong"},
			{name: "third refusal locks", password: "wrong", locked: 1},
			{name: "the right password is refused during the lock", password: "right", locked: 1},
			{name: "a refusal does not extend the lock", after: 59 * time.Second, password: "wrong", locked: 1},
			{name: "unlocked", after: time.Second, password: "right", accepted: true},
		} {
			time.Sleep(step.after)
			if got := accepts(step.password); got != step.accepted {
				t.Errorf("%s: accepted %t, want %t", step.name, got, step.accepted)
			}
			if got := a.Stats().Locked; got != step.locked {
				t.Errorf("%s: %d accounts locked, want %d", step.name, got, step.locked)
			}
		}
		if got := a.Stats().Refusals; got != 7 {
			t.Errorf("%d refusals, want 7", got)
		}
	})
}

func TestAccountWithoutPasswordAcceptsNone(t *testing.T) {
	a := NewDR("", Settings{Accounts: map[string]Account{"alice": {}}})
	if w := do(a, testRequest{method: "POST", path: "/session", basic: [2]string{"alice", ""}}); w.Code != 401 {
		t.Errorf("status %d, want 401", w.Code)
	}
}

func TestChangedPasswordLeavesSessions(t *testing.T) {
	a := NewDR("", alice())
	token := a.Issue("alice")
	a.Change(func(s *Settings) { s.Accounts["alice"] = Account{Password: "new"} })
	if w := do(a, testRequest{method: "GET", path: "/session", header: map[string]string{drToken: token}}); w.Code != 200 {
		t.Errorf("check with the held session: status %d, want 200", w.Code)
	}
	if w := do(a, testRequest{method: "POST", path: "/session", basic: [2]string{"alice", "right"}}); w.Code != 401 {
		t.Errorf("login with the old password: status %d, want 401", w.Code)
	}
}

func TestAppliancesShareNoSettings(t *testing.T) {
	settings := alice()
	a, b := NewDR("", settings), NewDR("", settings)
	a.Change(func(s *Settings) { s.Accounts["alice"] = Account{Password: "new"} })
	if w := do(b, testRequest{method: "POST", path: "/session", basic: [2]string{"alice", "right"}}); w.Code != 200 {
		t.Errorf("login to the other appliance: status %d, want 200", w.Code)
	}
}
