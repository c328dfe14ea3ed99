// Package config reads the configuration, one or several files, into immutable values.
//
// It is strict: an unknown key, a duplicate, a value of the wrong type or a dangling
// reference is an error with the file, the line and the key, and all errors are reported
// together. A secret that cannot be read affects only the endpoints that use it. The
// result is complete: every endpoint has its settings, with the module's and the global
// ones merged in, so that no other package resolves references. The package sends
// nothing and never prints a secret. Its errors quote no values, and a key or a name only
// if it looks like a key or a name: any other text may be a secret in the wrong place.
package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"time"

	promconfig "github.com/prometheus/common/config"

	"session_exporter/internal/boundedfile"
	"session_exporter/secret"
	"session_exporter/sessionapi"
	"session_exporter/sessionapi/custom"
)

// Config is one loaded configuration. It is immutable; a reload creates another.
type Config struct {
	// Name is how messages refer to it: the paths and patterns of its files.
	Name string
	// Files are the paths of its files, sorted.
	Files []string
	// MetricsDeny are anchored patterns of metrics that are not exposed.
	MetricsDeny []*regexp.Regexp
	// DenyAt are the positions of these patterns.
	DenyAt []Position
	// Credentials are all credentials by name.
	Credentials map[string]*Credential
	// APIs are the APIs that the files define, by name.
	APIs map[string]*custom.API
	// Modules are the settings of all modules by name, see Target.
	Modules map[string]Settings
	// Endpoints are the endpoints to probe, in the order of the files.
	Endpoints []*Endpoint
	// Shard is the shard to which Endpoints is limited.
	Shard Shard
	// LabelNames is the sorted union of the label names of all endpoints.
	LabelNames []string
	// YAML is all files as loaded, with their secrets masked.
	YAML string
	// Problems are the warnings and the secrets that cannot be read, in the order of
	// the files.
	Problems Problems
}

// WithShard returns the configuration with the endpoints of one shard only. It keeps the
// label names of all endpoints, so that the series of all shards have the same labels.
func (c *Config) WithShard(s Shard) *Config {
	limited := *c
	limited.Shard = s
	limited.Endpoints = slices.DeleteFunc(slices.Clone(c.Endpoints), func(e *Endpoint) bool { return !s.has(e.Name) })
	return &limited
}

// WithInterval returns the configuration with another interval for all endpoints, which
// also limits their timeouts.
func (c *Config) WithInterval(interval time.Duration) (*Config, error) {
	if interval < minInterval {
		return nil, fmt.Errorf("must be at least %s", minInterval)
	}
	changed := *c
	changed.Endpoints = make([]*Endpoint, len(c.Endpoints))
	for i, endpoint := range c.Endpoints {
		e := *endpoint
		e.Interval = interval
		e.Settings = e.withDerived()
		changed.Endpoints[i] = &e
	}
	return &changed, nil
}

// Endpoint is one session to monitor.
type Endpoint struct {
	Name   string
	URL    *url.URL // only scheme, host and the API's base path
	Labels map[string]string
	// Pairing is set if the endpoint is the session at the other site of a pairing.
	Pairing *Pairing
	Settings
}

// Pairing describes the session at the other site, within an endpoint's local session.
type Pairing struct {
	ID string
	// Local is the credential of the local login, and LocalAPI the API of its session. The
	// endpoint's Credential and SessionAPI are those of the other site, whose session the
	// endpoint monitors.
	Local    *Credential
	LocalAPI sessionapi.API
}

// LocalEndpoint returns the endpoint of the local session, within which the login to the
// other site is sent.
func (p *Pairing) LocalEndpoint(e *Endpoint) *Endpoint {
	local := *e
	local.Pairing, local.SessionAPI, local.Credential, local.Expect = nil, p.LocalAPI, p.Local, Expect{}
	return &local
}

// Uses reports whether probes of the endpoint use the credential with this name.
func (e *Endpoint) Uses(credential string) bool {
	return e.Credential.Name == credential || e.Pairing != nil && e.Pairing.Local.Name == credential
}

// Settings are the settings of a module or an endpoint. An endpoint's override its module's,
// which override the global ones, which override the defaults.
type Settings struct {
	Module string
	API    string // its name
	// SessionAPI is the API: built in, defined by a file, or that of the session at the other
	// site of a pairing.
	SessionAPI sessionapi.API
	Credential *Credential
	Auth       sessionapi.Auth
	Login      map[string]string // login options of the API
	// TokenHeader is the canonical name of the header that presents a token with
	// AuthToken, empty for the API's own.
	TokenHeader string

	Interval         time.Duration
	Timeout          time.Duration
	SessionMaxAge    time.Duration // 0: a session is kept until it expires
	ConnectionMaxAge time.Duration // 0: a new connection for every probe
	// NegativeControl is the time between two negative controls, 0 for none.
	NegativeControl time.Duration

	// HTTP is shared by all endpoints of a module that do not override it, so that they
	// can share a transport.
	HTTP   *HTTP
	Expect Expect
}

