package simulator

import (
	"maps"
	"slices"
	"time"
)

// Settings configure an appliance. The zero value has no accounts and no limits.
type Settings struct {
	Accounts map[string]Account // by username; removing an account ends its sessions
	Bearers  map[string]string  // hcx: username by accepted bearer token

	Pairings map[string]Pairing // dr: by ID; must not be modified

	IdleTimeout time.Duration // from a session's last request to its expiry; 0: unlimited
	MaxLifetime time.Duration // from a session's login to its expiry; 0: unlimited
	MaxSessions int           // live sessions at which a login gets 503; 0: unlimited

	// LockAfter consecutive refusals of an account, at logins or with HTTP Basic, lock it:
	// for LockFor, the correct password is refused too. A refusal during the lock does not
	// extend it. 0: never.
	LockAfter int
	LockFor   time.Duration

	ClockOffset time.Duration // appliance's clock minus the host's, in bodies and in the Date header

	// NoSession, unless zero, is the response to a check with neither a live session, nor an
	// accepted bearer token, nor HTTP Basic where it is supported. The dr pages do not document
	// it (200 "{}", 204 and 400 are all plausible); the default is 401, for dr and
	// hcx-hybridity without a body.
	NoSession Response

	Faults []Fault // the first one that applies to a request takes effect
}

// An Account is a user of an appliance.
type Account struct {
	Password      string   // empty: no password is accepted
	Roles         []string // hcx; nil: omitted from responses
	Organizations []string // hcx; the first is the current one; nil: omitted from responses
	Enterprise    string   // hcx
	Forbidden     bool     // may log in and out, but a check gets 403, for hcx NOT_ENOUGH_PRIVILEGES
}

// A Response is an HTTP response with a JSON body.
type Response struct {
	Status int
	Body   string
}

// Stats are the counters of an appliance. A request whose response a [Fault] replaces
// counts as received. Accepted and refused count the appliance's own decisions, whether
// or not the client got the response.
type Stats struct {
	Requests int // received, including other paths and methods
	Attempts int // logins received
	Checks   int // checks received
	Logins   int // logins accepted
	Logouts  int // logouts accepted
	Refusals int // wrong or locked credentials: logins, and checks with HTTP Basic
	Sessions int // live now
	Locked   int // accounts locked now

	RemoteLogins, RemoteRefusals int // at the other sites of pairings
}

// clone copies the maps and slices that the appliance modifies, so that two appliances
// can be created from one Settings value.
func (s Settings) clone() Settings {
	accounts, bearers := s.Accounts, s.Bearers
	s.Accounts, s.Bearers = map[string]Account{}, map[string]string{}
	maps.Copy(s.Accounts, accounts)
	maps.Copy(s.Bearers, bearers)
	s.Faults = slices.Clone(s.Faults)
	return s
}
