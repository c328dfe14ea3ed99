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

// Request implements sessionapi.API. If the path or the body may contain the session, the
// request has a Fill.
func (a *API) Request(step sessionapi.Step, account sessionapi.Account) sessionapi.Request {
	single := a.begin(step)
	if single.steps == nil {
		return sessionapi.Request{}
	}
	r := single.Request(step, account)
	if first := &single.steps[0]; step != sessionapi.Login && first.body == nil && !first.path.uses(varSession) {
		return r.Fill(secret.Secret{})
	}
	return r
}

// inURL escapes text for a path and for a query alike. In a query, characters that
// PathEscape leaves alone would end the text, and a plus would be a space.
func inURL(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

// Request implements sessionapi.API: it returns the current request.
func (s *sequence) Request(_ sessionapi.Step, account sessionapi.Account) sessionapi.Request {
	current := &s.steps[s.at]
	plain := func(variable string) (string, bool) {
		if value, ok := s.kept[variable]; ok {
			return value, true
		}
		if s.step != sessionapi.Login {
			return "", false
		}
		switch variable {
		case varUsername:
			return account.Username, true
		case varPassword:
			return account.Password.Reveal(), true
		}
		option, isSet := account.Options[variable]
		return option, isSet
	}
	fill := func(session secret.Secret) sessionapi.Request {
		r := sessionapi.Request{Method: current.method, Basic: current.send == sendBasic, Header: s.header(current), SecretBody: current.secretBody}
		values := plain
		if s.step != sessionapi.Login {
			ofSession := s.sessionValues(session)
			values = func(variable string) (string, bool) {
				if value, known := ofSession(variable); known {
					return value, true
				}
				return plain(variable)
			}
		}
		r.Path, _ = current.path.fill(inPathOf(current, values))
		if slices.ContainsFunc(current.path, isSecretSegment) {
			r.Shown, _ = current.path.fill(func(variable string) (string, bool) {
				switch variable {
				case varUsername:
					return inPathOf(current, plain)(variable)
				case current.path[0].variable:
					return "/$" + variable, true
				default:
					return "$" + variable, true
				}
			})
		}
		r.Body, r.ContentType = current.encode(values)
		return r
	}
	if s.step == sessionapi.Login {
		return fill(secret.Secret{})
	}
	return sessionapi.Request{Method: current.method, Fill: fill}
}

// isSecretSegment reports whether a part of a path must not be shown.
func isSecretSegment(s segment) bool { return s.variable != "" && s.variable != varUsername }

// inPathOf returns the variables as the path of a request contains them. A variable at the
// beginning of the path is a link, whose host is ignored: requests go to the endpoint alone.
func inPathOf(current *step, values lookup) lookup {
	return func(variable string) (string, bool) {
		text, known := values(variable)
		if variable == current.path[0].variable {
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
func (s *sequence) header(current *step) map[string]string {
	if len(current.headers) == 0 {
		return s.headers
	}
	all := make(map[string]string, len(s.headers)+len(current.headers))
	for name, value := range s.headers {
		all[http.CanonicalHeaderKey(name)] = value
	}
	for name, t := range current.headers {
		all[name], _ = t.fill(func(variable string) (string, bool) {
			if variable == varOrigin {
				return s.origin, true
			}
			value, known := s.kept[variable]
			return value, known
		})
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
			if variable == varSession && part.to == inPath && i < len(values) {
				return pathOf(values[i].Reveal()), true
			}
		}
		return "", false
	}
}