// HTTP holds the connection settings, in Prometheus' own blocks.
type HTTP struct {
	TLS promconfig.TLSConfig
	// TLSFiles is a fingerprint of the files that TLS names, so that settings with a
	// renewed certificate differ.
	TLSFiles string
	Proxy    promconfig.ProxyConfig
	Headers  *promconfig.Headers
	// EnableHTTP2 offers HTTP/2 to the server, which may choose HTTP/1.1.
	EnableHTTP2 bool

	files *boundedfile.Reader
}

// Expect describes a `valid` session. Empty fields expect nothing.
type Expect struct {
	Username      string   `yaml:"username,omitempty"`
	Roles         []string `yaml:"roles,omitempty"`
	RolesExact    bool     `yaml:"roles_exact,omitempty"`
	ForbidRoles   []string `yaml:"forbid_roles,omitempty"`
	Organizations []string `yaml:"organizations,omitempty"`
}

// Credential is an entry of `credentials`: a secret, and how it is used. Those with the same
// username and secret are one account.
type Credential struct {
	Name     string
	Username string
	// Secret is the source of the password, the token or, with OAuth 2.0, what is exchanged.
	Secret secret.Source
	// OAuth2 is set if the secret is exchanged for bearer tokens.
	OAuth2 *OAuth2
	// Auth is the default authentication with this credential.
	Auth sessionapi.Auth
	// Expires is when the account or its secret expires, zero if not set.
	Expires time.Time
	// MaxAge is the lifetime of a secret after its last change, 0 if not set.
	MaxAge time.Duration
	// Origins are the origins to which the credential may be sent, in addition to those of
	// the configured endpoints.
	Origins []Origin
	Guard   LockoutGuard
}

// OAuth2 describes how a secret is exchanged for bearer tokens (RFC 6749). The secret
// itself is Credential.Secret: see GrantType.
type OAuth2 struct {
	GrantType GrantType
	ClientID  string
	// ClientSecret authenticates the client of a grant that exchanges another secret; the
	// zero Source for a public client.
	ClientSecret secret.Source
	TokenURL     string
	// AuthStyle is empty if the grant does not authenticate a client.
	AuthStyle AuthStyle
	Scopes    []string
	// EndpointParams are additional parameters of the token request. Each value may be
	// a secret.
	EndpointParams map[string]secret.Secret
	// Assertion is set with GrantJWTBearer.
	Assertion *Assertion
	// HTTP holds the connection settings for the authorization server.
	HTTP HTTP
}

// GrantType is how bearer tokens are obtained. It determines what Credential.Secret is.
type GrantType string

// The grants.
const (
	GrantClientCredentials GrantType = "client_credentials"                          // the client's secret (RFC 6749, 4.4)
	GrantPassword          GrantType = "password"                                    // the password of Credential.Username (4.3)
	GrantRefreshToken      GrantType = "refresh_token"                               // a refresh token (6)
	GrantVCFAPIToken       GrantType = "vcf_api_token"                               // an API token of VMware Cloud Foundation
	GrantJWTBearer         GrantType = "urn:ietf:params:oauth:grant-type:jwt-bearer" // the key that signs an assertion (RFC 7523, 2.1)
)

// Assertion describes the JWT that the jwt-bearer grant signs, as Prometheus does.
type Assertion struct {
	Algorithm, KeyID string // of the header
	Issuer, Audience string
	Claims           map[string]any // in addition to the standard ones, or instead of them
}

// AuthStyle is how a client authenticates to the token endpoint (RFC 6749, 2.3.1).
type AuthStyle string

// The ways to authenticate a client.
const (
	AuthStyleHeader AuthStyle = "header" // HTTP Basic
	AuthStyleParams AuthStyle = "params" // client_id and client_secret in the form
)

// LockoutGuard limits how often a refused secret is tried again.
type LockoutGuard struct {
	// MaxRefusals without an acceptance in between suspend a secret for RetryAfter, which
	// doubles with each further refusal, up to MaxRetryAfter.
	MaxRefusals   int
	RetryAfter    time.Duration
	MaxRetryAfter time.Duration
	// Account joins credentials: those with the same value share a budget. It is empty
	// if not set.
	Account string
}

// An Origin is a scheme, host and port (RFC 6454). The host *.example.com stands for every
// name that ends in .example.com.
type Origin struct {
	Scheme, Host, Port string
}
