package config

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"

	"session_exporter/internal/strictyaml"
	"session_exporter/sessionapi"
)

// defaults returns the global settings, which modules override.
func (r *resolver) defaults() Settings {
	global := r.raw.Global
	r.checkDuration("global.interval", global.Interval, minInterval)
	r.checkDuration("global.timeout", global.Timeout, time.Millisecond)
	s := Settings{
		Interval:         durationOr(defaultInterval, global.Interval),
		Timeout:          durationOr(defaultTimeout, global.Timeout),
		SessionMaxAge:    unsetSessionMaxAge,
		ConnectionMaxAge: defaultConnectionMaxAge,
	}
	r.checkTimeout("global.timeout", global.Timeout, s.Interval)
	return s
}

// override returns the settings of a module or an endpoint over base, and checks them.
// Those of base have already been checked, so each problem is reported once, at the
// line that causes it. Auth stays empty until it is set.
func (r *resolver) override(key strictyaml.Key, base Settings, own rawSettings) Settings {
	s := base
	s.API = cmp.Or(string(own.API), base.API)
	s.SessionAPI = r.apis[s.API]
	s.Auth = cmp.Or(own.Auth, base.Auth)
	s.Interval = durationOr(base.Interval, own.Interval)
	s.Timeout = durationOr(base.Timeout, own.Timeout)
	s.SessionMaxAge = durationOr(base.SessionMaxAge, own.SessionMaxAge)
	s.ConnectionMaxAge = durationOr(base.ConnectionMaxAge, own.ConnectionMaxAge)
	s.NegativeControl = durationOr(base.NegativeControl, own.NegativeControl)
	s.HTTP = r.http(key, base.HTTP, own)
	s.TokenHeader = r.tokenHeader(key.Field("token_header"), base.TokenHeader, own)
	if own.Credential != "" {
		s.Credential = r.credential(key.Field("credential"), own.Credential)
	}
	if own.Login != nil {
		s.Login = own.Login
	}
	if own.Expect != nil {
		s.Expect = *own.Expect
	}
	r.checkDuration(key.Field("interval"), own.Interval, minInterval)
	r.checkDuration(key.Field("timeout"), own.Timeout, time.Millisecond)
	r.checkTimeout(key.Field("timeout"), own.Timeout, s.Interval)
	r.checkAPI(key, s, own)
	r.checkCredential(key, s, own)
	r.checkTokenHeader(key, s, own)
	r.checkNegativeControl(key, s, own)
	r.checkExpect(key.Field("expect"), s, own)
	r.checkSessionHeaders(key.Field("http_headers"), s, own)
	return s
}

// credential returns a credential by name. For an unknown one it returns an empty
// credential, which causes no further errors.
func (r *resolver) credential(key strictyaml.Key, name string) *Credential {
	if c, ok := r.credentials[name]; ok {
		return c
	}
	if !r.Invalid("credentials") {
		r.Add(key, "unknown credential%s", strictyaml.Suggest(name, strictyaml.Visible(r.Collector, "credentials", r.credentials)))
	}
	return &Credential{Name: name}
}

// authsOf lists the ways to authenticate with each kind of credential (a password, a token,
// OAuth 2.0). The key is the default of that kind.
var authsOf = map[sessionapi.Auth][]sessionapi.Auth{
	sessionapi.AuthLogin:  {sessionapi.AuthLogin, sessionapi.AuthBasic},
	sessionapi.AuthToken:  {sessionapi.AuthToken, sessionapi.AuthBearer},
	sessionapi.AuthBearer: {sessionapi.AuthBearer},
}

