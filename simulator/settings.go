package simulator

import (
	"maps"
	"slices"
	"time"
)

// Settings is how an appliance is set up. The zero value has no accounts and
// no limits.
type Settings struct {
	Accounts map[string]Account // by username; removing one ends its sessions
	Bearers  map[string]string  // hcx: accepted bearer token to username

	Pairings map[string]Pairing // dr: by ID; not to be written into

	IdleTimeout time.Duration // from a session's last request to its end; 0: never
	MaxLifetime time.Duration // from a session's login to its end; 0: never
	MaxSessions int           // live sessions at which a login gets 503; 0: no limit

	// LockAfter consecutive refusals of one account (logins and HTTP Basic
	// alike) lock it: for LockFor it refuses the right password too. A refusal
	// during the lock does not extend it. 0: never.
	LockAfter int
	LockFor   time.Duration

	ClockOffset time.Duration // appliance's clock minus ours, in bodies and in the Date header

	// NoSession, unless zero, answers a check that comes without a live session
	// or an accepted bearer token. The dr pages do not say what does (200 "{}",
	// 204 and 400 are all plausible); by default it is 401, for dr without a body.
	NoSession Reply

	Faults []Fault // the first that applies to a request spoils it
}

// An Account is a user of an appliance.
type Account struct {
	Password      string   // empty: no password is accepted
	Roles         []string // hcx; nil: the answer does not say
	Organizations []string // hcx; nil: the answer does not say; the first is the current one
	Enterprise    string   // hcx
	Forbidden     bool     // may log in and out, but not ask: 403, for hcx NOT_ENOUGH_PRIVILEGES
}

// A Reply is an HTTP answer with a JSON body.
type Reply struct {
	Status int
	Body   string
}

// Stats counts what an appliance has seen. A request that a [Fault] answers is
// still received; accepted and refused is only what the appliance itself
// decided, whether or not the client heard of it.
type Stats struct {
	Requests int // received, those for other paths and methods included
	Attempts int // logins received
	Checks   int // checks received
	Logins   int // logins accepted
	Logouts  int // logouts accepted
	Refusals int // wrong or locked credentials: logins, and checks with HTTP Basic
	Sessions int // live now
	Locked   int // accounts locked now

	RemoteLogins, RemoteRefusals int // at the other sites of pairings
}

// clone keeps what the appliance changes apart from what its creator holds, so
// that two appliances can be made from one Settings value.
func (s Settings) clone() Settings {
	accounts, bearers := s.Accounts, s.Bearers
	s.Accounts, s.Bearers = map[string]Account{}, map[string]string{}
	maps.Copy(s.Accounts, accounts)
	maps.Copy(s.Bearers, bearers)
	s.Faults = slices.Clone(s.Faults)
	return s
}
