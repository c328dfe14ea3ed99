package custom

import (
	"net/url"
	"strings"

	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// The variables of requests.
const (
	varUsername = "username"
	varPassword = "password"
	varToken    = "token"
	varSession  = "session"
)

// Request implements sessionapi.API.
func (a *API) Request(step sessionapi.Step, account sessionapi.Account) sessionapi.Request {
	switch {
	case step == sessionapi.Login && a.login != nil:
		return a.loginRequest(account)
	case step == sessionapi.Logout && a.logout == nil:
		return sessionapi.Request{}
	case step == sessionapi.Logout:
		return a.sessionRequest(a.logout)
	default:
		return a.sessionRequest(&a.check)
	}
}

func (a *API) loginRequest(account sessionapi.Account) sessionapi.Request {
	values := func(escape func(string) string) lookup {
		return func(variable string) (string, bool) {
			switch variable {
			case varUsername:
				return escape(account.Username), true
			case varPassword:
				return escape(account.Password.Reveal()), true
			}
			option, isSet := account.Options[variable]
			return escape(option), isSet
		}
	}
	r := sessionapi.Request{Method: a.login.method, Basic: a.login.send == sendBasic, Header: a.headers}
	r.Path, _ = a.login.path.fill(values(inURL))
	r.Body, r.ContentType = a.login.encode(values(asIs))
	return r
}

func asIs(text string) string { return text }

// inURL escapes text for a path and for a query alike. In a query, characters that
// PathEscape leaves alone would end the text, and a plus would be a space.
func inURL(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

// sessionRequest returns a request of a session. Its parts with the session are filled in
// when the session is known.
func (a *API) sessionRequest(described *request) sessionapi.Request {
	none := func(string) (string, bool) { return "", false }
	r := sessionapi.Request{Method: described.method, Header: a.headers, SecretBody: described.secretBody}
	path, complete := described.path.fill(none)
	if complete && described.body == nil {
		r.Path = path
		return r
	}
	r.Fill = func(session secret.Secret) sessionapi.Request {
		filled := r
		values := a.sessionValues(session)
		filled.Path, _ = described.path.fill(values)
		if !complete {
			filled.Shown, _ = described.path.fill(func(variable string) (string, bool) { return "/$" + variable, true })
		}
		filled.Body, filled.ContentType = described.encode(values)
		return filled
	}
	return r
}

// encode returns the body of a request, and its type.
func (r *request) encode(values lookup) (body []byte, contentType string) {
	switch {
	case r.body == nil:
		return nil, ""
	case r.send == sendForm:
		return r.body.form(values), "application/x-www-form-urlencoded"
	default:
		return r.body.json(values), "application/json"
	}
}

// sessionValues returns the variables of a session's requests.
func (a *API) sessionValues(session secret.Secret) lookup {
	values := sessionapi.SplitSession(session)
	return func(variable string) (string, bool) {
		if variable == varToken {
			return values[0].Reveal(), !values[0].IsZero()
		}
		for i, part := range a.session {
			if part.to == inPath && i < len(values) {
				return pathOf(values[i].Reveal()), true
			}
		}
		return "", false
	}
}
