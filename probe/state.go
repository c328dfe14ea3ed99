package probe

// State is what one probe found: exactly one of the constants below, as the
// metrics, the alerts and the page name it.
type State string

// The states, in the order in which people read them.
const (
	Valid               State = "valid"
	Unexpected          State = "unexpected"
	Forbidden           State = "forbidden"
	SessionExpired      State = "session_expired"
	CredentialsRejected State = "credentials_rejected"
	LoginSuspended      State = "login_suspended"
	CredentialMissing   State = "credential_missing"
	RateLimited         State = "rate_limited"
	BadRequest          State = "bad_request"
	ServerError         State = "server_error"
	InvalidResponse     State = "invalid_response"
	Unreachable         State = "unreachable"
	TLSFailed           State = "tls_failed"
	Timeout             State = "timeout"
	Unknown             State = "unknown" // not probed yet
)

// States lists all states in that order.
func States() []State {
	return []State{
		Valid, Unexpected, Forbidden, SessionExpired, CredentialsRejected,
		LoginSuspended, CredentialMissing, RateLimited, BadRequest, ServerError,
		InvalidResponse, Unreachable, TLSFailed, Timeout, Unknown,
	}
}

// Verdict is what a state says about the credential or session presented.
type Verdict int

// The verdicts. Inconclusive leaves the last verdict standing: an outage is
// not a bad password.
const (
	Inconclusive Verdict = iota
	Accepted
	Refused
)

// Verdict returns what the state says about who we claimed to be.
func (s State) Verdict() Verdict {
	switch s {
	case Valid, Unexpected, Forbidden:
		return Accepted
	case SessionExpired, CredentialsRejected:
		return Refused
	default:
		return Inconclusive
	}
}
