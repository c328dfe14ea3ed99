package simulator

import (
	"net/http"
	"time"
)

// drToken is the request header with the session ID.
const drToken = "x-dr-session"

// dr is the dialect of the disaster-recovery REST gateways, {base}/session.
type dr struct{}

// drError is ResponseError of the API pages, which document no values of error_code.
type drError struct {
	ErrorCode string `json:"error_code,omitempty"`
	Message   string `json:"message,omitempty"`
	OpID      string `json:"op_id"`
}

// drSession is SessionInfo of the API pages.
type drSession struct {
	Username string `json:"username"`
}

type drLogin struct {
	SessionID string `json:"session_id,omitempty"`
}

// credentials accepts HTTP Basic only for logins: the pages do not document it for checks.
func (dr) credentials(op Operation, r *http.Request) credentials {
	if op == RemoteCheck || op == RemoteLogin {
		return remoteCredentials(r)
	}
	if op != Login {
		return credentials{token: r.Header.Get(drToken)}
	}
	username, password, ok := r.BasicAuth()
	return credentials{basic: ok, username: username, password: password}
}

func (d dr) response(op Operation, o outcome) httpResponse {
	if o.verdict != accepted {
		return d.refusal(o)
	}
	switch op {
	case Login:
		return jsonResponse(http.StatusOK, drLogin{SessionID: o.token})
	case Logout, RemoteLogin:
		return httpResponse{status: http.StatusNoContent}
	}
	return jsonResponse(http.StatusOK, drSession{Username: o.username})
}

func (d dr) refusal(o outcome) httpResponse {
	switch o.verdict {
	case malformed:
		return d.errorResponse(apiError{http.StatusBadRequest, "BAD_REQUEST", o.detail}, o.now)
	case forbidden:
		return d.errorResponse(apiError{http.StatusForbidden, "FORBIDDEN", "The user has no permission for this operation."}, o.now)
	case unknown:
		return d.errorResponse(apiError{http.StatusNotFound, "NOT_FOUND", "There is no such pairing."}, o.now)
	case full:
		return d.errorResponse(apiError{http.StatusServiceUnavailable, "TOO_MANY_SESSIONS", "The maximum number of sessions is reached."}, o.now)
	}
	return httpResponse{status: http.StatusUnauthorized} // documented without a body
}

func (dr) errorResponse(e apiError, _ time.Time) httpResponse {
	return jsonResponse(e.status, drError{ErrorCode: e.code, Message: e.message, OpID: uuid()})
}
