package probe

import (
	"fmt"
	"time"

	"session_exporter/config"
	"session_exporter/probe/classify"
	"session_exporter/probe/guard"
	"session_exporter/sessionapi"
)

// outcome is a state and what explains it. It is immutable: a constructor builds it
// (newOutcome, noLogout, missing, suspended, queued), and with returns a changed copy.
type outcome struct {
	state    sessionapi.State
	endpoint *config.Endpoint // of the site that it is about
	exchange *exchange        // the last one, released; nil without one

	// Of an exchange.
	interpretation     sessionapi.Interpretation // cleaned and masked
	failure            string                    // why there was no complete response
	differences        []string                  // from `expect`
	rolesExpected      map[string]bool
	retryAfter         time.Duration
	refusedImmediately bool         // the session that was refused had just been established
	preflight          bool         // the request had no secret
	pending            bool         // the response may still arrive, see pendingLogin
	late               []StepResult // the requests, if the response arrived after their probe
	heldUntil          time.Time    // end of the suspension that the refusal caused

	// Of a secret that was not sent.
	reason         string // for a person; empty if the guard's suspension is the reason
	suspension     *guard.Suspension
	heldCredential string    // the credential that the guard holds back
	refusedBefore  bool      // by the endpoint itself, see Result.RefusedBefore
	queued         bool      // the next probe should come soon, see Result.Queued
	resumeAt       time.Time // when it may be sent, zero if that is unknown
}

// missing returns the outcome of a secret that cannot be read.
func missing(e *config.Endpoint, err error) *outcome {
	return &outcome{state: sessionapi.CredentialMissing, endpoint: e, reason: err.Error()}
}

// suspended returns the outcome of a secret that the guard holds back.
func suspended(e *config.Endpoint, s *guard.Suspension) *outcome {
	return &outcome{state: sessionapi.LoginSuspended, endpoint: e, suspension: s, heldCredential: e.Credential.Name, resumeAt: s.Until}
}

// queued returns the outcome of a secret that was not sent because other logins were in
// flight for too long. soon is set if the next probe should not wait for the interval.
func queued(e *config.Endpoint, soon bool) *outcome {
	return &outcome{
		state: sessionapi.LoginSuspended, endpoint: e, heldCredential: e.Credential.Name, queued: soon,
		reason: "other logins of the account have been in flight for too long, and none has been accepted yet",
	}
}

// with returns a copy of the outcome, modified by change.
func (o *outcome) with(change func(next *outcome)) *outcome {
	next := *o
	change(&next)
	return &next
}

// withRefusedImmediately returns the refusal of a session that had just been established.
func (o *outcome) withRefusedImmediately() *outcome {
	return o.with(func(next *outcome) { next.refusedImmediately = true })
}

// reported returns the state for the result. The state of an endpoint with a pairing is that
// of the other site: LoginSuspended if the local session or its login was refused or
// forbidden, because the other site's password was then not sent.
func (o *outcome) reported(e *config.Endpoint) sessionapi.State {
	if o.isLocal(e) && o.state.Verdict() != sessionapi.Inconclusive {
		return sessionapi.LoginSuspended
	}
	return o.state
}

// isLocal reports whether the outcome is about the local session of an endpoint with a
// pairing.
func (o *outcome) isLocal(e *config.Endpoint) bool {
	return e.Pairing != nil && o.endpoint.Pairing == nil
}

// loginSent reports whether the login was written to a connection by the probe in
// progress.
func (o *outcome) loginSent() bool {
	return o.exchange != nil && (o.exchange.step == sessionapi.Login || o.byOAuth()) && !o.exchange.Written.IsZero() && o.heldCredential == ""
}

// byOAuth reports whether the request went to an authorization server.
func (o *outcome) byOAuth() bool {
	return o.exchange != nil && o.exchange.step == sessionapi.Token
}

// mayLeaveSession reports whether a login may have left a session that cannot be ended,
// because no response arrived, or the response does not reveal the session that it
// established. An HTML page is not this API's response.
func (o *outcome) mayLeaveSession() bool {
	switch {
	case o.pending, o.exchange == nil:
		return false
	case o.exchange.Err != nil && o.exchange.NeedsHTTP2(): // the server did not read the request
		return false
	case o.interpretation.Lost:
		return true
	case o.exchange.Written.IsZero():
		return false
	case o.exchange.Response.Status == 0:
		return true
	default:
		return (o.exchange.Response.OK() || o.interpretation.Succeeded) && (o.exchange.IsIncomplete() || o.state == sessionapi.InvalidResponse && !o.interpretation.Page)
	}
}

// guardVerdict returns the verdict of a login for the lockout guard. Every response after
// which the password may have been checked and no session exists counts as a refusal.
func (o *outcome) guardVerdict() sessionapi.Verdict {
	if o.exchange == nil {
		return sessionapi.Inconclusive
	}
	status := o.exchange.Response.Status
	switch o.state {
	case sessionapi.Valid, sessionapi.Unexpected:
		if !o.exchange.part.isLast() { // a later one may refuse the password
			return sessionapi.Inconclusive
		}
		return sessionapi.Accepted
	case sessionapi.SessionExpired, sessionapi.CredentialsRejected, sessionapi.BadRequest:
		return sessionapi.Refused
	case sessionapi.ServerError:
		if o.interpretation.State.Verdict() == sessionapi.Refused {
			return sessionapi.Refused // in its own words, whatever the status
		}
	case sessionapi.InvalidResponse, sessionapi.Timeout, sessionapi.Unreachable:
		if classify.MayHaveChecked(status) || o.isUnlistedSuccess() {
			return sessionapi.Refused
		}
	}
	return sessionapi.Inconclusive
}

// isUnlistedSuccess reports whether a request with the secret has a complete 2xx response whose
// status the definition does not list as a success: the login form again, for instance.
func (o *outcome) isUnlistedSuccess() bool {
	x := o.exchange
	return x.part != nil && x.part.secret && x.Response.OK() && !x.IsIncomplete() && !o.interpretation.Succeeded
}

// failedWithoutVerdict reports whether a login was sent and failed without a verdict for
// the guard, so that trying again soon would only add to the appliance's load. A proxy's
// password counts as a login too.
func (o *outcome) failedWithoutVerdict() bool {
	switch {
	case o.exchange == nil:
		return false
	case o.refusedImmediately, o.exchange.RefusedByProxy():
		return true
	case o.exchange.part.followsSecret():
		return o.guardVerdict() == sessionapi.Inconclusive // each try establishes another session
	}
	sent := !o.exchange.Written.IsZero() && !o.preflight
	return sent && o.exchange.carriesSecret(o.endpoint.Auth) && o.guardVerdict() == sessionapi.Inconclusive
}

// response summarizes the response: its status, error code and message.
func (o *outcome) response() string {
	text := statusText(o.exchange.Response.Status, o.interpretation.Code)
	if o.interpretation.Message != "" {
		text += fmt.Sprintf(", %q", o.interpretation.Message)
	}
	return text
}

// stepOf names the request in a login or a check of several, as in " (step 2 of 3)". It is
// empty for a single request.
func stepOf(o *outcome) string {
	if p := o.exchange.part; p != nil {
		return fmt.Sprintf(" (step %d of %d)", p.at, p.of)
	}
	return ""
}

// responder names the server that responded.
func responder(o *outcome) string {
	switch {
	case o.byOAuth():
		return "The authorization server " + o.exchange.URL.Host
	case o.interpretation.State == sessionapi.InvalidResponse:
		return "The appliance, or a proxy in front of it,"
	}
	return "The appliance"
}
