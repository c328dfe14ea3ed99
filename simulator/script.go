package simulator

import "time"

// A step is one line of a script: what happens, and when since the script's
// period began. A script's steps are in order of time.
type step struct {
	at time.Duration
	do func(*Member) error
}

// renewSecret makes a new secret on the appliance. The file keeps the old one
// until publishSecret.
func renewSecret(m *Member) error {
	m.secret = m.part.secret(m.Appliance)
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

// setFaults replaces all faults; without arguments it repairs the appliance.
func setFaults(faults ...Fault) func(*Member) error {
	return func(m *Member) error {
		m.Appliance.Change(func(s *Settings) { s.Faults = faults })
		return nil
	}
}
