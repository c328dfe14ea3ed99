package probe

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"session_exporter/config"
)

// vcenter is the session API of vCenter Server, as in "CIS Session" of the vSphere
// Automation API reference (developer.broadcom.com): /api/session, and the older
// /rest/com/vmware/cis/session, which wraps the same in a `value`.
type vcenter struct{}

const (
	vcenterPath        = "/api/session" // since 7.0U2
	vcenterOldPath     = "/rest/com/vmware/cis/session"
	vcenterTokenHeader = "Vmware-Api-Session-Id"
)

// vcenterCodes are the error types that the session API documents, and the general
// ones that say what to do. The older API calls the first of them
// com.vmware.vapi.std.errors.unauthenticated, and so on: see vcenterCode.
var vcenterCodes = map[string]State{
	"UNAUTHENTICATED":       SessionExpired,
	"UNAUTHORIZED":          Forbidden,
	"SERVICE_UNAVAILABLE":   ServerError,
	"INTERNAL_SERVER_ERROR": ServerError,
	"INVALID_REQUEST":       BadRequest,
}

func (vcenter) Spec() Spec {
	return Spec{
		API: config.API{
			Auth:         []config.Auth{config.AuthLogin, config.AuthToken},
			LoginByBasic: true,
			LoginOptions: map[string][]string{"path": {vcenterPath, vcenterOldPath}},
			NoRoles:      true, NoOrganizations: true,
		},
		SessionHeader: vcenterTokenHeader,
		Codes:         sortedKeys(vcenterCodes),
	}
}

func (vcenter) Call(step Step, account Account) Call {
	path := cmp.Or(account.Options["path"], vcenterPath)
	switch step {
	case Login:
		return Call{Method: http.MethodPost, Path: path, Basic: true}
	case Logout:
		return Call{Method: http.MethodDelete, Path: path}
	default:
		return Call{Method: http.MethodGet, Path: path}
	}
}

// vcenterBody is every documented answer in one, but for a login's: that is text.
type vcenterBody struct {
	User         string `json:"user"`
	Created      string `json:"created_time"`
	LastAccessed string `json:"last_accessed_time"`
	ErrorType    string `json:"error_type"`
	Messages     []struct {
		Default string `json:"default_message"`
	} `json:"messages"`
}

// vcenterEnvelope is what the older API puts around that.
type vcenterEnvelope struct {
	Type  string          `json:"type"`
	Value json.RawMessage `json:"value"`
}

func (vcenter) Read(step Step, answer Answer) Reading {
	content := answer
	_, wrapped := readJSON[vcenterEnvelope](answer)
	if wrapped.Value != nil {
		content.Body = wrapped.Value
	} // what is no envelope is judged below, as what it ought to be
	var reading Reading
	var body vcenterBody
	if step == Login && bytes.HasPrefix(bytes.TrimSpace(content.Body), []byte(`"`)) {
		var token string
		reading, token = readJSON[string](content)
		reading.Token = config.NewSecret(token)
	} else {
		reading, body = readJSON[vcenterBody](content)
	}
	reading.Code = vcenterCode(cmp.Or(body.ErrorType, wrapped.Type))
	if len(body.Messages) > 0 {
		reading.Message = body.Messages[0].Default
	}
	reading.ServerTime = dateHeader(answer.Header)
	if answer.ok() && body.User != "" {
		reading.Identity = &Identity{Username: body.User, Created: rfc3339(body.Created), LastAccessed: rfc3339(body.LastAccessed)}
	}
	if reading.State == "" {
		reading.State, reading.Why = vcenterMeaning(step, answer, reading)
	}
	return reading
}

func vcenterMeaning(step Step, answer Answer, reading Reading) (meaning State, why string) {
	meaning, documented := vcenterCodes[reading.Code]
	switch {
	case documented:
		return meaning, ""
	case step == Login && answer.Status == http.StatusNotFound:
		return "", "vCenter Server has its sessions at " + vcenterOldPath + " before 7.0U2 (see `login.path`)"
	case !answer.ok():
		return "", ""
	case reading.Code != "":
		return ServerError, "it carries an error type that the session API does not document"
	case step == Login && reading.Token.IsZero():
		return InvalidResponse, "its body is no session ID"
	case step == Check && len(answer.Body) == 0:
		return SessionExpired, "its body is empty, so it names no user"
	case step == Check && !reading.Identity.named():
		return SessionExpired, "it names no user"
	}
	return Valid, ""
}

// vcenterCode returns an error type as the newer API writes it.
func vcenterCode(code string) string {
	if name, old := strings.CutPrefix(code, "com.vmware.vapi.std.errors."); old {
		return strings.ToUpper(name)
	}
	return code
}

// rfc3339 returns the zero time for what is no date, or none that a clock shows.
func rfc3339(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return unixMilli(float64(t.UnixMilli()))
}
