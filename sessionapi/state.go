package sessionapi

import "slices"

// State is the state of an endpoint after its last probe, Unknown before the first:
// exactly one of the constants below, as the metrics, the alerts and the page name it.
type State string

// The states.
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

// Verdict is what a state says about the session or secret that was presented.
type Verdict int

// The verdicts. Inconclusive leaves the last verdict standing: an outage is not
// a bad password.
const (
	Inconclusive Verdict = iota
	Accepted
	Refused
)

// String returns the verdict as tables name it, "-" for Inconclusive.
func (v Verdict) String() string {
	switch v {
	case Accepted:
		return "accepted"
	case Refused:
		return "refused"
	default:
		return "-"
	}
}

// Kind groups states that call for a similar reaction. The page has a color and an
// icon for each.
type Kind string

// The kinds.
const (
	KindOK      Kind = "ok"
	KindDenied  Kind = "denied"  // authenticated, but not as it should be
	KindRefused Kind = "refused" // not authenticated
	KindHeld    Kind = "held"    // not sent, because the lockout guard held it back
	KindTrouble Kind = "trouble" // no usable response, or no usable secret
	KindUnknown Kind = "unknown"
)

// StateInfo describes a state.
type StateInfo struct {
	State   State
	Verdict Verdict
	Kind    Kind
	// Meaning is the state in one sentence.
	Meaning string
	// Advice is the default advice, empty where it depends on the cause.
	Advice string
	// InResponse reports whether the rules and error codes of a described API may
	// name the state. They may not name `valid`: only a named user makes a session valid.
	InResponse bool
	// Runbook is the name of the state's runbook, that of the alert on the state. Empty
	// for Valid and Unknown.
	Runbook string
}

// states is the one table of states, in the order in which people read them. Tests
// compare the documentation, the page and the explanations with it.
var states = []StateInfo{
	{State: Valid, Verdict: Accepted, Kind: KindOK, Meaning: "The API reports a logged-in user, and the session matches `expect`."},
	{
		State: Unexpected, Verdict: Accepted, Kind: KindDenied, Runbook: "SessionUnexpected",
		Meaning: "Authenticated, but user, roles or organizations differ from what is expected.",
		Advice:  "Compare the account's user, roles and organizations on the appliance with `expect` of this endpoint, and correct whichever is wrong.",
	},
	{
		State: Forbidden, Verdict: Accepted, Kind: KindDenied, InResponse: true, Runbook: "SessionForbidden",
		Meaning: "Authenticated, but not permitted to log in or to read the session.",
		Advice:  "The credential is right, but its permissions are not: give the account a role on the appliance that can read its own session.",
	},
	{
		State: SessionExpired, Verdict: Refused, Kind: KindRefused, InResponse: true, Runbook: "SessionExpired",
		Meaning: "The session or token was refused, or no user is logged in.",
		Advice:  "Check the appliance's session settings and health.",
	},
	{State: CredentialsRejected, Verdict: Refused, Kind: KindRefused, InResponse: true, Runbook: "SessionCredentialsRejected", Meaning: "The login was refused."},
	{State: LoginSuspended, Kind: KindHeld, Runbook: "SessionLoginSuspended", Meaning: "The login was held back; the secret was not sent."},
	{State: CredentialMissing, Kind: KindTrouble, Runbook: "SessionCredentialMissing", Meaning: "The secret cannot be read or is empty; nothing was sent."},
	{
		State: RateLimited, Kind: KindTrouble, InResponse: true, Runbook: "SessionRateLimited",
		Meaning: "The appliance limits the rate of requests.",
		Advice:  "Increase `interval`, or find the other clients that send requests to this appliance.",
	},
	{
		State: BadRequest, Kind: KindTrouble, InResponse: true, Runbook: "SessionAPIErrors",
		Meaning: "The API rejects the request as malformed.",
		Advice:  "Check that this exporter supports the API's version, and check `login` and `http_headers` of the module.",
	},
	{
		State: ServerError, Kind: KindTrouble, InResponse: true, Runbook: "SessionAPIErrors",
		Meaning: "The request failed on the appliance's side.",
		Advice:  "Check the appliance's health and logs. If logins fail while checks work, its session limit may be reached.",
	},
	{
		State: InvalidResponse, Kind: KindTrouble, InResponse: true, Runbook: "SessionInvalidResponse",
		Meaning: "The response is not from this API.",
		Advice:  "Check `url` and its base path, and anything in front of the appliance: a proxy, a login page, a maintenance page.",
	},
	{State: Unreachable, Kind: KindTrouble, Runbook: "SessionUnreachable", Meaning: "The appliance cannot be reached, or the connection to it was lost."},
	{State: TLSFailed, Kind: KindTrouble, Runbook: "SessionTLSFailed", Meaning: "No trusted connection: the TLS handshake failed, or the certificate is not trusted."},
	{
		State: Timeout, Kind: KindTrouble, Runbook: "SessionUnreachable",
		Meaning: "No complete response in time.",
		Advice:  "Check the appliance's load and the network. Increase `timeout` if the appliance is healthy but slow.",
	},
	{State: Unknown, Kind: KindUnknown, Meaning: "Not probed yet."},
}

// Info returns the state's row of the table; for a state that is not in it, that of
// Unknown.
func (s State) Info() StateInfo {
	for i := range states {
		if states[i].State == s {
			return states[i]
		}
	}
	return states[len(states)-1]
}

// Verdict returns what the state says about the session or secret that was
// presented.
func (s State) Verdict() Verdict { return s.Info().Verdict }

// States returns all states in the order in which people read them.
func States() []State {
	all := make([]State, len(states))
	for i := range states {
		all[i] = states[i].State
	}
	return all
}

// ResponseStates returns the states that a described API's rules and error codes may
// name, sorted.
func ResponseStates() []State {
	var all []State
	for i := range states {
		if states[i].InResponse {
			all = append(all, states[i].State)
		}
	}
	slices.Sort(all)
	return all
}
