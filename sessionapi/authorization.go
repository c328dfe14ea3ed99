package sessionapi

import (
	"encoding/base64"
	"strings"

	"golang.org/x/net/http/httpguts"

	"session_exporter/secret"
)

// Authorization is what authenticates a request: its headers and cookies, and the
// secrets in them, so that a response that quotes them can be masked. A login with the
// password in its body has no header.
type Authorization struct {
	Headers []AuthHeader
	Cookies Jar // those for the request's path are sent
	// Token is the session or token that is presented, zero if a password is.
	Token   secret.Secret
	Secrets []secret.Secret
}

// AuthHeader is a request header that authenticates.
type AuthHeader struct {
	Name  string // canonical
	Value secret.Secret
}

// Basic returns the authorization of an account with HTTP Basic (RFC 7617).
func Basic(username string, password secret.Secret) Authorization {
	encoded := base64.StdEncoding.EncodeToString([]byte(username + ":" + password.Reveal()))
	return Authorization{Headers: []AuthHeader{{"Authorization", secret.New("Basic " + encoded)}}, Secrets: []secret.Secret{password}}
}

// InBody returns the authorization of a request with the password in its body.
func InBody(password secret.Secret) Authorization {
	return Authorization{Secrets: []secret.Secret{password}}
}

// Bearer returns the authorization of a bearer token (RFC 6750).
func Bearer(token secret.Secret) Authorization {
	return Authorization{Headers: []AuthHeader{{"Authorization", secret.New("Bearer " + token.Reveal())}}, Token: token, Secrets: []secret.Secret{token}}
}

// InHeader returns the authorization of a token in a header of its own.
func InHeader(name string, token secret.Secret) Authorization {
	return Authorization{Headers: []AuthHeader{{name, token}}, Token: token, Secrets: []secret.Secret{token}}
}

// HeaderSafe reports whether a secret can be sent in a header as it is.
func HeaderSafe(s secret.Secret) bool { return httpguts.ValidHeaderFieldValue(s.Reveal()) }

// Authorizer is implemented by APIs whose sessions are not presented by the first of
// Spec.SessionHeaders alone.
type Authorizer interface {
	// Authorize returns the authorization of a session.
	Authorize(session secret.Secret) Authorization
}

// CookieAuthorizer is implemented by APIs whose sessions have cookies, which are chosen
// for each request, and replaced if a response replaces them.
type CookieAuthorizer interface {
	Authorizer
	// AuthorizeWith is Authorize with the session's cookies as they are now.
	AuthorizeWith(session secret.Secret, cookies Jar) Authorization
	// SessionCookies returns the cookies that a response sets or deletes, and that are kept
	// with the session.
	SessionCookies(response Response) []Cookie
	// IsSessionCookie reports whether a cookie is a part of the session: others, such as a
	// load balancer's, neither prove nor end it.
	IsSessionCookie(name string) bool
	// ReplaceCookies returns the token of a session whose cookies have changed.
	ReplaceCookies(session secret.Secret, before, after Jar) secret.Secret
}

// separator separates the parts of a session, none of which contains it: see IsSessionPart.
const separator = "\t"

// SplitSession returns the parts of a session's token, each a secret of its own.
func SplitSession(token secret.Secret) []secret.Secret {
	texts := strings.Split(token.Reveal(), separator)
	all := make([]secret.Secret, len(texts))
	for i, text := range texts {
		all[i] = secret.New(text)
	}
	return all
}

// JoinSession returns the token of a session with several parts. It is the inverse of
// SplitSession.
func JoinSession(parts []string) secret.Secret { return secret.New(strings.Join(parts, separator)) }

// IsSessionPart reports whether a text can be a part of a session.
func IsSessionPart(text string) bool { return !strings.Contains(text, separator) }
