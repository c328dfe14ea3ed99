package simulator

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

// hcxToken is the header, in answers to logins and in requests, that carries
// the session token.
const hcxToken = "x-hm-authorization"

// hcx is the dialect of VMware HCX Manager's appliance management API,
// /api/admin/v1/sessions.
type hcx struct{}

// hcxStatus opens every body.
type hcxStatus struct {
	Success   bool   `json:"success"`
	Completed bool   `json:"completed"`
	Time      int64  `json:"time"` // Unix, ms
	Version   string `json:"version"`
}

// hcxError is SessionErrorResponse.
type hcxError struct {
	hcxStatus
	ErrorCode string `json:"errorCode,omitempty"`
	Error     string `json:"error,omitempty"`
}

// hcxSession is SessionGetResponse, and with cloud and organizations the
// answer to a login.
type hcxSession struct {
	hcxStatus
	Data hcxData `json:"data"`
}

type hcxData struct {
	User          hcxUser           `json:"user"`
	Cloud         *hcxCloud         `json:"cloud,omitempty"`
	Organizations []hcxOrganization `json:"organizations,omitzero"`
}

type hcxUser struct {
	Enterprise          string   `json:"enterprise,omitempty"`
	Organization        []string `json:"organization,omitzero"`
	CurrentOrganization string   `json:"currentOrganization,omitempty"`
	Roles               []string `json:"roles,omitzero"`
	Username            string   `json:"username"`
	TransactionID       string   `json:"transactionId"`
}

type hcxCloud struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

type hcxOrganization struct {
	Name string `json:"name"`
	ID   string `json:"id"`
}

func (h hcx) claim(op Operation, r *http.Request) claim {
	if op == Login {
		return h.loginClaim(r)
	}
	// A session token comes first: it is the narrower of two ways in.
	if token := r.Header.Get(hcxToken); token != "" {
		return claim{token: token}
	}
	if username, password, ok := r.BasicAuth(); ok {
		return claim{basic: true, username: username, password: password}
	}
	scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		return claim{bearer: bearer}
	}
	return claim{}
}

func (hcx) loginClaim(r *http.Request) claim {
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err != nil {
		return claim{malformed: "unreadable body"}
	}
	var login struct{ Username, Password, AuthType string }
	if err := json.Unmarshal(body, &login); err != nil {
		return claim{malformed: "malformed JSON"}
	}
	switch login.AuthType {
	case "", "local", "vsphere":
	default:
		return claim{malformed: "unknown authType"}
	}
	if login.Username == "" {
		return claim{malformed: "username is missing"}
	}
	return claim{basic: true, username: login.Username, password: login.Password}
}

func (h hcx) answer(op Operation, o outcome) answer {
	if o.verdict != accepted {
		return h.failure(h.problem(o), o.now)
	}
	ok := hcxStatus{Success: true, Completed: true, Time: o.now.UnixMilli(), Version: "1.0"}
	if op == Logout {
		return jsonAnswer(http.StatusOK, ok)
	}
	user := hcxUser{
		Enterprise:    o.account.Enterprise,
		Organization:  o.account.Organizations,
		Roles:         o.account.Roles,
		Username:      o.username,
		TransactionID: uuid(),
	}
	if len(user.Organization) > 0 {
		user.CurrentOrganization = user.Organization[0]
	}
	data := hcxData{User: user}
	if op == Login {
		data.Cloud = &hcxCloud{Name: "simulated", Type: "VC"}
		for _, name := range o.account.Organizations {
			data.Organizations = append(data.Organizations, hcxOrganization{Name: name, ID: strings.ToLower(name)})
		}
	}
	reply := jsonAnswer(http.StatusOK, hcxSession{ok, data})
	if op == Login && o.token != "" {
		reply.header = http.Header{}
		reply.header.Set(hcxToken, o.token)
	}
	return reply
}

// problem picks from the closed list of error codes. The list has none for an
// appliance without a free session slot, nor do the pages mention one.
func (hcx) problem(o outcome) problem {
	switch o.verdict {
	case malformed:
		return problem{http.StatusBadRequest, "BAD_REQUEST", o.detail}
	case refused:
		return problem{http.StatusUnauthorized, "INVALID_CREDENTIALS", "Invalid username or password"}
	case forbidden:
		return problem{http.StatusForbidden, "NOT_ENOUGH_PRIVILEGES", "User is not allowed to perform this operation"}
	case full:
		return problem{http.StatusServiceUnavailable, "", "Maximum number of sessions reached"}
	}
	return problem{http.StatusUnauthorized, "INVALID_SESSION_TOKEN", "UserContext not found in SecurityContext"}
}

func (hcx) failure(p problem, now time.Time) answer {
	return jsonAnswer(p.status, hcxError{
		hcxStatus: hcxStatus{Time: now.UnixMilli(), Version: "1.0"},
		ErrorCode: p.code,
		Error:     p.message,
	})
}
