// Package classify derives the state of an exchange from its status, its error and its
// interpretation. Package probe adds Unexpected and the states of secrets that were not sent,
// and corrects those of logins of several requests.
//
// The status takes precedence over the body if it means that the API could not do its work
// (429, 5xx, an unexpected 3xx), or if the body cannot be read. Otherwise the API's own words
// take precedence over the status, except that a login with a 401 is always refused. No
// status is a success by itself. The package sends nothing, and knows nothing of sessions or
// accounts.
package classify

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"

	"session_exporter/probe/transport"
	"session_exporter/sessionapi"
)

// State returns the state of an exchange. carriesSecret is set if its request makes the
// server check the account's secret. in is the interpretation of the response.
func State(x *transport.Exchange, carriesSecret bool, in sessionapi.Interpretation) sessionapi.State {
	status := x.Response.Status
	switch incomplete := x.IsIncomplete(); {
	case incomplete && !x.StatusDecides():
		return failureState(x)
	case status == http.StatusTooManyRequests:
		return sessionapi.RateLimited
	case status >= 500:
		return sessionapi.ServerError
	case status >= 300 && status < 400 && !in.Succeeded:
		return sessionapi.InvalidResponse
	case carriesSecret:
		return loginState(status, in)
	}
	state := in.State
	// The status takes precedence over a body that is not the API's. A page with a status
	// other than 401 may be a proxy's.
	if state == sessionapi.InvalidResponse && x.StatusDecides() && (status == http.StatusUnauthorized || !in.Page) {
		state = ""
	}
	switch {
	case state == "":
		return statusState(status)
	case state.Verdict() == sessionapi.Refused && status == http.StatusUnauthorized:
		return sessionapi.SessionExpired // a 401 to a request with a session refuses the session, whatever the error code
	default:
		return state
	}
}

// loginState returns the state of a response to a request with the secret, unless State has
// already derived it from the status.
func loginState(status int, in sessionapi.Interpretation) sessionapi.State {
	state := in.State
	switch {
	case status == http.StatusUnauthorized, state.Verdict() == sessionapi.Refused:
		return sessionapi.CredentialsRejected
	case in.ByRule:
		return state
	case !MayHaveChecked(status):
		if state == "" {
			return sessionapi.InvalidResponse
		}
		return state
	case in.Page:
		return sessionapi.InvalidResponse
	case state == sessionapi.InvalidResponse:
		state = "" // the status decides
	}
	if state == "" || state == sessionapi.BadRequest || state == sessionapi.Forbidden {
		switch status {
		// APIs refuse logins with these statuses too, so the words decide.
		case http.StatusBadRequest, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusLocked:
			if meant := in.LoginState(status, state); meant != "" {
				return meant
			}
		}
	}
	switch {
	case state != "":
		return state
	case status == http.StatusForbidden && !in.HasCode(status):
		return sessionapi.CredentialsRejected
	default:
		return sessionapi.BadRequest
	}
}

// MayHaveChecked reports whether a response with this status may be a refusal that came after
// the password was checked: any 4xx except 404, 405, 408 and 429, which come before that, and
// 407, which comes from a proxy.
func MayHaveChecked(status int) bool {
	switch status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusProxyAuthRequired,
		http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	}
	return status >= 400 && status < 500
}

// statusState returns the state of a response whose body has none.
func statusState(status int) sessionapi.State {
	switch status {
	case http.StatusUnauthorized:
		return sessionapi.SessionExpired
	case http.StatusForbidden:
		return sessionapi.Forbidden
	case http.StatusBadRequest:
		return sessionapi.BadRequest
	default:
		return sessionapi.InvalidResponse
	}
}

// failureState returns the state of an exchange without a complete response.
func failureState(x *transport.Exchange) sessionapi.State {
	switch {
	case x.Unsent:
		return sessionapi.CredentialMissing
	case IsTimeout(x.Err):
		return sessionapi.Timeout
	case isNetworkFailure(x.Err):
		return sessionapi.Unreachable
	case x.InHandshake, isTLSFailure(x.Err):
		return sessionapi.TLSFailed
	case !x.FirstByte.IsZero():
		return sessionapi.InvalidResponse // not proper HTTP, or too large
	default:
		return sessionapi.Unreachable
	}
}

// IsTimeout reports whether the time for a request was up. A name server's timeout is not
// the appliance's.
func IsTimeout(err error) bool {
	_, isDNS := errors.AsType[*net.DNSError](err)
	return errors.Is(err, context.DeadlineExceeded) && !isDNS
}

// isNetworkFailure reports whether the network or the other side's TCP failed,
// in whatever phase.
func isNetworkFailure(err error) bool {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return true
	}
	if _, isErrno := errors.AsType[syscall.Errno](err); isErrno {
		return true
	}
	if _, isDNS := errors.AsType[*net.DNSError](err); isDNS {
		return true
	}
	if opErr, isOp := errors.AsType[*net.OpError](err); isOp {
		return opErr.Op == "dial" || opErr.Op == "proxyconnect" && !isTLSFailure(opErr.Err)
	}
	return errors.Is(err, os.ErrDeadlineExceeded)
}

func isTLSFailure(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	opErr, ok := errors.AsType[*net.OpError](err)
	return ok && (opErr.Op == "remote error" || opErr.Op == "local error") // alerts, as crypto/tls wraps them
}
