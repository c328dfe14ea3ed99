// Package config reads session_exporter.yml into immutable values.
//
// It is strict: an unknown key, a duplicate, a value of the wrong type, a
// dangling reference or an unreadable secret is an error that names the file,
// the line and the key, and all errors of a file are reported together. What
// it returns is complete: every endpoint carries its settings with the
// module's and the global ones merged in, so nobody downstream looks anything
// up. It never sends anything, and never prints a secret: its errors quote keys
// and names, and no values, since any of them may be a secret in the wrong place.
package config

import (
	"net/url"
	"regexp"
	"time"

	promconfig "github.com/prometheus/common/config"
)

// Config is one loaded configuration. It is immutable: a reload makes another.
type Config struct {
	// File is where it was read from.
	File string
	// MetricsDeny matches, anchored, the names of metrics not to expose.
	MetricsDeny []*regexp.Regexp
	// Credentials are all accounts, by name.
	Credentials map[string]*Credential
	// APIs are those that the file describes, by name.
	APIs map[string]*Definition
	// Modules are the settings of all modules, by name: see Target.
	Modules map[string]Settings
	// Endpoints are the sessions to watch, in the order of the file.
	Endpoints []*Endpoint
	// Share is which of the file's endpoints these are.
	Share Shard
	// LabelNames is the sorted union of the label names of all endpoints.
	LabelNames []string
	// YAML is the file as it was understood, with its secrets masked.
	YAML string
}

// Auth is a way to authenticate against a session API.
type Auth string

// The ways to authenticate. Which of them an API has, its own file says.
const (
	AuthLogin  Auth = "login"  // log in with a password, hold the session
	AuthBasic  Auth = "basic"  // HTTP Basic (RFC 7617) with every request
	AuthToken  Auth = "token"  // a session token that somebody else obtained
	AuthBearer Auth = "bearer" // a bearer token (RFC 6750), given or from OAuth 2.0
)

// API is what the configuration has to know of a session API to check what is
// said about it. The probe package hands in one for each API that it speaks.
type API struct {
	// Auth are the ways in that the API has.
	Auth []Auth
	// LoginByBasic is set when a login sends the password as HTTP Basic.
	LoginByBasic bool
	// LoginOptions are the keys that `login:` may have, each with the values
	// that the API documents.
	LoginOptions map[string][]string
	// SessionHeaders are the request headers, canonical, that present a session.
	SessionHeaders []string
	// NoRoles and NoOrganizations are set when the API never says them, so
	// that expecting some is a mistake in the file and not a finding.
	NoRoles, NoOrganizations bool
	// Pairings is set when its sessions may have sessions at other sites.
	Pairings bool
}

// Endpoint is one session to watch.
type Endpoint struct {
	Name   string
	URL    *url.URL // scheme, host and the API's base path; nothing else
	Labels map[string]string
	// Pairing is set where the endpoint is the session at another site.
	Pairing *Pairing
	Settings
}

// Settings is how an endpoint is probed: its own settings over its module's,
// over the global ones, over the defaults.
type Settings struct {
	Module string
	API    string
	// Custom describes the API, nil when it is built in.
	Custom     *Definition
	Credential *Credential
	Auth       Auth
	Login      map[string]string // the API's own login options

	Interval         time.Duration
	Timeout          time.Duration
	SessionMaxAge    time.Duration // 0: a session is kept as long as it lives
	ConnectionMaxAge time.Duration // 0: a fresh connection for every probe

	// HTTP is shared by all endpoints of a module that do not override it, so
	// that they can share a transport too.
	HTTP   *HTTP
	Expect Expect
}

// HTTP is how connections are made: Prometheus' own blocks.
type HTTP struct {
	TLS promconfig.TLSConfig
	// TLSFiles tells two contents of the files that TLS names apart, so that
	// settings with a renewed certificate differ.
	TLSFiles string
	Proxy    promconfig.ProxyConfig
	Headers  *promconfig.Headers
}

// Expect is what a session must look like to be `valid`. Empty fields expect
// nothing.
type Expect struct {
	Username      string   `yaml:"username,omitempty"`
	Roles         []string `yaml:"roles,omitempty"`
	RolesExact    bool     `yaml:"roles_exact,omitempty"`
	ForbidRoles   []string `yaml:"forbid_roles,omitempty"`
	Organizations []string `yaml:"organizations,omitempty"`
}

// Credential is one account: who we are, and one lockout budget.
type Credential struct {
	Name     string
	Username string
	// Secret is where the password, the token or the OAuth 2.0 client secret
	// comes from.
	Secret SecretSource
	// OAuth2 is set when the secret is exchanged for bearer tokens. The client
	// secret is in Secret alone.
	OAuth2 *promconfig.OAuth2
	// TLSFiles is to OAuth2 what HTTP.TLSFiles is to HTTP.TLS.
	TLSFiles string
	// Auth is how a module uses this credential when it does not say.
	Auth Auth
	// Expires is when the account or its secret ends, zero if not stated.
	Expires time.Time
	// MaxAge is how long a secret is good for after its last change, 0 if not
	// stated.
	MaxAge time.Duration
	// Origins are the places, beside the endpoints of the configuration, where
	// the credential may be sent.
	Origins []Origin
	Guard   LockoutGuard
}

// LockoutGuard bounds how often a refused secret is tried again.
type LockoutGuard struct {
	MaxRefusals   int
	RetryAfter    time.Duration
	MaxRetryAfter time.Duration
}

// An Origin is a scheme, host and port (RFC 6454) as a pattern: a host that
// starts with "*." stands for every name below the rest.
type Origin struct {
	Scheme, Host, Port string
}
