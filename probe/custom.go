package probe

import (
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"session_exporter/config"
)

// custom is a session API that the configuration describes. What its answers
// mean is in custom_answer.go.
type custom struct{ *config.Definition }

func (c custom) Spec() Spec {
	spec := Spec{API: c.API, Codes: sortedKeys(c.ErrorCodes), OperationID: c.OperationID}
	for _, part := range c.Session {
		if part.To == config.InHeader && spec.SessionHeader == "" {
			spec.SessionHeader = part.As
		}
	}
	return spec
}

func (c custom) Call(step Step, account Account) Call {
	switch {
	case step == Login && c.Login != nil:
		return c.login(account)
	case step == Logout && c.Logout == nil:
		return Call{}
	case step == Logout:
		return c.later(c.Logout)
	default:
		return c.later(&c.Check)
	}
}

func (c custom) login(account Account) Call {
	value := func(escape func(string) string) config.Lookup {
		return func(variable string) (string, bool) {
			switch variable {
			case "username":
				return escape(account.Username), true
			case "password":
				return escape(account.Password.Reveal()), true
			}
			option, said := account.Options[variable]
			return escape(option), said
		}
	}
	call := Call{Method: c.Login.Method, Basic: c.Login.Send == config.SendBasic, Header: c.Headers}
	call.Path, _ = c.Login.Path.Fill(value(inURL))
	call.Body, call.ContentType = encoded(c.Login, value(asIs))
	return call
}

func asIs(text string) string { return text }

// inURL escapes text for a path and for a query alike. In a query, what PathEscape
// leaves as it is would end the text, and a plus would be a space.
func inURL(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

// later returns a request that comes behind the login. What it has of the
// session is put in when that is known.
func (c custom) later(request *config.Request) Call {
	none := func(string) (string, bool) { return "", false }
	call := Call{Method: request.Method, Header: c.Headers}
	path, complete := request.Path.Fill(none)
	if complete && request.Body == nil {
		call.Path = path
		return call
	}
	call.Fill = func(session config.Secret) Call {
		filled := call
		value := c.fromSession(session)
		filled.Path, _ = request.Path.Fill(value)
		if !complete {
			filled.Shown, _ = request.Path.Fill(func(variable string) (string, bool) { return "/$" + variable, true })
		}
		filled.Body, filled.ContentType = encoded(request, value)
		return filled
	}
	return call
}

// encoded returns the body of a request, and its type.
func encoded(request *config.Request, value config.Lookup) (body []byte, contentType string) {
	switch {
	case request.Body == nil:
		return nil, ""
	case request.Send == config.SendForm:
		return request.Body.Form(value), "application/x-www-form-urlencoded"
	default:
		return request.Body.JSON(value), "application/json"
	}
}

// fromSession gives the variables that requests behind the login have.
func (c custom) fromSession(session config.Secret) config.Lookup {
	values := parts(session)
	return func(variable string) (string, bool) {
		if variable == "token" {
			return values[0].Reveal(), !values[0].IsZero()
		}
		for i, part := range c.Session {
			if part.To == config.InPath && i < len(values) {
				return ownPath(values[i].Reveal()), true
			}
		}
		return "", false
	}
}

// ownPath takes the path out of an address, whatever host it names: a session is
// presented to nobody but the endpoint.
func ownPath(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "/"
	}
	return "/" + strings.TrimLeft(u.EscapedPath(), "/")
}

// present implements presenter.
func (c custom) present(session config.Secret) proof {
	values := parts(session)
	p := proof{secrets: append(values, session), token: session}
	var cookies []string
	for i, part := range c.Session {
		if i >= len(values) {
			break // somebody else's token is the first part alone
		}
		switch part.To {
		case config.InHeader:
			p.also = append(p.also, presented{part.As, config.NewSecret(part.Prefix + values[i].Reveal())})
		case config.InCookie:
			cookies = append(cookies, part.As+"="+values[i].Reveal())
		}
	}
	if len(cookies) > 0 {
		p.also = append(p.also, presented{"Cookie", config.NewSecret(strings.Join(cookies, "; "))})
	}
	return p
}

// token finds the session that a login gave. missing says which part of it is
// not there.
func (c custom) token(answer Answer, body any) (token config.Secret, missing string) {
	values := make([]string, len(c.Session))
	for i, part := range c.Session {
		switch part.From {
		case config.InHeader:
			values[i] = answer.Header.Get(part.Name)
			missing = "its header " + strings.ToLower(part.Name)
		case config.InCookie:
			values[i] = cookie(answer.Header, part.Name)
			missing = "its cookie " + part.Name
		default:
			values[i] = field(body, part.Path)
			missing = "its body"
			if len(part.Path) > 0 {
				missing = "its field `" + part.Name + "`"
			}
		}
		if values[i] == "" || strings.Contains(values[i], separator) {
			return config.Secret{}, missing
		}
	}
	return config.NewSecret(strings.Join(values, separator)), ""
}

// cookie returns the value of a cookie that an answer sets, empty when it sets
// or keeps none.
func cookie(header http.Header, name string) string {
	value := ""
	for _, line := range header[textproto.CanonicalMIMEHeaderKey("Set-Cookie")] {
		set, err := http.ParseSetCookie(line)
		if err != nil || set.Name != name {
			continue
		}
		if value = set.Value; set.MaxAge < 0 {
			value = ""
		}
	}
	return value
}

// field returns the text at a path in a decoded body.
func field(body any, path []string) string {
	for _, name := range path {
		object, _ := body.(map[string]any)
		body = object[name]
	}
	text, _ := body.(string)
	return text
}
