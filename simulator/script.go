package simulator

import "time"

// A step is an action of a script. The steps of a script are sorted by time.
type step struct {
	at time.Duration // since the start of the period
	do func(*Member) error
}

// renewSecret changes the secret on the appliance. The file keeps the old secret until
// publishSecret.
func renewSecret(m *Member) error {
	m.secret = m.spec.secret(m.Appliance)
	return nil
}

func endSessions(m *Member) error {
	m.Appliance.EndSessions()
	return nil
}

func powerOff(m *Member) error {
	m.server.Off()
	return nil
}

func powerOn(m *Member) error { return m.server.On() }

func setRoles(roles ...string) func(*Member) error {
	return func(m *Member) error {
		m.Appliance.Change(func(s *Settings) {
			account := s.Accounts[user]
			account.Roles = roles
			s.Accounts[user] = account
		})
		return nil
	}
}

// setFaults replaces all faults; without arguments it removes them.
func setFaults(faults ...Fault) func(*Member) error {
	return func(m *Member) error {
		m.Appliance.Change(func(s *Settings) { s.Faults = faults })
		return nil
	}
}
