package sessionapi

import (
	"bytes"
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"session_exporter/secret"
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

// vcenterCodes are the error types that the session API documents, and the general ones
// with a clear meaning. The older API calls the first of them
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
		Auth:         []Auth{AuthLogin, AuthToken},
		LoginByBasic: true,
		LoginOptions: map[string][]string{"path": {vcenterPath, vcenterOldPath}},
		NoRoles:      true, NoOrganizations: true,
		SessionHeaders: []string{vcenterTokenHeader},
		Codes:          slices.Sorted(maps.Keys(vcenterCodes)),
	}
}

func (vcenter) Request(step Step, account Account) Request {
	return Request{Method: resourceMethod(step), Path: cmp.Or(account.Options["path"], vcenterPath), Basic: step == Login}
}

// vcenterBody is every documented response in one, except the login's, which is text.
type vcenterBody struct {
	User         string `json:"user"`
	Created      string `json:"created_time"`
	LastAccessed string `json:"last_accessed_time"`
	ErrorType    string `json:"error_type"`
	Messages     []struct {
		Default string `json:"default_message"`
	} `json:"messages"`
}

// vcenterEnvelope wraps the responses of the older API.
type vcenterEnvelope struct {
	Type  string         `json:"type"`
	Value jsontext.Value `json:"value"`
}

func (vcenter) Interpret(step Step, response Response) Interpretation {
	content := response
	_, wrapped := DecodeJSON[vcenterEnvelope](response)
	if wrapped.Value != nil {
		content.Body = wrapped.Value
	} // a body without an envelope is interpreted below, as that of the newer API
	var in Interpretation
	var body vcenterBody
	if step == Login && bytes.HasPrefix(bytes.TrimSpace(content.Body), []byte(`"`)) {
		var token string
		in, token = DecodeJSON[string](content)
		in.Token = secret.New(BodyToken(response, token))
	} else {
		in, body = DecodeJSON[vcenterBody](content)
	}
	in.Code = vcenterCode(cmp.Or(body.ErrorType, wrapped.Type))
	if len(body.Messages) > 0 {
		in.Message = body.Messages[0].Default
	}
	in.ServerTime = DateHeader(response.Header)
	if response.OK() && body.User != "" {
		in.Identity = &Identity{Username: body.User, Created: ParseDate(body.Created), LastAccessed: ParseDate(body.LastAccessed)}
	}
	if in.State == "" {
		in.State, in.Why = vcenterMeaning(step, response, in)
	}
	return in
}

func vcenterMeaning(step Step, response Response, in Interpretation) (meaning State, why string) {
	meaning, documented := vcenterCodes[in.Code]
	switch {
	case documented:
		return meaning, ""
	case step == Login && response.Status == http.StatusNotFound:
		return "", "vCenter Server before 7.0U2 has its sessions at " + vcenterOldPath + " (see `login.path`)"
	case !response.OK():
		return "", ""
	case in.Code != "":
		return ServerError, "it carries an error type that the session API does not document"
	case step == Login && in.Token.IsZero():
		return InvalidResponse, "its body is not a session ID"
	case step == Check && len(response.Body) == 0:
		return SessionExpired, "its body is empty, so it names no user"
	case step == Check && !in.Identity.Named():
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
