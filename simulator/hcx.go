package simulator

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// hcxToken is the header with the session token, in responses to logins and in requests.
const hcxToken = "x-hm-authorization"

// hcx is the dialect of VMware HCX Manager's appliance management API,
// /api/admin/v1/sessions.
type hcx struct{}

// hcxStatus has the fields with which every body begins.
type hcxStatus struct {
	Success   bool   `json:"success"`
	Completed bool   `json:"completed"`
	Time      int64  `json:"time"` // Unix time in milliseconds
	Version   string `json:"version"`
}

// hcxError is SessionErrorResponse of the API pages.
type hcxError struct {
	hcxStatus
	ErrorCode string `json:"errorCode,omitempty"`
	Error     string `json:"error,omitempty"`
}

// hcxSession is SessionGetResponse of the API pages and, with cloud and organizations,
// the response to a login.
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

func (h hcx) credentials(op Operation, r *http.Request) credentials {
	if op == Login {
		return jsonLogin(r, "local", "vsphere")
	}
	// A session token takes precedence over the Authorization header.
	if token := r.Header.Get(hcxToken); token != "" {
		return credentials{token: token}
	}
	if username, password, ok := r.BasicAuth(); ok {
		return credentials{basic: true, username: username, password: password}
	}
	scheme, bearer, found := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case !found: // a bare session token, as in the published sample
		return credentials{token: scheme}
	case strings.EqualFold(scheme, "Bearer"):
		return credentials{bearer: bearer}
	}
	return credentials{}
}

// jsonLogin returns the credentials in the body of a login. authTypes are the values that
// `authType` may have; it may be absent.
func jsonLogin(r *http.Request, authTypes ...string) credentials {
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err != nil {
		return credentials{malformed: "unreadable body"}
	}
	var login struct{ Username, Password, AuthType string }
	if err := json.Unmarshal(body, &login); err != nil {
		return credentials{malformed: "malformed JSON"}
	}
	if login.AuthType != "" && !slices.Contains(authTypes, login.AuthType) {
		return credentials{malformed: "unknown authType"}
	}
	if login.Username == "" {
		return credentials{malformed: "username is missing"}
	}
	return credentials{basic: true, username: login.Username, password: login.Password}
}

func (h hcx) response(op Operation, o outcome) httpResponse {
	if o.verdict != accepted {
		return h.errorResponse(h.apiError(o), o.now)
	}
	ok := hcxStatus{Success: true, Completed: true, Time: o.now.UnixMilli(), Version: "1.0"}
	if op == Logout {
		return jsonResponse(http.StatusOK, ok)
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
	response := jsonResponse(http.StatusOK, hcxSession{ok, data})
	if op == Login && o.token != "" {
		response.header = http.Header{}
		response.header.Set(hcxToken, o.token)
	}
	return response
}

// apiError returns the error of an outcome, with a documented code. No code is documented for
// an appliance without a free session slot.
func (hcx) apiError(o outcome) apiError {
	switch o.verdict {
	case malformed:
		return apiError{http.StatusBadRequest, "BAD_REQUEST", o.detail}
	case refused:
		return apiError{http.StatusUnauthorized, "INVALID_CREDENTIALS", "Invalid username or password"}
	case forbidden:
		return apiError{http.StatusForbidden, "NOT_ENOUGH_PRIVILEGES", "User is not allowed to perform this operation"}
	case full:
		return apiError{http.StatusServiceUnavailable, "", "Maximum number of sessions reached"}
	}
	return apiError{http.StatusUnauthorized, "INVALID_SESSION_TOKEN", "UserContext not found in SecurityContext"}
}

func (hcx) errorResponse(e apiError, now time.Time) httpResponse {
	return jsonResponse(e.status, hcxError{
		hcxStatus: hcxStatus{Time: now.UnixMilli(), Version: "1.0"},
		ErrorCode: e.code,
		Error:     e.message,
	})
}
