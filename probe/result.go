package probe

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"session_exporter/probe/control"
	"session_exporter/probe/transport"
	"session_exporter/sessionapi"
)

// Result is the result of one probe. It does not change after Probe has returned it.
type Result struct {
	State sessionapi.State
	// Diagnosis describes what was found, Advice what to do about it, in sentences that
	// require no knowledge of the API. They contain no secrets.
	Diagnosis string
	Advice    string

	Start    time.Time
	Duration time.Duration
	// Steps are the requests in order, including those that no connection could be made for
	// (see StepResult.NotSent); none if nothing was attempted (see LoginSuspended,
	// RateLimited, CredentialMissing). A refusal that came too late for its probe is in the
	// next probe's result, with its request.
	Steps []StepResult
	// CertificateExpiry is the earliest expiry in the certificate chain that was
	// verified, or of the presented certificates if none was; zero without certificates.
	CertificateExpiry time.Time
	// ClockSkew is the appliance's clock minus the exporter's, nil if it is unknown.
	ClockSkew *time.Duration
	// Identity is set while the session is Valid or Unexpected.
	Identity *sessionapi.Identity
	// RolesExpected reports for each role in `expect.roles` whether the session has it;
	// nil if no role is expected or the API did not report roles.
	RolesExpected map[string]bool
	// CredentialExpiries are the times at which the credential expires, by source:
	// "config", "jwt", "oauth2" or "api".
	CredentialExpiries map[string]time.Time
	// ExpiryOf names what expires first according to the API, if it reports the expiry of
	// several accounts or tokens.
	ExpiryOf string

	Logins, LoginFailures int // sent, and those of them that failed
	Unanswered            int // logins whose response never came, or did not reveal the session: each may have left a session
	Logouts               int // accepted by the appliance
	LogoutFailures        int // not accepted, not sent, or not part of the API: each may have left a session
	Expirations           int // held sessions that the appliance terminated
	// Lifetime is the lifetime of the last session in Expirations.
	Lifetime time.Duration
	// Established is when the held session was established, zero if none is held.
	Established time.Time
	// HeldCredential is the credential that the guard holds back, empty without one. With a
	// pairing it may be either site's.
	HeldCredential string
	// ResumeAt is when requests resume, such as a login that was held back; zero if the
	// next probe sends them.
	ResumeAt time.Time
	// HeldUntil is the end of the suspension after this probe's login was refused, zero
	// without a refusal.
	HeldUntil time.Time
	// BackoffUntil is when the back-off after failed logins ends, RetryAfterUntil when
	// the appliance's Retry-After does; zero without one.
	BackoffUntil, RetryAfterUntil time.Time
	// RefusedBefore is set when a secret was held back that the endpoint itself has
	// refused. It is not set if the refused secret has been replaced.
	RefusedBefore bool
	// Queued is set when the secret was not sent because the refresh token had just changed,
	// or because other logins of the account were in flight for too long, unless the
	// endpoint's own last login failed without a verdict for the guard. The next probe should
	// not wait for the interval.
	Queued bool
	// Pending reports whether nothing was sent because an earlier login with an
	// untrusted secret is still pending.
	Pending bool
	// Attempted reports whether this probe itself tried to send a request. Steps may
	// also contain a request of the previous probe, with its late response.
	Attempted bool
	traced    bool          // every step, see Options.Trace
	timeout   time.Duration // of the probe: the endpoint's, unless ctx shortens it
	// LastRequest is when the last request was written, zero if none was.
	LastRequest time.Time
	// NegativeControl is the last conclusive verdict on an impossible token, nil without one.
	// The token was presented after an earlier probe.
	NegativeControl *NegativeControl
}

// Reason is why requests are held back.
type Reason string

// The reasons to hold back requests.
const (
	ReasonGuard      Reason = "guard"       // the lockout guard holds back the login
	ReasonBackoff    Reason = "backoff"     // logins failed
	ReasonRetryAfter Reason = "retry_after" // the appliance sent Retry-After
)

// HeldBack returns why requests are held back, during or after this probe, and when they
// resume. The reason is empty if they are not held back; the time is zero if unknown.
func (r *Result) HeldBack() (Reason, time.Time) {
	switch {
	case r.HeldCredential != "":
		return ReasonGuard, r.ResumeAt
	case r.Pending:
		return ReasonGuard, time.Time{}
	case !r.RetryAfterUntil.IsZero() && !r.BackoffUntil.After(r.RetryAfterUntil):
		return ReasonRetryAfter, r.RetryAfterUntil
	case !r.BackoffUntil.IsZero():
		return ReasonBackoff, r.BackoffUntil
	default:
		return "", time.Time{}
	}
}

// countExpiration counts a session that the appliance terminated.
func (r *Result) countExpiration(established time.Time) {
	r.Expirations++
	r.Lifetime = time.Since(established)
}

// NegativeControl is the verdict on an impossible token.
type NegativeControl = control.Verdict

// Phases are the parts of a request's duration.
type Phases = transport.Phases

// Trace is a request and its response as they may be shown.
type Trace = transport.Trace

// StepResult is one request and its response.
type StepResult struct {
	Step     sessionapi.Step
	Method   string
	URL      string
	NotSent  bool   // there was no connection to write the request to
	Status   int    // 0 without a response
	Code     string // the API's own error code
	OpID     string // the API's own operation ID
	Duration time.Duration
	Phases   Phases
	// Trace is set for a failed step, unless the probe's state is Valid; with Options.Trace,
	// for every step.
	Trace *Trace
}

// StatusText returns the status and error code of the response, or "no response" or "no
// connection".
func (s *StepResult) StatusText() string {
	switch {
	case s.NotSent:
		return "no connection"
	case s.Status == 0:
		return "no response"
	default:
		return statusText(s.Status, s.Code)
	}
}

func statusText(status int, code string) string {
	return strings.TrimSpace(strconv.Itoa(status) + " " + code)
}

// Last returns the last request other than a logout, and whether there was one.
func (r *Result) Last() (StepResult, bool) {
	for _, step := range slices.Backward(r.Steps) {
		if step.Step != sessionapi.Logout {
			return step, true
		}
	}
	return StepResult{}, false
}
