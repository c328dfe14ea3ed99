package e2e

import (
	"testing"
	"time"

	"session_exporter/simulator"
)

// The account that the tests monitor with, and its passwords.
const (
	user        = "monitor"
	password    = canary + "password"
	newPassword = canary + "new-password"
)

// appliance is a simulated appliance and its server.
type appliance struct {
	*simulator.Appliance
	server *simulator.Server
	url    string // for configurations

	issued  int  // sessions created for other clients
	mayLeak bool // logging out is impossible
}

// newHCX starts an HCX Manager.
func newHCX(t *testing.T, settings simulator.Settings) *appliance {
	t.Helper()
	return start(t, simulator.NewHCX(settings), "")
}

// newDR starts a disaster-recovery gateway.
func newDR(t *testing.T, settings simulator.Settings) *appliance {
	t.Helper()
	const base = "/api/rest/srm/v2"
	return start(t, simulator.NewDR(base, settings), base)
}

// start serves an appliance. At the end of the test, the exporter must have logged out
// of all its sessions.
func start(t *testing.T, a *simulator.Appliance, base string) *appliance {
	t.Helper()
	server, err := ca.Serve(a, "127.0.0.1:0", simulator.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	started := &appliance{Appliance: a, server: server, url: server.URL() + base}
	t.Cleanup(func() {
		started.server.Close()
		if left := a.Stats().Sessions; left > started.issued && !started.mayLeak {
			t.Errorf("%d sessions remain on the appliance", left-started.issued)
		}
	})
	return started
}

// token returns the token of a session that another client has created.
func (a *appliance) token() string {
	a.issued++
	return a.Issue(user)
}

func (a *appliance) setPassword(password string) {
	a.Change(func(s *simulator.Settings) {
		account := s.Accounts[user]
		account.Password = password
		s.Accounts[user] = account
	})
}

func (a *appliance) setFaults(faults ...simulator.Fault) {
	a.Change(func(s *simulator.Settings) { s.Faults = faults })
}

// withAccount returns the settings of an appliance that has the account, and locks it for
// a minute after three refusals, as HCX does.
func withAccount(password string) simulator.Settings {
	return simulator.Settings{
		Accounts: map[string]simulator.Account{user: {
			Password:      password,
			Roles:         []string{"System Administrator", "Appliance Administrator"},
			Organizations: []string{"DEFAULT"},
			Enterprise:    "HybridityAdmin",
		}},
		LockAfter: 3,
		LockFor:   time.Minute,
	}
}

// with adds faults to settings.
func with(settings simulator.Settings, faults ...simulator.Fault) simulator.Settings {
	settings.Faults = faults
	return settings
}
