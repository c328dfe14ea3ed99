package probe

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Result is what one probe found, complete and immutable.
type Result struct {
	State State
	// Diagnosis says what was found, Advice what to do about it, both in
	// sentences for people who never saw the API. No secret is in them.
	Diagnosis string
	Advice    string

	Start    time.Time
	Duration time.Duration
	// Steps are the requests that were sent, in order; none when the probe was
	// withheld (see LoginSuspended, RateLimited, CredentialMissing). A refusal that
	// came too late for the probe before is found by the next one, with its request.
	Steps []StepResult
	// CertificateExpiry is the earliest end of the certificates presented, zero
	// when there were none.
	CertificateExpiry time.Time
	// ClockSkew is the appliance's clock minus ours, nil when it did not tell.
	ClockSkew *time.Duration
	// Identity is set while the session is Valid or Unexpected.
	Identity *Identity
	// RolesExpected says of each role in `expect.roles` whether the session
	// has it; nil when the API did not say which roles there are.
	RolesExpected map[string]bool
	// CredentialExpiries are the ends of the credential, by who says so:
	// "config", "jwt", "oauth2" or "api".
	CredentialExpiries map[string]time.Time

	Logins, LoginFailures int // sent, and those of them that gave no session
	Unanswered            int // logins whose answer never came, or could not be read: each may have left a session that nobody can log out
	Logouts               int // accepted by the appliance
	LogoutFailures        int // sent and not accepted: each may have left a session
	Expirations           int // held sessions that the appliance had ended
	// Lifetime is how long the last of those lived.
	Lifetime time.Duration
	// Established is when the session held now was established, zero when none
	// is held.
	Established time.Time
	// Withheld is the credential that the guard withheld, empty where it withheld
	// none. With a pairing it may be either site's.
	Withheld string
	// ResumeAt is when something is sent again, a withheld login for instance,
	// zero when that is the next time.
	ResumeAt time.Time
}

// expire counts a session that the appliance has ended.
func (r *Result) expire(established time.Time) {
	r.Expirations++
	r.Lifetime = time.Since(established)
}

// StepResult is one request and its answer.
type StepResult struct {
	Step     Step
	Method   string
	URL      string
	Status   int    // 0 when there was no answer
	Code     string // the API's own error code
	OpID     string // the API's own operation id
	Duration time.Duration
	Phases   Phases
	// Trace is set in a probe that found no valid session, where the step itself
	// failed, and everywhere in one that was asked to: see WithTrace.
	Trace *Trace
}

// Answered says in a few words what the answer was.
func (s *StepResult) Answered() string {
	switch {
	case s.Status == 0:
		return "no answer"
	case s.Code != "":
		return fmt.Sprintf("%d %s", s.Status, s.Code)
	default:
		return strconv.Itoa(s.Status)
	}
}

// Last returns the last request that was sent to find something out, so no
// logout, and whether there was one.
func (r *Result) Last() (StepResult, bool) {
	for _, step := range slices.Backward(r.Steps) {
		if step.Step != Logout {
			return step, true
		}
	}
	return StepResult{}, false
}
