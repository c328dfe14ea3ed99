// Package sessionapi describes session APIs: how their requests look and what their
// responses mean. It sends nothing, holds nothing, and decides nothing by itself; the
// probe package does.
//
// To add an API, copy dr.go, register it in apis, and document it.
package sessionapi

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"session_exporter/secret"
)

// API is a session API.
type API interface {
	// Spec returns the API's fixed properties.
	Spec() Spec
	// Request returns the request of a step. The prober adds the authorization, except
	// that of a login that carries the account in its body.
	Request(step Step, account Account) Request
	// Interpret returns what a response's body and headers say. The response may have
	// any status and any bytes.
	Interpret(step Step, response Response) Interpretation
}

// apis are the built-in APIs.
var apis = map[string]API{
	"hcx":           hcx{},
	"hcx-hybridity": hcxHybridity{},
	"dr":            dr{},
	"vcenter":       vcenter{},
}

// BuiltIn returns the built-in APIs by name.
func BuiltIn() map[string]API { return maps.Clone(apis) }

// Sequencer is implemented by APIs whose logins or checks may take several requests.
type Sequencer interface {
	// Sequence begins a login or a check at an endpoint's URL. It returns nil for a step that
	// the API describes as a single request.
	Sequence(step Step, base *url.URL) Sequence
}

// Sequence is a login or a check of several requests in progress. Request and Interpret are
// those of the current one. It is not safe for concurrent use.
type Sequence interface {
	API
	CookieAuthorizer
	// Number returns the number of the current request, counted from 1, and how many requests
	// the sequence has.
	Number() (at, of int)
	// Advance moves on to the next request after a valid response. It reports false if there
	// is no further one.
	Advance() bool
	// CarriesSecret reports whether the current request of a login has the password.
	CarriesSecret() bool
	// Extend adds what responses have given so far to the authorization of the current
	// request.
	Extend(a Authorization) Authorization
	// Secrets returns the values that were kept for later requests.
	Secrets() []secret.Secret
	// Session returns the session established so far, zero without one. partial is set if a
	// part of the session is missing or cannot be sent, so that the session can be neither
	// presented nor ended.
	Session() (token secret.Secret, partial bool, cookies []Cookie)
}

// Spec describes the fixed properties of an API.
type Spec struct {
	// Auth are the ways to authenticate that the API supports.
	Auth []Auth
	// LoginByBasic is set if a login sends the password as HTTP Basic.
	LoginByBasic bool
	// LoginOptions are the keys that `login:` may have, each with the values that the
	// API documents.
	LoginOptions map[string][]string
	// SessionHeaders are the request headers, canonical, that present a session. The
	// first one carries a token that was obtained elsewhere.
	SessionHeaders []string
	// NoUsername, NoRoles and NoOrganizations are set if the API never reports them, so
	// that expecting some is a mistake in the configuration.
	NoUsername, NoRoles, NoOrganizations bool
	// SessionMaxAge is the default of `session_max_age` with this API, 0 for the default of
	// other APIs. Without a logout, each replaced session stays on the appliance.
	SessionMaxAge time.Duration
	// CheckSteps is set if a check is a Sequence, even of a single request.
	CheckSteps bool
	// Pairings is set if a session can be logged in at the other site of a pairing.
	Pairings bool
	// URL describes an endpoint's address.
	URL URLHints
	// Codes are the error codes that the API documents, nil if it documents none.
	Codes []string
	// OperationID is the API's name for the ID of a request.
	OperationID string
}

// URLHints help recognize a mistake in an endpoint's address.
type URLHints struct {
	NoPath   bool   // set if the API is at the root
	BasePath string // an example of the path below which the API is
	Ending   string // the end of the requests' paths, which does not belong in the base path
	Port     string // the usual port, if it is not the scheme's
}

// Auth is a way to authenticate against a session API.
type Auth string

// The ways to authenticate.
const (
	AuthLogin  Auth = "login"  // log in with a password, hold the session
	AuthBasic  Auth = "basic"  // HTTP Basic (RFC 7617) with every request
	AuthToken  Auth = "token"  // a session token that was obtained elsewhere
	AuthBearer Auth = "bearer" // a bearer token (RFC 6750), given or from OAuth 2.0
)

// Auths returns all ways to authenticate.
func Auths() []Auth { return []Auth{AuthLogin, AuthBasic, AuthToken, AuthBearer} }

