package config

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// defaults are the settings under all modules: the global ones.
func (l *loader) defaults() Settings {
	global := l.shape.Global
	l.checkDuration("global.interval", global.Interval, minInterval)
	l.checkDuration("global.timeout", global.Timeout, time.Millisecond)
	s := Settings{
		Interval:         durationOr(defaultInterval, global.Interval),
		Timeout:          durationOr(defaultTimeout, global.Timeout),
		SessionMaxAge:    defaultSessionMaxAge,
		ConnectionMaxAge: defaultConnectionMaxAge,
	}
	l.checkTimeout("global.timeout", global.Timeout, s.Interval)
	return s
}

// override returns what a module or an endpoint says, over base, and checks it.
// What base says has been checked where it stands, so each finding is reported
// once, and at the line that brings it about. Auth stays empty until said.
func (l *loader) override(key string, base Settings, own settingsShape) Settings {
	s := base
	s.API = cmp.Or(own.API, base.API)
	s.Custom = l.definitions[s.API]
	s.Auth = cmp.Or(own.Auth, base.Auth)
	s.Interval = durationOr(base.Interval, own.Interval)
	s.Timeout = durationOr(base.Timeout, own.Timeout)
	s.SessionMaxAge = durationOr(base.SessionMaxAge, own.SessionMaxAge)
	s.ConnectionMaxAge = durationOr(base.ConnectionMaxAge, own.ConnectionMaxAge)
	s.HTTP = l.http(key, base.HTTP, own)
	if own.Credential != "" {
		s.Credential = l.credential(join(key, "credential"), own.Credential)
	}
	if own.Login != nil {
		s.Login = own.Login
	}
	if own.Expect != nil {
		s.Expect = *own.Expect
	}
	l.checkDuration(join(key, "interval"), own.Interval, minInterval)
	l.checkDuration(join(key, "timeout"), own.Timeout, time.Millisecond)
	l.checkTimeout(join(key, "timeout"), own.Timeout, s.Interval)
	l.checkAPI(key, s, own)
	l.checkCredential(key, s, own)
	l.checkExpect(join(key, "expect"), s, own)
	l.checkSessionHeaders(join(key, "http_headers"), s, own)
	return s
}

// credential looks one up by its name. For one that is not there stands one of
// which nothing is known, so that nothing more is found wrong with it.
func (l *loader) credential(key, name string) *Credential {
	if c, ok := l.credentials[name]; ok {
		return c
	}
	if !l.wrong["credentials"] {
		l.add(key, "there is no credential of this name%s", suggest(name, l.credentials))
	}
	return &Credential{Name: name}
}

var auths = []Auth{AuthLogin, AuthBasic, AuthToken, AuthBearer}

// authsOf are the ways in that go with a credential, by its default: with a
// password, with a token, with OAuth 2.0.
var authsOf = map[Auth][]Auth{
	AuthLogin:  {AuthLogin, AuthBasic},
	AuthToken:  {AuthToken, AuthBearer},
	AuthBearer: {AuthBearer},
}

// checkAPI checks that the API has what is said about it.
func (l *loader) checkAPI(key string, s Settings, own settingsShape) {
	api, known := l.apis[s.API]
	if own.API != "" && !known {
		l.add(join(key, "api"), "there is no API of this name%s", suggest(own.API, l.apis))
	}
	switch at := join(key, "auth"); {
	case own.Auth != "" && !slices.Contains(auths, own.Auth):
		l.add(at, "must be one of: %s", JoinAuths(auths))
	case !known || l.wrong[at]:
	case s.Auth != "" && (own.Auth != "" || own.API != "") && !slices.Contains(api.Auth, s.Auth):
		l.add(at, "api %s has no auth %s; use one of: %s", s.API, s.Auth, JoinAuths(api.Auth))
	}
	if !known || (own.API == "" && own.Login == nil) {
		return
	}
	for option, value := range s.Login {
		at := join(join(key, "login"), option)
		switch values, ok := api.LoginOptions[option]; {
		case !ok && len(api.LoginOptions) == 0:
			l.add(at, "the login of api %s has no options; remove it", s.API)
		case !ok:
			l.add(at, "the login of api %s has no such option%s", s.API, suggest(option, api.LoginOptions))
		case len(values) > 0 && !slices.Contains(values, value) && !l.wrong[at]:
			l.add(at, "must be one of: %s", strings.Join(values, ", "))
		}
	}
}

