package simulator

import (
	"net/http"
	"time"
)

// drToken is the request header that carries the session ID.
const drToken = "x-dr-session"

// dr is the dialect of the disaster-recovery REST gateways, {base}/session.
type dr struct{}

// drError is ResponseError. The list of codes is open, and the pages name none.
type drError struct {
	ErrorCode string `json:"error_code,omitempty"`
	Message   string `json:"message,omitempty"`
	OpID      string `json:"op_id"`
}

// drSession is SessionInfo.
type drSession struct {
	Username string `json:"username"`
}

type drLogin struct {
	SessionID string `json:"session_id,omitempty"`
}

// claim takes HTTP Basic for logins only: nothing says that a check does.
func (dr) claim(op Operation, r *http.Request) claim {
	if op == RemoteCheck || op == RemoteLogin {
		return remoteClaim(r)
	}
	if op != Login {
		return claim{token: r.Header.Get(drToken)}
	}
	username, password, ok := r.BasicAuth()
	return claim{basic: ok, username: username, password: password}
}

func (d dr) answer(op Operation, o outcome) answer {
	if o.verdict != accepted {
		return d.refusal(o)
	}
	switch op {
	case Login:
		return jsonAnswer(http.StatusOK, drLogin{SessionID: o.token})
	case Logout, RemoteLogin:
		return answer{status: http.StatusNoContent}
	}
	return jsonAnswer(http.StatusOK, drSession{Username: o.username})
}

func (d dr) refusal(o outcome) answer {
	switch o.verdict {
	case malformed:
		return d.failure(problem{http.StatusBadRequest, "BAD_REQUEST", o.detail}, o.now)
	case forbidden:
		return d.failure(problem{http.StatusForbidden, "FORBIDDEN", "The user has no permission for this operation."}, o.now)
	case unknown:
		return d.failure(problem{http.StatusNotFound, "NOT_FOUND", "There is no such pairing."}, o.now)
	case full:
		return d.failure(problem{http.StatusServiceUnavailable, "TOO_MANY_SESSIONS", "The maximum number of sessions is reached."}, o.now)
	}
	return answer{status: http.StatusUnauthorized} // documented without a body
}

func (dr) failure(p problem, _ time.Time) answer {
	return jsonAnswer(p.status, drError{ErrorCode: p.code, Message: p.message, OpID: uuid()})
}
