package sessionapi

import (
	"maps"
	"slices"

	"github.com/go-json-experiment/json"

	"session_exporter/secret"
)

// hcx is the session API of VMware HCX Manager's appliance management, as in
// "Get Session" of the HCX API reference (developer.broadcom.com, HCX Manager
// API, /api/admin/v1/sessions).
type hcx struct{}

const (
	hcxPath        = "/api/admin/v1/sessions"
	hcxTokenHeader = "X-Hm-Authorization"
)

// hcxCodes is the closed list of error codes with their meanings.
var hcxCodes = map[string]State{
	"BAD_REQUEST":           BadRequest,
	"INVALID_CREDENTIALS":   CredentialsRejected,
	"NOT_ENOUGH_PRIVILEGES": Forbidden,
	"INVALID_SESSION_TOKEN": SessionExpired,
	"INTERNAL_SERVER_ERROR": ServerError,
}

func (hcx) Spec() Spec {
	return Spec{
		Auth:           []Auth{AuthLogin, AuthBasic, AuthToken, AuthBearer},
		LoginOptions:   map[string][]string{"auth_type": {"local", "vsphere"}},
		URL:            URLHints{NoPath: true, Port: "9443"},
		SessionHeaders: []string{hcxTokenHeader},
		Codes:          slices.Sorted(maps.Keys(hcxCodes)),
		OperationID:    "transactionId",
	}
}

func (hcx) Request(step Step, account Account) Request {
	r := Request{Method: resourceMethod(step), Path: hcxPath}
	if step == Login {
		r.Body, _ = json.Marshal(hcxLogin{account.Username, account.Password.Reveal(), account.Options["auth_type"]}) // strings always marshal
	}
	return r
}

type hcxLogin struct {
	Username string `json:"username"`
	Password string `json:"password"`
	AuthType string `json:"authType,omitempty"`
}

// hcxBody is every documented response in one: success and failure share their
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

func (hcx) Interpret(step Step, response Response) Interpretation {
	in, body := DecodeJSON[hcxBody](response)
	in.Code, in.Message = body.ErrorCode, body.Error
	if body.Time != nil {
		in.ServerTime = ClockTime(*body.Time)
	}
	if step == Login {
		in.Token = secret.New(response.Header.Get(hcxTokenHeader))
	}
	if body.Data != nil && body.Data.User != nil {
		user := body.Data.User
		in.OperationID = user.TransactionID
		in.Identity = &Identity{
			Username:      user.Username,
			Organization:  user.CurrentOrganization,
			Enterprise:    user.Enterprise,
			Version:       body.Version,
			Roles:         user.Roles,
			Organizations: user.Organizations,
		}
	}
	if in.State == "" {
		in.State, in.Why = hcxMeaning(step, response, body, in)
	}
	return in
}

// hcxMeaning interprets a well-formed body. `success` must be present and true: failures
// come with status 200, too.
func hcxMeaning(step Step, response Response, body hcxBody, in Interpretation) (meaning State, why string) {
	meaning, documented := hcxCodes[body.ErrorCode]
	switch {
	case documented:
		return meaning, ""
	case !response.OK():
		return "", ""
	case body.ErrorCode != "":
		return ServerError, "it carries an error code that the API does not document"
	case len(response.Body) == 0:
		return InvalidResponse, "its body is empty"
	case body.Success == nil:
		return InvalidResponse, "it has no `success` field"
	case !*body.Success:
		return ServerError, "it has `success: false` and no error code"
	case step == Login && in.Token.IsZero():
		return InvalidResponse, "it has no session token in its x-hm-authorization header"
	case step == Check && !in.Identity.Named():
		return SessionExpired, "it names no user"
	}
	return Valid, ""
}