// checkCredential checks that the API, the way in and the credential go
// together, once all of them are known.
func (l *loader) checkCredential(key string, s Settings, own settingsShape) {
	api, known := l.apis[s.API]
	if !known || s.Credential == nil || s.Credential.Auth == "" || l.wrong[join(key, "auth")] ||
		(own.API == "" && own.Auth == "" && own.Credential == "") {
		return
	}
	at := join(key, "auth")
	if s.Auth == "" {
		at = join(key, "credential")
	}
	c, auth := s.Credential, cmp.Or(s.Auth, s.Credential.Auth)
	switch {
	case !slices.Contains(auths, auth) || (s.Auth != "" && !slices.Contains(api.Auth, auth)):
		// Reported by checkAPI, where it is said.
	case !slices.Contains(api.Auth, auth):
		l.add(at, "credential %q has %s, so auth is %s, which api %s does not have; it has: %s", c.Name, secretKind(c), auth, s.API, JoinAuths(api.Auth))
	case !slices.Contains(authsOf[c.Auth], auth):
		l.add(at, "credential %q has %s, which goes with auth: %s", c.Name, secretKind(c), JoinAuths(authsOf[c.Auth]))
	case strings.Contains(c.Username, ":") && (auth == AuthBasic || api.LoginByBasic):
		l.add(at, "the username of credential %q has a colon, which HTTP Basic cannot carry (RFC 7617)", c.Name)
	}
}

func (l *loader) checkExpect(key string, s Settings, own settingsShape) {
	if own.Expect == nil && own.API == "" {
		return
	}
	api, expect := l.apis[s.API], s.Expect
	l.checkFilled(key, map[string][]string{"roles": expect.Roles, "forbid_roles": expect.ForbidRoles, "organizations": expect.Organizations})
	roles, forbidden := join(key, "roles"), join(key, "forbid_roles")
	switch {
	case api.NoRoles && len(expect.Roles) > 0:
		l.add(roles, "api %s does not say which roles a session has; remove it", s.API)
	case expect.RolesExact && len(expect.Roles) == 0 && !l.wrong[roles]:
		l.add(join(key, "roles_exact"), "goes with `roles`, and there are none")
	}
	if api.NoRoles && len(expect.ForbidRoles) > 0 {
		l.add(forbidden, "api %s does not say which roles a session has; remove it", s.API)
	}
	for i, role := range expect.ForbidRoles {
		if role != "" && slices.Contains(expect.Roles, role) {
			l.add(index(forbidden, i), "the same role is in `roles`; it cannot be both there and not there")
		}
	}
	if api.NoOrganizations && len(expect.Organizations) > 0 {
		l.add(join(key, "organizations"), "api %s does not say which organizations a session has; remove it", s.API)
	}
}

// checkFilled finds the empty texts in lists.
func (l *loader) checkFilled(key string, lists map[string][]string) {
	for name, list := range lists {
		for i, item := range list {
			if at := index(join(key, name), i); item == "" && !l.wrong[at] {
				l.add(at, "is empty; give it a value, or remove it")
			}
		}
	}
}

// JoinAuths returns ways to authenticate as a list for people.
func JoinAuths(auths []Auth) string {
	names := make([]string, len(auths))
	for i, auth := range auths {
		names[i] = string(auth)
	}
	return strings.Join(names, ", ")
}

func secretKind(c *Credential) string {
	switch c.Auth {
	case AuthLogin:
		return "a password"
	case AuthBearer:
		return "oauth2"
	default:
		return "a token"
	}
}

// checkDuration holds a duration that was said to a minimum.
func (l *loader) checkDuration(key string, said *model.Duration, least time.Duration) {
	if said != nil && time.Duration(*said) < least && !l.wrong[key] {
		l.add(key, "must be at least %s", least)
	}
}

// checkTimeout refuses a timeout said beside a shorter interval. An inherited
// one is shortened instead, as Prometheus does.
func (l *loader) checkTimeout(key string, said *model.Duration, interval time.Duration) {
	if said != nil && time.Duration(*said) > interval && !l.wrong[key] {
		l.add(key, "must not be longer than the interval, which is %s here", model.Duration(interval))
	}
}
