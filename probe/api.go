package probe

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"session_exporter/config"
)

// An API is one kind of session API. It knows how its requests look and what
// its answers say; it sends nothing, holds nothing, and decides no state by
// itself: see classify. To add one, copy hcx.go or dr.go and register it here.
type API interface {
	// Spec returns what never changes about the API.
	Spec() Spec
	// Call returns the request of one step. The prober adds what
	// authenticates it, except for a login, whose Call does.
	Call(step Step, account Account) Call
	// Read tells what an answer's body and headers say. It gets answers of any
	// status, and must expect any bytes in them.
	Read(step Step, answer Answer) Reading
}

// apis is the registry.
var apis = map[string]API{
	"hcx":     hcx{},
	"dr":      dr{},
	"vcenter": vcenter{},
}

// APIs returns what the configuration has to know of each API, by name.
func APIs() map[string]config.API {
	known := make(map[string]config.API, len(apis))
	for name, api := range apis {
		spec := api.Spec()
		spec.SessionHeaders = []string{spec.SessionHeader}
		known[name] = spec.API
	}
	return known
}

// SpecFor returns what never changes about an endpoint's API, built in or not,
// the zero Spec when there is none of its name.
func SpecFor(endpoint *config.Endpoint) Spec {
	if api, ok := apiOf(endpoint); ok {
		return api.Spec()
	}
	return Spec{}
}

// apiOf returns an endpoint's API: the one that the configuration describes, or
// the built-in one of its name.
func apiOf(endpoint *config.Endpoint) (API, bool) {
	if endpoint.Custom != nil {
		return custom{endpoint.Custom}, true
	}
	if endpoint.Pairing != nil {
		return drRemote{id: endpoint.Pairing.ID}, true
	}
	api, ok := apis[endpoint.API]
	return api, ok
}

// Spec is what never changes about an API.
type Spec struct {
	config.API
	// SessionHeader is the request header that carries a session's token.
	SessionHeader string
	// Codes are the error codes of the API's closed list, if it has one.
	Codes []string
	// OperationID is what the API calls the id of a request.
	OperationID string
}

// Step is one of the requests that a probe is made of.
type Step string

// The steps.
const (
	Check  Step = "check"  // who am I?
	Login  Step = "login"  // establishes a session
	Logout Step = "logout" // ends it
	Token  Step = "token"  // gets a bearer token from an OAuth 2.0 server
)

// Account is who logs in.
type Account struct {
	Username string
	Password config.Secret
	Options  map[string]string // the API's own login options; every step has them
}

// Call is a request below an endpoint's URL. A Logout without a Method says that
// the API has none.
type Call struct {
	Method string
	Path   string // escaped; with a query, perhaps
	Shown  string // what people see instead of a path with a session in it
	Body   []byte // nil for none
	Basic  bool   // carries the account as HTTP Basic
	// ContentType is the body's; JSON where it is empty.
	ContentType string
	// Header has what the request carries beside what authenticates it.
	Header map[string]string
	// Fill completes a call that has the session in its path or body.
	Fill func(session config.Secret) Call
}

// below returns the URL of a call to an API at base.
func (c Call) below(base *url.URL) *url.URL {
	target := *base
	path, query, _ := strings.Cut(c.Path, "?")
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

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // at most maxBody bytes; overwritten soon, so a Reading has copies
}

// ok reports whether the status by itself says success, which alone proves
// nothing.
func (a Answer) ok() bool { return a.Status >= 200 && a.Status < 300 }

// Reading is what an answer says, in the words of no particular API. Its texts
// are as the appliance sent them until the prober has cleaned them.
type Reading struct {
	// State is what the body by itself means; empty when it leaves that to the
	// status.
	State State
	// Why says in words what about the body means that.
	Why string

	Code        string // the API's own error code
	Message     string // its own words for people
	OperationID string // finds the request in the appliance's logs

	// Identity is who the session belongs to, nil when the answer names nobody.
	Identity *Identity
	// Token is the session that a login gave.
	Token config.Secret
	// ServerTime is the appliance's clock when it answered, zero when the
	// answer does not say or cannot be meant.
	ServerTime time.Time
	// Expiry is when the session or the credential ends, zero when the answer does
	// not say.
	Expiry time.Time
}

// Identity is who the appliance says we are.
type Identity struct {
	Username      string
	Organization  string // the current one
	Enterprise    string
	Version       string   // of the API
	Roles         []string // nil when the API does not say
	Organizations []string // nil when the API does not say
	// Created and LastAccessed are when the session began and was last used, by
	// the appliance's clock, zero when the API does not say.
	Created, LastAccessed time.Time
}
