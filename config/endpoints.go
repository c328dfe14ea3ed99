package config

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
)

// ReservedLabels are the label names that the exporter's own series use, so
// that an endpoint cannot have them.
var ReservedLabels = []string{
	"api", "code", "endpoint", "enterprise", "le", "organization", "phase",
	"quantile", "role", "source", "state", "username", "version",
}

// modules checks what modules say, once each, and makes their HTTP blocks.
func (l *loader) modules() {
	l.http = make(map[string]*HTTP, len(l.shape.Modules))
	for name, shape := range l.shape.Modules {
		key := join("modules", name)
		if shape.API == "" {
			l.add(key, "needs an `api`, one of: %s", strings.Join(slices.Sorted(maps.Keys(l.apis)), ", "))
		}
		l.checkReferences(key, shape)
		l.http[name] = l.httpBlock(key, shape, settingsShape{})
	}
	l.checkDuration("global.interval", l.shape.Global.Interval, minInterval)
	l.checkDuration("global.timeout", l.shape.Global.Timeout, time.Millisecond)
	l.checkTimeout("global.timeout", l.shape.Global.Timeout, durationOr(defaultInterval, l.shape.Global.Interval))
}

func (l *loader) endpoints(credentials map[string]*Credential) []*Endpoint {
	endpoints := make([]*Endpoint, 0, len(l.shape.Endpoints))
	firsts := make(map[string]int)
	for i, shape := range l.shape.Endpoints {
		key := index("endpoints", i)
		endpoint := &Endpoint{
			Name:   shape.Name,
			URL:    l.endpointURL(join(key, "url"), shape.URL),
			Labels: shape.Labels,
		}
		l.checkName(key, shape.Name)
		if first, again := firsts[shape.Name]; again && shape.Name != "" {
			l.add(join(key, "name"), "%q is the name of the endpoint at line %d already", shape.Name, first)
		} else {
			firsts[shape.Name] = l.line(key)
		}
		l.checkLabels(join(key, "labels"), shape.Labels)
		l.checkReferences(key, shape.Settings)
		if module, ok := l.module(key, shape.Module); ok {
			endpoint.Settings = l.settings(key, shape, module, credentials)
		}
		endpoints = append(endpoints, endpoint)
	}
	return endpoints
}

func (l *loader) module(key, name string) (settingsShape, bool) {
	switch module, ok := l.shape.Modules[name]; {
	case ok:
		return module, true
	case name == "":
		l.add(key, "needs a `module`")
	default:
		l.add(join(key, "module"), "there is no module %q%s", name, suggest(name, l.shape.Modules))
	}
	return settingsShape{}, false
}

// settings merges what an endpoint says over what its module says over the
// global settings over the defaults.
func (l *loader) settings(key string, shape endpointShape, module settingsShape, credentials map[string]*Credential) Settings {
	own, global := shape.Settings, l.shape.Global
	s := Settings{
		Module:     shape.Module,
		API:        cmp.Or(own.API, module.API),
		Credential: credentials[cmp.Or(own.Credential, module.Credential)],
		Login:      module.Login,

		Interval:         durationOr(defaultInterval, own.Interval, module.Interval, global.Interval),
		Timeout:          durationOr(defaultTimeout, own.Timeout, module.Timeout, global.Timeout),
		SessionMaxAge:    durationOr(defaultSessionMaxAge, own.SessionMaxAge, module.SessionMaxAge),
		ConnectionMaxAge: durationOr(defaultConnectionMaxAge, own.ConnectionMaxAge, module.ConnectionMaxAge),

		HTTP: l.http[shape.Module],
	}
	l.checkTimeout(join(key, "timeout"), own.Timeout, s.Interval)
	s.Timeout = min(s.Timeout, s.Interval)
	if own.Login != nil {
		s.Login = own.Login
	}
	if expect := cmp.Or(own.Expect, module.Expect); expect != nil {
		s.Expect = *expect
	}
	if own.overridesHTTP() {
		s.HTTP = l.httpBlock(key, own, module)
	}
	if s.Credential != nil {
		s.Auth = cmp.Or(own.Auth, module.Auth, s.Credential.Auth)
	}
	l.checkAuth(key, s, cmp.Or(own.Credential, module.Credential))
	l.checkExpect(join(key, "expect"), s)
	return s
}

// checkReferences checks what a module or an endpoint says by itself.
func (l *loader) checkReferences(key string, shape settingsShape) {
	if _, ok := l.apis[shape.API]; !ok && shape.API != "" {
		l.add(join(key, "api"), "there is no API %q%s", shape.API, suggest(shape.API, l.apis))
	}
	if _, ok := l.shape.Credentials[shape.Credential]; !ok && shape.Credential != "" {
		l.add(join(key, "credential"), "there is no credential %q%s", shape.Credential, suggest(shape.Credential, l.shape.Credentials))
	}
	auths := []Auth{"", AuthLogin, AuthBasic, AuthToken, AuthBearer}
	if !slices.Contains(auths, shape.Auth) {
		l.add(join(key, "auth"), "must be one of: login, basic, token, bearer")
	}
	l.checkDuration(join(key, "interval"), shape.Interval, minInterval)
	l.checkDuration(join(key, "timeout"), shape.Timeout, time.Millisecond)
}