// checkAPI checks that the API supports the settings.
func (r *resolver) checkAPI(key strictyaml.Key, s Settings, own rawSettings) {
	api, known := r.specs[s.API]
	if own.API != "" && !known {
		r.Add(key.Field("api"), "unknown API%s", strictyaml.Suggest(string(own.API), strictyaml.Visible(r.Collector, "apis", r.apis)))
	}
	switch at := key.Field("auth"); {
	case own.Auth != "" && !slices.Contains(sessionapi.Auths(), own.Auth):
		r.Add(at, "must be one of: %s", strictyaml.Join(sessionapi.Auths()))
	case !known || r.Invalid(at):
	case slices.Contains(sessionapi.Auths(), s.Auth) && (own.Auth != "" || own.API != "") && !slices.Contains(api.Auth, s.Auth):
		r.Add(at, "%s does not support auth: %s; use one of: %s", r.apiName(s.API), s.Auth, strictyaml.Join(api.Auth))
	}
	if !known || (own.API == "" && own.Login == nil) {
		return
	}
	for option, value := range s.Login {
		at := key.Field("login").Field(option)
		switch values, ok := api.LoginOptions[option]; {
		case !ok && len(api.LoginOptions) == 0:
			r.Add(at, "the login of %s has no options; remove it", r.apiName(s.API))
		case !ok:
			r.Add(at, "the login of %s has no such option%s", r.apiName(s.API), strictyaml.Suggest(option, strictyaml.Words(api.LoginOptions)))
		case len(values) > 0 && !slices.Contains(values, value) && !r.Invalid(at):
			r.Add(at, "%s", oneOfValues(values))
		}
	}
}

// checkCredential checks that the API, the authentication and the credential are
// compatible, once all of them are known.
func (r *resolver) checkCredential(key strictyaml.Key, s Settings, own rawSettings) {
	api, known := r.specs[s.API]
	if !known || s.Credential == nil || s.Credential.Auth == "" || r.Invalid(key.Field("auth")) ||
		(own.API == "" && own.Auth == "" && own.Credential == "") {
		return
	}
	at := key.Field("auth")
	if s.Auth == "" {
		at = key.Field("credential")
	}
	c, auth := s.Credential, cmp.Or(s.Auth, s.Credential.Auth)
	switch {
	case !slices.Contains(sessionapi.Auths(), auth) || (s.Auth != "" && !slices.Contains(api.Auth, auth)):
		// Reported by checkAPI, where it is set.
	case !slices.Contains(api.Auth, auth):
		r.Add(at, "%s has %s, so auth is %s, which %s does not support; it supports: %s", r.credentialName(c), secretKind(c), auth, r.apiName(s.API), strictyaml.Join(api.Auth))
	case !slices.Contains(authsOf[c.Auth], auth):
		r.Add(at, "%s has %s, which supports only auth: %s", r.credentialName(c), secretKind(c), strictyaml.Join(authsOf[c.Auth]))
	case strings.Contains(c.Username, ":") && (auth == sessionapi.AuthBasic || api.LoginByBasic):
		r.Add(at, "the username of %s has a colon, which HTTP Basic cannot carry (RFC 7617)", r.credentialName(c))
	}
}

// clientHeaders are request headers that the exporter sets or the HTTP client interprets, in
// addition to those of sessionapi.IsReservedHeader and Prometheus.
var clientHeaders = []string{"Accept", "Cache-Control", "Expect", "Te", "Upgrade"}

// tokenHeader returns the canonical name of the header that presents a token, or an empty
// string for the API's own.
func (r *resolver) tokenHeader(at strictyaml.Key, base string, own rawSettings) string {
	if !r.IsSet(at) {
		return base
	}
	name := http.CanonicalHeaderKey(own.TokenHeader)
	_, reserved := promconfig.ReservedHeaders[name]
	switch {
	case name == "" || r.Invalid(at):
	case sessionapi.HeaderNameProblem(name) != "":
		r.Add(at, "%s", sessionapi.HeaderNameProblem(name))
	case sessionapi.IsReservedHeader(name) || slices.Contains(clientHeaders, name) || reserved && name != "Authorization":
		r.Add(at, "cannot carry a token, because it is set from other settings or by the HTTP client; use `Authorization` or a header of the API")
	}
	return name
}

// checkTokenHeader checks that `token_header` is set only where a bare token is presented.
func (r *resolver) checkTokenHeader(key strictyaml.Key, s Settings, own rawSettings) {
	at := key.Field("token_header")
	if s.TokenHeader == "" || r.Invalid(at) || r.Invalid(key.Field("auth")) {
		return
	}
	switch auth := s.withDerived().Auth; {
	case auth == "" || auth == sessionapi.AuthToken || !slices.Contains(sessionapi.Auths(), auth):
	case r.IsSet(at):
		r.Add(at, "requires auth: token, but auth is %s; remove it", auth)
	case own.Auth != "":
		r.Add(key.Field("auth"), "must be token, because %s has a `token_header`; set `token_header: ''` here", r.describe("module", "modules", s.Module))
	case own.Credential != "":
		r.Add(key.Field("credential"), "must be a token, because %s has a `token_header`; set `token_header: ''` here", r.describe("module", "modules", s.Module))
	}
}

