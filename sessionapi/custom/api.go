// Package custom implements session APIs that a configuration describes: their requests
// in YAML, and the meaning of their responses in expressions (Common Expression Language,
// cel.dev). It sends nothing, and limits the cost of every expression.
package custom

import "session_exporter/sessionapi"

// API is a session API that a configuration describes. It is complete and checked, its
// expressions are compiled, and it is immutable. It implements sessionapi.API,
// sessionapi.Sequencer and sessionapi.CookieAuthorizer.
type API struct {
	spec sessionapi.Spec
	yaml string

	headers map[string]string // of every request
	// login is nil if the sessions are obtained elsewhere, logout if they cannot be ended.
	login, check, logout []step
	// loginSteps and checkSteps are set if the definition has `steps`, even a single one.
	loginSteps, checkSteps bool
	session                []sessionPart // in the order of the file
	keepsCookies           bool          // all cookies are kept with a session, see keepCookies

	body *bodyType // of the responses; nil if it is not described
	// errorCodes are the documented error codes with the state that each means, empty
	// for a code that means none by itself.
	errorCodes map[string]sessionapi.State
	answer     answer
	rules      []rule
}

// Spec implements sessionapi.API.
func (a *API) Spec() sessionapi.Spec { return a.spec }

// YAML returns the definition as it was understood.
func (a *API) YAML() string { return a.yaml }

// Equal reports whether a and other have the same definition. It compares the text,
// because compiled expressions cannot be compared.
func (a *API) Equal(other *API) bool { return a.yaml == other.yaml }

// request describes one of an API's requests.
type request struct {
	method string
	path   template // may have a query
	send   send
	body   *value // nil for none

	secretBody bool // of the response
}

// cookiePolicy determines which cookies are kept with a session in addition to those that
// are parts of it.
type cookiePolicy string

// keepCookies keeps all cookies with the session, such as a load balancer's.
const keepCookies cookiePolicy = "keep"

// step is one of the requests of a login, a check or a logout.
type step struct {
	request
	headers map[string]template // by canonical name
	success []int               // the statuses that mean success; nil for 200 to 299
	keep    []keptValue         // of the response, for later requests; by name
}

// keptValue is a variable of the requests that follow.
type keptValue struct {
	name  string
	value *expression
}

// send is how a request carries its fields.
type send string

// The ways to send. sendBasic is a login with the password in a header.
const (
	sendBasic send = "basic"
	sendJSON  send = "json"
	sendForm  send = "form"
)

// sessionPart is one of the values that make up a session: its sources in the response of
// a login, and its place in the requests that follow.
type sessionPart struct {
	sources  []source // the first that has a value counts
	optional bool     // sessions may lack it
	to       place
	as       string // name of the request header or the cookie
	prefix   string // of the value in a request header
}

// source is a place in the response of a login.
type source struct {
	from place
	name string   // of the header or cookie, or the path of the field as it is written
	path []string // of the field, if it is in the body; none for the whole body
}

// place is where a request or a response has a part of a session.
type place string

// The places. In a path, `$session` stands for the part.
const (
	inHeader place = "header"
	inCookie place = "cookie"
	inBody   place = "body"
	inPath   place = "path"
)

// answer holds the expressions of the block `answer`, each nil if the definition lacks it.
type answer struct {
	authenticated                               *expression
	username, organization, enterprise, version *expression
	roles, organizations                        *expression
	errorCode, message, operationID             *expression
	expiry, expiryOf, serverTime                *expression
}

// rule assigns a state to the responses for which when is true.
type rule struct {
	when  *expression
	state sessionapi.State
	why   string // the property of the response that implies the state; may be empty
}
