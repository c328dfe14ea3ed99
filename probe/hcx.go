package probe

import (
	"encoding/json"
	"net/http"

	"session_exporter/config"
)

// hcx is the session API of VMware HCX Manager's appliance management, as in
// "Get Session" of the HCX API reference (developer.broadcom.com, HCX Manager
// API, /api/admin/v1/sessions).
type hcx struct{}

const (
	hcxPath        = "/api/admin/v1/sessions"
	hcxTokenHeader = "X-Hm-Authorization"
)

// hcxCodes is the closed list of error codes, and what each means.
var hcxCodes = map[string]State{
	"BAD_REQUEST":           BadRequest,
	"INVALID_CREDENTIALS":   CredentialsRejected,
	"NOT_ENOUGH_PRIVILEGES": Forbidden,
	"INVALID_SESSION_TOKEN": SessionExpired,
	"INTERNAL_SERVER_ERROR": ServerError,
}

func (hcx) Spec() Spec {
	return Spec{
		API: config.API{
			Auth:         []config.Auth{config.AuthLogin, config.AuthBasic, config.AuthToken, config.AuthBearer},
			LoginOptions: map[string][]string{"auth_type": {"local", "vsphere"}},
		},
		SessionHeader: hcxTokenHeader,
		Codes:         sortedKeys(hcxCodes),
		OperationID:   "transactionId",
	}
}

func (hcx) Call(step Step, account Account) Call {
	switch step {
	case Login:
		//nolint:gosec // the password belongs there; and strings always marshal
		body, _ := json.Marshal(hcxLogin{account.Username, account.Password.Reveal(), account.Options["auth_type"]})
		return Call{Method: http.MethodPost, Path: hcxPath, Body: body}
	case Logout:
		return Call{Method: http.MethodDelete, Path: hcxPath}
	default:
		return Call{Method: http.MethodGet, Path: hcxPath}
	}
}

type hcxLogin struct {
	Username string `json:"username"`
	Password string `json:"password"`
	AuthType string `json:"authType,omitempty"`
}

// hcxBody is every documented answer in one: success and failure share their
// envelope, and a failure may come with status 200.
type hcxBody struct {
	Success   *bool    `json:"success"`
	Completed *bool    `json:"completed"`
	Time      *float64 `json:"time"` // Unix ms; a float takes any JSON number, however absurd
	Version   string   `json:"version"`
	ErrorCode string   `json:"errorCode"`
	Error     string   `json:"error"`
	Data      *struct {
		User *struct {
			Enterprise          string   `json:"enterprise"`
			Organizations       []string `json:"organization"`
			CurrentOrganization string   `json:"currentOrganization"`
			Roles               []string `json:"roles"`
			Username            string   `json:"username"`
			TransactionID       string   `json:"transactionId"`
		} `json:"user"`
	} `json:"data"`
}

func (hcx) Read(step Step, answer Answer) Reading {
	reading, body := readJSON[hcxBody](answer)
	reading.Code, reading.Message = body.ErrorCode, body.Error
	if body.Time != nil {
		reading.ServerTime = unixMilli(*body.Time)
	}
	if step == Login {
		reading.Token = config.NewSecret(answer.Header.Get(hcxTokenHeader))
	}
	if body.Data != nil && body.Data.User != nil {
		user := body.Data.User
		reading.OperationID = user.TransactionID
		reading.Identity = &Identity{
			Username:      user.Username,
			Organization:  user.CurrentOrganization,
			Enterprise:    user.Enterprise,
			Version:       body.Version,
			Roles:         user.Roles,
			Organizations: user.Organizations,
		}
	}
	if reading.State == "" {
		reading.State, reading.Why = hcxMeaning(step, answer, body, reading)
	}
	return reading
}

// hcxMeaning reads a well-formed body. `success` must be there and true: the
// status says 200 for failures too.
func hcxMeaning(step Step, answer Answer, body hcxBody, reading Reading) (meaning State, why string) {
	meaning, documented := hcxCodes[body.ErrorCode]
	switch {
	case documented:
		return meaning, ""
	case !answer.ok():
		return "", ""
	case body.ErrorCode != "":
		return ServerError, "it carries an error code that the API does not document"
	case len(answer.Body) == 0:
		return InvalidResponse, "its body is empty"
	case body.Success == nil:
		return InvalidResponse, "it has no `success` field"
	case !*body.Success:
		return ServerError, "it says `success: false` and gives no error code"
	case step == Login && reading.Token.IsZero():
		return InvalidResponse, "it has no session token in its x-hm-authorization header"
	case step == Check && !reading.Identity.named():
		return SessionExpired, "it names no user"
	}
	return Valid, ""
}
