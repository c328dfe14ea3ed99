package probe

import (
	"net/http"

	"session_exporter/config"
)

// couchdb is CouchDB's session API, /_session.
type couchdb struct{}

func (couchdb) Spec() Spec {
	return Spec{
		API:   config.API{Auth: []config.Auth{config.AuthLogin, config.AuthToken}, NoOrganizations: true},
		Codes: []string{"bad_request", "forbidden", "unauthorized"},
	}
}

func (couchdb) Call(step Step, account Account) Call {
	switch step {
	case Login:
		body := `{"name":"` + inJSON(account.Username) + `","password":"` + inJSON(account.Password.Reveal()) + `"}`
		return Call{Method: http.MethodPost, Path: "/_session", Body: []byte(body)}
	case Logout:
		return Call{Method: http.MethodDelete, Path: "/_session"}
	default:
		return Call{Method: http.MethodGet, Path: "/_session"}
	}
}

// present sends the session back as the cookie that it came in. An API with a
// header for that names it in its Spec instead.
func (couchdb) present(session config.Secret) proof {
	return tokenProof("Cookie", config.NewSecret("AuthSession="+session.Reveal()))
}

type couchdbBody struct {
	UserCtx struct {
		Name  string   `json:"name"`
		Roles []string `json:"roles"`
	} `json:"userCtx"`
	Error  string `json:"error"`
	Reason string `json:"reason"`
}

func (couchdb) Read(step Step, answer Answer) Reading {
	reading, body := readJSON[couchdbBody](answer)
	reading.Code, reading.Message = body.Error, body.Reason
	reading.ServerTime = dateHeader(answer.Header)
	if step == Login {
		reading.Token = config.NewSecret(cookie(answer.Header, "AuthSession"))
	}
	if body.UserCtx.Name != "" {
		reading.Identity = &Identity{Username: body.UserCtx.Name, Roles: body.UserCtx.Roles}
	}
	if reading.State == "" {
		reading.State, reading.Why = couchdbMeaning(step, answer, reading)
	}
	return reading
}

func couchdbMeaning(step Step, answer Answer, reading Reading) (meaning State, why string) {
	switch {
	case reading.Code == "unauthorized":
		return CredentialsRejected, ""
	case reading.Code == "forbidden":
		return Forbidden, ""
	case reading.Code == "bad_request":
		return BadRequest, ""
	case !answer.ok():
		return "", "" // as the status says
	case step == Login && reading.Token.IsZero():
		return InvalidResponse, "it has no session in its cookie AuthSession"
	case step == Check && !reading.Identity.named():
		return SessionExpired, "it names no user"
	}
	return Valid, ""
}
