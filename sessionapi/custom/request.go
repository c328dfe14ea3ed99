package custom

import (
	"net/http"
	"net/url"
	"slices"
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

// Request implements sessionapi.API: it returns the current request.
func (s *sequence) Request(_ sessionapi.Step, account sessionapi.Account) sessionapi.Request {
	now := &s.steps[s.at]
	plain := func(variable string) (string, bool) {
		switch {
		case variable == varOrigin:
			return s.origin, true
		case s.step == sessionapi.Login && variable == varUsername:
			return account.Username, true
		case s.step == sessionapi.Login && variable == varPassword:
			return account.Password.Reveal(), true
		}
		if value, ok := s.kept[variable]; ok {
			return value, true
		}
		option, isSet := account.Options[variable]
		return option, isSet
	}
	fill := func(session secret.Secret) sessionapi.Request {
		r := sessionapi.Request{Method: now.method, Basic: now.send == sendBasic, Header: s.header(now, plain), SecretBody: now.secretBody}
		values, ofSession := plain, s.sessionValues(session)
		if s.step != sessionapi.Login {
			values = func(variable string) (string, bool) {
				if value, known := ofSession(variable); known {
					return value, true
				}
				return plain(variable)
			}
		}
		r.Path, _ = now.path.fill(inPathOf(now, values))
		if slices.ContainsFunc(now.path, isSecretSegment) {
			r.Shown, _ = now.path.fill(func(variable string) (string, bool) {
				switch variable {
				case varUsername:
					return inPathOf(now, plain)(variable)
				case now.path[0].variable:
					return "/$" + variable, true
				default:
					return "$" + variable, true
				}
			})
		}
		r.Body, r.ContentType = now.encode(values)
		return r
	}
	if s.step == sessionapi.Login {
		return fill(secret.Secret{})
	}
	return sessionapi.Request{Method: now.method, Fill: fill}
}

// isSecretSegment reports whether a part of a path must not be shown.
func isSecretSegment(s segment) bool { return s.variable != "" && s.variable != varUsername }

// inPathOf returns the variables as the path of a request has them. One at its beginning is
// a link, whose host does not count: requests go to the endpoint alone.
func inPathOf(now *step, values lookup) lookup {
	return func(variable string) (string, bool) {
		text, known := values(variable)
		if variable == now.path[0].variable {
			return linkOf(text), known
		}
		return inURL(text), known
	}
}

// linkOf returns the path and the query of an address.
func linkOf(address string) string {
	path := pathOf(address)
	if u, err := url.Parse(address); err == nil && u.RawQuery != "" {
		path += "?" + strings.ReplaceAll(u.RawQuery, " ", "%20")
	}
	return path
}

// header returns the headers of a request.
func (s *sequence) header(now *step, values lookup) map[string]string {
	if len(now.headers) == 0 {
		return s.headers
	}
	all := make(map[string]string, len(s.headers)+len(now.headers))
	for name, value := range s.headers {
		all[http.CanonicalHeaderKey(name)] = value
	}
	for name, t := range now.headers {
		all[name], _ = t.fill(values)
	}
	return all
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
