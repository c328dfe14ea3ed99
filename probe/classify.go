package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"

	"session_exporter/config"
)

// classify is the one place that turns what happened in an exchange into a
// state. The status comes before the body where it says that the API could not
// do its work (429, 5xx, 3xx); else the API's own words come before the
// status; and no status is a success by itself.
func classify(x *exchange, reading Reading, auth config.Auth) State {
	if x.err != nil {
		return classifyFailure(x)
	}
	status := x.answer.Status
	switch {
	case status == http.StatusTooManyRequests:
		return RateLimited
	case status >= 500:
		return ServerError
	case status >= 300 && status < 400, x.tooLarge:
		return InvalidResponse
	}
	state := reading.State
	if state == "" || (state == InvalidResponse && status == http.StatusUnauthorized) {
		state = classifyStatus(status)
	}
	// What a login or a 401 refuses is what was presented, whatever the API calls
	// it.
	switch {
	case state.Verdict() != Refused:
		return state
	case x.step == Login || x.step == Token || auth == config.AuthBasic:
		return CredentialsRejected
	case status == http.StatusUnauthorized:
		return SessionExpired
	default:
		return state // the API's word is all there is
	}
}

// classifyStatus judges by the status alone, where the body says nothing.
func classifyStatus(status int) State {
	switch status {
	case http.StatusUnauthorized:
		return SessionExpired
	case http.StatusForbidden:
		return Forbidden
	case http.StatusBadRequest:
		return BadRequest
	default:
		return InvalidResponse
	}
}

// classifyFailure judges an exchange that brought no complete answer.
func classifyFailure(x *exchange) State {
	_, isDNS := errors.AsType[*net.DNSError](x.err) // which may have a timeout of its own
	switch {
	case x.unsent:
		return CredentialMissing
	case errors.Is(x.err, context.DeadlineExceeded) && !isDNS:
		return Timeout
	case isNetworkFailure(x.err):
		return Unreachable
	case x.inHandshake, isTLSFailure(x.err):
		return TLSFailed
	case !x.answered.IsZero():
		return InvalidResponse // it answers, but not in proper HTTP
	default:
		return Unreachable
	}
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
