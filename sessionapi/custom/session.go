package custom

import (
	"net/url"
	"path"
	"slices"
	"strings"

	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// pathOf returns the path of an address, whatever its host: a session is presented to the
// endpoint alone. It returns "/" for an address without a path.
func pathOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "/"
	}
	return "/" + strings.TrimLeft(u.EscapedPath(), "/")
}

// Authorize implements sessionapi.Authorizer.
func (a *API) Authorize(session secret.Secret) sessionapi.Authorization {
	return a.AuthorizeWith(session, nil)
}

// AuthorizeWith implements sessionapi.CookieAuthorizer.
func (a *API) AuthorizeWith(session secret.Secret, cookies sessionapi.Jar) sessionapi.Authorization {
	values := sessionapi.SplitSession(session)
	auth := sessionapi.Authorization{Secrets: append(values, session), Token: session}
	var pairs []string
	for i, part := range a.session {
		if i >= len(values) {
			break // a token that was obtained elsewhere is the first part alone
		}
		kept := cookiesOf(cookies, &part)
		switch {
		case part.to == inCookie && kept != nil:
			auth.Cookies = append(auth.Cookies, kept...)
		case values[i].IsZero(): // an optional part
		case part.to == inPath:
			auth.Secrets = append(auth.Secrets, pathSecrets(values[i].Reveal())...)
		case part.to == inHeader:
			auth.Headers = append(auth.Headers, sessionapi.AuthHeader{Name: part.as, Value: secret.New(part.prefix + values[i].Reveal())})
		case part.to == inCookie:
			pairs = append(pairs, part.as+"="+values[i].Reveal())
		}
	}
	if len(pairs) > 0 {
		auth.Headers = append(auth.Headers, sessionapi.AuthHeader{Name: "Cookie", Value: secret.New(strings.Join(pairs, "; "))})
	}
	if a.keepsCookies {
		for _, c := range cookies {
			if !a.sendsCookie(c.Name) { // such as that of a CSRF token, which a header repeats
				auth.Cookies = auth.Cookies.With([]sessionapi.Cookie{c})
			}
		}
	}
	for i := range auth.Cookies {
		auth.Secrets = append(auth.Secrets, auth.Cookies[i].Value)
	}
	return auth
}

// sendsCookie reports whether a cookie is a part of the session that is sent as a cookie.
func (a *API) sendsCookie(name string) bool {
	return slices.ContainsFunc(a.session, func(part sessionPart) bool { return part.to == inCookie && isSource(&part, name) })
}

// pathSecrets returns the parts of a session's address that a response may quote alone: its
// path, and the last segment of the path.
func pathSecrets(address string) []secret.Secret {
	var secrets []secret.Secret
	own := pathOf(address)
	for _, text := range []string{own, path.Base(own)} {
		if len(text) >= minPathSecret && !secret.Ordinary(text) {
			secrets = append(secrets, secret.New(text))
		}
	}
	return secrets
}

// minPathSecret is the minimum length for a path, or a part of one, to be a secret. A
// shorter one, such as a number, can be guessed anyway.
const minPathSecret = 8

// cookiesOf returns the cookies that are a part of a session, by the name under which
// they are sent.
func cookiesOf(cookies sessionapi.Jar, part *sessionPart) (own sessionapi.Jar) {
	for _, c := range cookies {
		if isSource(part, c.Name) {
			c.Name = part.as
			own = append(own, c)
		}
	}
	return own
}

func isSource(part *sessionPart, cookie string) bool {
	return slices.ContainsFunc(part.sources, func(s source) bool {
		return s.from == inCookie && s.name == cookie
	})
}

// maxCookies and maxCookieValue limit the cookies that are kept whatever their names (RFC
// 6265, 6.1).
const (
	maxCookies     = 50
	maxCookieValue = 4 << 10 // bytes
)

// SessionCookies implements sessionapi.CookieAuthorizer.
func (a *API) SessionCookies(response sessionapi.Response) []sessionapi.Cookie {
	others := 0
	return slices.DeleteFunc(sessionapi.SetCookies(response), func(set sessionapi.Cookie) bool {
		if a.IsSessionCookie(set.Name) {
			return false
		}
		others++
		return !a.keepsCookies || others > maxCookies || len(set.Value.Reveal()) > maxCookieValue
	})
}

// IsSessionCookie implements sessionapi.CookieAuthorizer.
func (a *API) IsSessionCookie(name string) bool {
	return slices.ContainsFunc(a.session, func(part sessionPart) bool { return isSource(&part, name) })
}

// ReplaceCookies implements sessionapi.CookieAuthorizer. A cookie may also be presented in a
// header.
func (a *API) ReplaceCookies(session secret.Secret, before, after sessionapi.Jar) secret.Secret {
	values := make([]string, 0, len(a.session))
	for _, value := range sessionapi.SplitSession(session) {
		values = append(values, value.Reveal())
	}
	for i, part := range a.session {
		for _, source := range part.sources {
			if source.from == inCookie && i < len(values) && values[i] == before.Value(source.name) {
				values[i] = after.Value(source.name)
				break
			}
		}
	}
	return sessionapi.JoinSession(values)
}

// token returns the session in the response of a login. missing describes the first part
// that the response lacks; partial is set if it has others.
func (a *API) token(response sessionapi.Response, body any) (token secret.Secret, missing string, partial bool) {
	cookies := sessionapi.Jar(nil).With(a.SessionCookies(response))
	values := make([]string, len(a.session))
	for i := range a.session {
		part := &a.session[i]
		values[i] = valueOf(part, response, body, cookies)
		if values[i] == "" && !part.optional && missing == "" {
			missing = "its " + describeSources(part)
		}
		// An address may lead anywhere; alone, it is not a session.
		partial = partial || values[i] != "" && part.to != inPath
	}
	if missing != "" {
		return secret.Secret{}, missing, partial
	}
	return sessionapi.JoinSession(values), "", false
}

// valueOf returns a part of the session from the first place that has it, or an empty
// string.
func valueOf(part *sessionPart, response sessionapi.Response, body any, cookies sessionapi.Jar) (value string) {
	for _, source := range part.sources {
		switch {
		case source.from == inHeader:
			value = response.Header.Get(source.name)
		case source.from == inCookie:
			value = cookies.Value(source.name)
		case len(source.path) == 0:
			value = sessionapi.BodyToken(response, field(body, nil))
		default:
			value = field(body, source.path)
		}
		if usable := sessionapi.IsSessionPart(value) && (part.to != inPath || pathOf(value) != "/"); usable && value != "" {
			return value
		}
	}
	return ""
}

// describeSources lists the places that may have a part.
func describeSources(part *sessionPart) string {
	var places []string
	for _, source := range part.sources {
		switch {
		case source.from == inHeader:
			places = append(places, "header "+strings.ToLower(source.name))
		case source.from == inCookie:
			places = append(places, "cookie "+source.name)
		case len(source.path) == 0:
			places = append(places, "body")
		default:
			places = append(places, "field `"+source.name+"`")
		}
	}
	return strings.Join(places, " or its ")
}

// field returns the text at a path in a decoded body, empty if it is not text.
func field(body any, names []string) string {
	for _, name := range names {
		object, _ := body.(map[string]any)
		body = object[name]
	}
	text, _ := body.(string)
	return text
}