// checkAuth checks that the API, the credential and the way in go together.
func (l *loader) checkAuth(key string, s Settings, credential string) {
	api, ok := l.apis[s.API]
	if !ok {
		return // reported where it is named
	}
	if credential == "" {
		l.add(key, "needs a `credential`, here or in module %q", s.Module)
	}
	if s.Credential == nil {
		return
	}
	for option, value := range s.Login {
		at := join(join(key, "login"), option)
		switch values, known := api.LoginOptions[option]; {
		case !known:
			l.add(at, "api %s has no such login option%s", s.API, suggest(option, api.LoginOptions))
		case len(values) > 0 && !slices.Contains(values, value):
			l.add(at, "must be one of: %s", strings.Join(values, ", "))
		}
	}
	at := join(key, "auth")
	switch {
	case !slices.Contains(api.Auth, s.Auth):
		l.add(at, "api %s cannot be asked with auth %q; it has: %s", s.API, s.Auth, joinAuths(api.Auth))
	case (s.Auth == AuthLogin || s.Auth == AuthBasic) != (s.Credential.Auth == AuthLogin):
		l.add(at, "auth %q does not go with credential %q, which has %s", s.Auth, s.Credential.Name, secretKind(s.Credential))
	case s.Auth == AuthToken && s.Credential.OAuth2 != nil:
		l.add(at, "OAuth 2.0 gives bearer tokens; use auth bearer with credential %q", s.Credential.Name)
	case strings.Contains(s.Credential.Username, ":") && (s.Auth == AuthBasic || api.LoginByBasic):
		l.add(at, "the username of credential %q has a colon, which HTTP Basic cannot carry (RFC 7617)", s.Credential.Name)
	}
}

func (l *loader) checkExpect(key string, s Settings) {
	api := l.apis[s.API]
	if api.NoRoles && len(s.Expect.Roles)+len(s.Expect.ForbidRoles) > 0 {
		l.add(key, "api %s does not say which roles a session has; remove roles and forbid_roles", s.API)
	}
	if api.NoOrganizations && len(s.Expect.Organizations) > 0 {
		l.add(key, "api %s does not say which organizations a session has; remove organizations", s.API)
	}
}

func joinAuths(auths []Auth) string {
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

func (l *loader) checkName(key, name string) {
	switch {
	case name == "":
		l.add(key, "needs a `name`")
	case strings.ContainsFunc(name, unicode.IsControl) || strings.TrimSpace(name) != name:
		l.add(join(key, "name"), "must not have control characters, or spaces at its ends")
	}
}

func (l *loader) endpointURL(key, text string) *url.URL {
	u, err := url.Parse(text)
	switch {
	case text == "":
		l.add(strings.TrimSuffix(key, ".url"), "needs a `url`")
		return nil
	case err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "":
		l.add(key, "must be an address such as https://hcx.example.com:9443")
		return nil
	case u.User != nil:
		l.add(key, "must not have a user or password in it; put them under `credentials`")
		return nil
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		l.add(key, "must end with the API's base path; remove what follows `?` or `#`")
		return nil
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	return u
}

func (l *loader) checkLabels(key string, labels map[string]string) {
	for name := range labels {
		switch {
		case !model.LegacyValidation.IsValidLabelName(name) || strings.HasPrefix(name, model.ReservedLabelPrefix):
			l.add(join(key, name), "not a label name; use letters, digits and underscores, and no two underscores at the start")
		case slices.Contains(ReservedLabels, name):
			l.add(join(key, name), "the exporter's own series have this label; choose another name")
		}
	}
}

// checkDuration holds a duration that was said to a minimum.
func (l *loader) checkDuration(key string, said *model.Duration, least time.Duration) {
	if said != nil && time.Duration(*said) < least {
		l.add(key, "must be at least %s", least)
	}
}

// checkTimeout refuses a timeout said beside a shorter interval. An inherited
// one is shortened instead, as Prometheus does.
func (l *loader) checkTimeout(key string, said *model.Duration, interval time.Duration) {
	if said != nil && time.Duration(*said) > interval {
		l.add(key, "must not be longer than the interval, which is %s", model.Duration(interval))
	}
}

func (s settingsShape) overridesHTTP() bool {
	return s.TLSConfig != nil || s.HTTPHeaders != nil || s.saysProxy()
}

func (s settingsShape) saysProxy() bool {
	return s.ProxyURL.URL != nil || s.ProxyFromEnvironment || s.NoProxy != "" || s.ProxyConnectHeader != nil
}

// httpBlock merges the connection settings of an endpoint over its module's.
func (l *loader) httpBlock(key string, own, module settingsShape) *HTTP {
	block := &HTTP{Proxy: module.ProxyConfig, Headers: cmp.Or(own.HTTPHeaders, module.HTTPHeaders)}
	if own.saysProxy() {
		block.Proxy = own.ProxyConfig
	}
	if tls := cmp.Or(own.TLSConfig, module.TLSConfig); tls != nil {
		tls.SetDirectory(l.dir)
		l.checkTLS(join(key, "tls_config"), tls)
		block.TLS = *tls
	}
	if block.Headers != nil {
		block.Headers.SetDirectory(l.dir)
		for name, header := range block.Headers.Headers {
			for _, file := range header.Files {
				l.checkReadable(join(join(key, "http_headers"), name), file)
			}
		}
	}
	return block
}

// checkTLS builds a TLS configuration once, so that certificates and keys that
// cannot be used are known when the file is loaded.
func (l *loader) checkTLS(key string, tls *promconfig.TLSConfig) {
	if _, err := promconfig.NewTLSConfig(tls); err != nil {
		l.add(key, "%v", err)
	}
}
