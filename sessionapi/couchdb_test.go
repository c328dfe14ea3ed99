package sessionapi

import (
	"encoding/json"
	"net/http"

	"session_exporter/secret"
)

// couchdb is CouchDB's session API, /_session.
type couchdb struct{}

func (couchdb) Spec() Spec {
	return Spec{
		Auth:            []Auth{AuthLogin, AuthToken},
		NoOrganizations: true,
		Codes:           []string{"bad_request", "forbidden", "unauthorized"},
	}
}

func (couchdb) Request(step Step, account Account) Request {
	switch step {
	case Login:
		body, _ := json.Marshal(map[string]string{"name": account.Username, "password": account.Password.Reveal()}) // strings always marshal
		return Request{Method: http.MethodPost, Path: "/_session", Body: body}
	case Logout:
		return Request{Method: http.MethodDelete, Path: "/_session"}
	default:
		return Request{Method: http.MethodGet, Path: "/_session"}
	}
}

// Authorize presents the session as the cookie that it came in. An API with a header for
// it names the header in its Spec instead.
func (couchdb) Authorize(session secret.Secret) Authorization {
	return InHeader("Cookie", secret.New("AuthSession="+session.Reveal()))
}

type couchdbBody struct {
	UserCtx struct {
		Name  string   `json:"name"`
		Roles []string `json:"roles"`
	} `json:"userCtx"`
	Error  string `json:"error"`
	Reason string `json:"reason"`
}

func (couchdb) Interpret(step Step, response Response) Interpretation {
	in, body := DecodeJSON[couchdbBody](response)
	in.Code, in.Message = body.Error, body.Reason
	in.ServerTime = DateHeader(response.Header)
	if step == Login {
		in.Token = secret.New(CookieValue(response.Header, "AuthSession"))
	}
	if body.UserCtx.Name != "" {
		in.Identity = &Identity{Username: body.UserCtx.Name, Roles: body.UserCtx.Roles}
	}
	if in.State == "" {
		in.State, in.Why = couchdbMeaning(step, response, in)
	}
	return in
}

func couchdbMeaning(step Step, response Response, in Interpretation) (meaning State, why string) {
	switch {
	case in.Code == "unauthorized", step == Login && in.Code == "forbidden": // the latter for a locked account
		return CredentialsRejected, ""
	case in.Code == "forbidden":
		return Forbidden, ""
	case in.Code == "bad_request":
		return BadRequest, ""
	case !response.OK():
		return "", "" // the status decides
	case step == Login && in.Token.IsZero():
		return InvalidResponse, "it has no session in its cookie AuthSession"
	case step == Check && !in.Identity.Named():
		return SessionExpired, "it names no user"
	}
	return Valid, ""
}