// Step is a part of a probe: one request, or all requests of a Sequence.
type Step string

// The steps.
const (
	Check  Step = "check"  // reads the session
	Login  Step = "login"  // establishes a session
	Logout Step = "logout" // ends it
	Token  Step = "token"  // obtains a bearer token from an OAuth 2.0 server
)

// Account is the account that logs in.
type Account struct {
	Username string
	Password secret.Secret
	Options  map[string]string // the API's own login options; every step has them
}

// Request is a request below an endpoint's URL. A Logout without a Method means that
// the API has no logout.
type Request struct {
	Method string
	Path   string // escaped; may have a query
	Shown  string // shown instead of a Path that contains a secret, else empty
	Body   []byte // nil for none
	Basic  bool   // carries the account as HTTP Basic
	// ContentType is the body's; JSON if it is empty.
	ContentType string
	// Header has the request's headers other than its authorization.
	Header map[string]string
	// SecretBody is set if the response has secrets that are not the session's, such as the
	// passwords of other accounts. Its body is never shown.
	SecretBody bool
	// Fill completes a request that has the session in its path or body.
	Fill func(session secret.Secret) Request
}

// resourceMethod returns the method of a step of an API whose session is a resource: a login
// creates it, a logout deletes it.
func resourceMethod(step Step) string {
	switch step {
	case Login:
		return http.MethodPost
	case Logout:
		return http.MethodDelete
	default:
		return http.MethodGet
	}
}

// Below returns the URL of a request to an API at base.
func (r Request) Below(base *url.URL) *url.URL {
	target := *base
	path, query, _ := strings.Cut(r.Path, "?")
	plain, err := url.PathUnescape(path)
	if err != nil {
		plain = path
	}
	if target.RawPath != "" || plain != path {
		target.RawPath = base.EscapedPath() + path
	}
	target.Path += plain
	target.RawQuery = query
	return &target
}

// Response is a response to a request.
type Response struct {
	Status int
	Header http.Header
	Body   []byte   // bounded; overwritten soon, so an Interpretation has copies
	URL    *url.URL // of the request; nil if it does not matter
}

// OK reports whether the status is a success, which alone proves nothing.
func (r Response) OK() bool { return r.Status >= 200 && r.Status < 300 }

// Interpretation is what a response says, independent of its API. Its texts are as the
// appliance sent them until Clean.
type Interpretation struct {
	// State is what the API's own words and rules make of the response; empty if they leave
	// that to the status.
	State State
	// Why is the reason for State, as a clause about the response: "it names no user".
	Why string
	// ByRule is set if State comes from a rule of a definition, which takes precedence
	// over the response's code and message.
	ByRule bool
	// Page is set if the body is an HTML page, which something in front of the API may
	// have sent.
	Page bool
	// Lost is set if a login established a session that can be neither presented nor ended,
	// because a part of it is missing or cannot be sent.
	Lost bool

	Code        string // the API's own error code
	Message     string // the API's own message for people
	OperationID string // finds the request in the appliance's logs

	// Identity is the user of the session, nil if the response names none.
	Identity *Identity
	// Token is the session that a login established, or the token that an authorization server
	// issued, whatever the response's status.
	Token secret.Secret
	// Cookies are those that the response sets or deletes, and that are kept with the session.
	Cookies []Cookie
	// Succeeded is set if a definition counts the status as a success, such as a redirect
	// after a form was sent.
	Succeeded bool
	// ServerTime is the appliance's clock when it responded, zero if it is unknown or
	// absurd.
	ServerTime time.Time
	// Expiry is when the session or the credential expires, zero if it is unknown.
	Expiry time.Time
	// ExpiryOf names what expires then, if the API reports the expiry of several accounts or
	// tokens. Expiry is the earliest.
	ExpiryOf string
}

// Unnamed is the username of a session if no response of the API contains it.
const Unnamed = "(not reported)"

// Identity is the user of a session as the appliance reports it.
type Identity struct {
	Username      string
	Organization  string // the current one
	Enterprise    string
	Version       string   // of the API
	Roles         []string // nil if the API does not report them
	Organizations []string // nil if the API does not report them
	// Created and LastAccessed are when the session was established and last used, by
	// the appliance's clock, zero if the API does not report them.
	Created, LastAccessed time.Time
}