// checkNegativeControl checks the time between negative controls, and that a session or a
// token is presented, in a single request. An impossible password would count against the
// account.
func (r *resolver) checkNegativeControl(key strictyaml.Key, s Settings, own rawSettings) {
	at := key.Field("negative_control")
	switch {
	case s.NegativeControl == 0 || r.Invalid(at):
	case own.NegativeControl != nil && s.NegativeControl < minNegativeControl:
		r.Add(at, "must be 0 (off), or at least %s", model.Duration(minNegativeControl))
	case r.specs[s.API].CheckSteps && (own.NegativeControl != nil || own.API != ""):
		r.Add(at, "%s checks a session in steps, but a negative control is a single request; remove it", r.apiName(s.API))
	case s.Auth != sessionapi.AuthBasic || r.Invalid(key.Field("auth")):
	case own.NegativeControl != nil:
		r.Add(at, "requires a session or token, but auth is basic: an impossible password counts against the account; remove it")
	case own.Auth != "":
		r.Add(key.Field("auth"), "must not be basic, because %s has a `negative_control`; set `negative_control: 0` here", r.describe("module", "modules", s.Module))
	}
}

func (r *resolver) checkExpect(key strictyaml.Key, s Settings, own rawSettings) {
	if own.Expect == nil && own.API == "" {
		return
	}
	api, expect := r.specs[s.API], s.Expect
	if own.Expect != nil {
		r.checkControl(key.Field("username"), expect.Username)
	}
	r.checkFilled(key, map[string][]string{"roles": expect.Roles, "forbid_roles": expect.ForbidRoles, "organizations": expect.Organizations})
	roles, forbidden := key.Field("roles"), key.Field("forbid_roles")
	if api.NoUsername && expect.Username != "" {
		r.Add(key.Field("username"), "%s does not report the user of a session; remove it", r.apiName(s.API))
	}
	switch {
	case api.NoRoles && len(expect.Roles) > 0:
		r.Add(roles, "%s does not report the roles of a session; remove it", r.apiName(s.API))
	case expect.RolesExact && len(expect.Roles) == 0 && !r.Invalid(roles):
		r.Add(key.Field("roles_exact"), "requires `roles`")
	}
	if api.NoRoles && len(expect.ForbidRoles) > 0 {
		r.Add(forbidden, "%s does not report the roles of a session; remove it", r.apiName(s.API))
	}
	for i, role := range expect.ForbidRoles {
		if role != "" && slices.Contains(expect.Roles, role) {
			r.Add(forbidden.Item(i), "is also in `roles`; keep it in one of them")
		}
	}
	if api.NoOrganizations && len(expect.Organizations) > 0 {
		r.Add(key.Field("organizations"), "%s does not report the organizations of a session; remove it", r.apiName(s.API))
	}
}

// checkFilled rejects empty texts in lists.
func (r *resolver) checkFilled(key strictyaml.Key, lists map[string][]string) {
	for name, list := range lists {
		for i, item := range list {
			if at := key.Field(name).Item(i); item == "" && !r.Invalid(at) {
				r.Add(at, "is empty; give it a value, or remove it")
			}
		}
	}
}

func secretKind(c *Credential) string {
	switch c.Auth {
	case sessionapi.AuthLogin:
		return "a password"
	case sessionapi.AuthBearer:
		return "oauth2"
	default:
		return "a token"
	}
}

// Default settings.
const (
	defaultInterval         = time.Minute
	defaultTimeout          = 10 * time.Second
	defaultSessionMaxAge    = 30 * time.Minute
	defaultConnectionMaxAge = 10 * time.Minute

	unsetSessionMaxAge time.Duration = -1 // the API's default applies

	// minNegativeControl keeps impossible tokens from looking like an attack.
	minNegativeControl = time.Minute

	// minInterval is also the window in which due probes are started together.
	minInterval = 100 * time.Millisecond
)

var defaultGuard = LockoutGuard{MaxRefusals: 2, RetryAfter: 20 * time.Minute, MaxRetryAfter: 4 * time.Hour}

func durationOr(otherwise time.Duration, value *model.Duration) time.Duration {
	if value != nil {
		return time.Duration(*value)
	}
	return otherwise
}
