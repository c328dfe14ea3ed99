package config

import (
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"session_exporter/internal/strictyaml"
	"session_exporter/sessionapi"
)

// warnings adds warnings about valid settings that are most likely mistakes. Placeholders
// and comments after secrets are found while decoding: see inspect.
func (r *resolver) warnings(c *Config) {
	for name, raw := range r.raw.Credentials {
		r.warnOfCredential(strictyaml.Key("credentials").Field(name), raw, c.Credentials[name])
	}
	for name, raw := range r.raw.Modules {
		r.warnOfTLS(strictyaml.Key("modules").Field(name), raw)
		r.warnOfHeaders(strictyaml.Key("modules").Field(name), raw, c.Modules[name])
	}
	for i, raw := range r.raw.Endpoints {
		r.warnOfTLS(strictyaml.Key("endpoints").Item(i), raw.Settings)
		r.warnOfHeaders(strictyaml.Key("endpoints").Item(i), raw.Settings, c.Endpoints[i].Settings)
		r.warnOfURL(strictyaml.Key("endpoints").Item(i), c.Endpoints[i])
	}
	if !r.Failed() { // otherwise a misspelled reference leaves its target unused
		r.warnOfUnused(c)
	}
	r.warnOfDuplicates(c.Endpoints)
}

const (
	unencrypted = "secrets are sent without encryption; use https"
	unverified  = "certificates are not verified, so anyone on the network path can read the secrets; use `ca_file`"
)

func (r *resolver) warnOfCredential(key strictyaml.Key, raw rawCredential, c *Credential) {
	if username := key.Field("username"); c.Username != strings.TrimFunc(c.Username, isSpace) && !r.Invalid(username) {
		r.Warn(username, "starts or ends with a space or an invisible character; remove it")
	}
	for i, origin := range raw.Origins {
		if strings.HasPrefix(strings.ToLower(origin), "http:") {
			r.Warn(key.Field("origins").Item(i), unencrypted)
		}
	}
	if c.OAuth2 != nil {
		oauth2 := key.Field("oauth2")
		if strings.HasPrefix(strings.ToLower(c.OAuth2.TokenURL), "http:") {
			r.Warn(oauth2.Field("token_url"), unencrypted)
		}
		if c.OAuth2.HTTP.TLS.InsecureSkipVerify {
			r.Warn(oauth2.Field("tls_config.insecure_skip_verify"), unverified)
		}
	}
	if c.MaxAge > 0 && c.Secret.File != "" && r.belowDataLink(c.Secret.File) {
		r.Warn(key.Field("max_age"), "Kubernetes rewrites this file whenever it updates or mounts the volume, so its age is not the secret's; use `expires`")
	}
}

// isSpace reports whether a character is a space, looks like one, or is invisible.
func isSpace(r rune) bool { return unicode.IsSpace(r) || unicode.In(r, unicode.Z, unicode.Cf) }

func (r *resolver) warnOfTLS(key strictyaml.Key, own rawSettings) {
	if own.TLSConfig != nil && own.TLSConfig.InsecureSkipVerify {
		r.Warn(key.Field("tls_config.insecure_skip_verify"), unverified)
	}
}

// warnOfHeaders warns about headers that an impossible token lacks: a gateway that requires
// them refuses the request before the API does.
func (r *resolver) warnOfHeaders(key strictyaml.Key, own rawSettings, s Settings) {
	at := key.Field("negative_control")
	if own.NegativeControl == nil {
		at = key.Field("http_headers")
	}
	if s.NegativeControl == 0 || own.NegativeControl == nil && own.HTTPHeaders == nil || s.HTTP.Headers == nil {
		return
	}
	for name, h := range s.HTTP.Headers.Headers {
		isSecret := func(value string) bool { return sessionapi.SecretHeader(name, value) }
		if len(h.Secrets)+len(h.Files) > 0 || slices.ContainsFunc(h.Values, isSecret) {
			r.Warn(at, "the impossible token is sent without the secrets in `http_headers`, so a gateway that requires them refuses it before the API does")
			return
		}
	}
}

func (r *resolver) warnOfURL(endpoint strictyaml.Key, e *Endpoint) {
	key := endpoint.Field("url")
	if e.URL == nil || r.Invalid(key) {
		return
	}
	hints := r.specs[e.API].URL
	if e.URL.Scheme == "http" {
		r.Warn(key, unencrypted)
	}
	if http2 := endpoint.Field("enable_http2"); e.URL.Scheme == "http" && r.IsSet(http2) && e.HTTP.EnableHTTP2 {
		r.Warn(http2, "has no effect on an http URL, because HTTP/2 requires TLS; use https")
	}
	switch {
	case hints.NoPath && e.URL.Path != "":
		r.Warn(key, "has a path, but the API %s is at the root; remove the path", e.API)
	case hints.BasePath != "" && e.URL.Path == "":
		r.Warn(key, "has no base path, but the API %s has one, such as %s", e.API, hints.BasePath)
	case hints.Ending != "" && strings.HasSuffix(e.URL.Path, hints.Ending):
		r.Warn(key, "ends in %s, which the exporter appends itself; remove it", hints.Ending)
	}
	if hints.Port != "" && e.URL.Port() == "" {
		r.Warn(key, "has no port, but the API %s is usually on port %s; add it", e.API, hints.Port)
	}
}

// warnOfUnused warns about credentials and modules without references. A module whose
// credential has origins is for /probe?target=.
func (r *resolver) warnOfUnused(c *Config) {
	credentials, modules := make(map[string]bool), make(map[string]bool)
	for _, raw := range r.raw.Modules {
		credentials[raw.Credential] = true
	}
	for _, raw := range r.raw.Endpoints {
		modules[raw.Module] = true
		credentials[raw.Settings.Credential], credentials[raw.RemoteCredential] = true, true
	}
	for name := range r.raw.Credentials {
		if key := strictyaml.Key("credentials").Field(name); !credentials[name] {
			r.Warn(key, "no module and no endpoint uses this credential; remove it")
		}
	}
	for name := range r.raw.Modules {
		credential := c.Modules[name].Credential
		byTarget := credential != nil && len(credential.Origins) > 0
		if key := strictyaml.Key("modules").Field(name); !modules[name] && !byTarget {
			r.Warn(key, "no endpoint uses this module, and no `origins` allow /probe?target= to use it; remove it")
		}
	}
}

// warnOfDuplicates warns about endpoints with the same URL and the same account.
func (r *resolver) warnOfDuplicates(endpoints []*Endpoint) {
	first := make(map[string]Position, len(endpoints))
	for i, e := range endpoints {
		key := strictyaml.Key("endpoints").Item(i).Field("url")
		if e.URL == nil || e.Credential == nil || e.Credential.Auth == "" || r.Invalid(key) {
			continue
		}
		c, pairing, address := e.Credential, "", *e.URL
		if e.Pairing != nil {
			pairing = e.Pairing.ID
		}
		if host, ok := canonicalHost(address.Hostname()); ok {
			address.Host = host + ":" + Port(e.URL)
		}
		// An account is identified by its username and secret, not by the credential's name.
		session := strings.Join([]string{c.Username, c.Secret.File, c.Secret.Env, c.Secret.Inline.Reveal(), address.String(), e.API, pairing}, "\x00")
		here := r.Position(strictyaml.Key("endpoints").Item(i))
		if at, again := first[session]; again {
			r.Warn(key, "the endpoint %s has the same URL and account, so the session is monitored twice; remove one", at.SeenFrom(here))
			continue
		}
		first[session] = here
	}
}

// dataLink is the link through which Kubernetes replaces all files of a volume atomically.
const dataLink = "..data"

// belowDataLink reports whether Kubernetes manages a file's volume: the file, or a link
// that leads to it, is below a link called ..data.
func (r *resolver) belowDataLink(file string) bool {
	for range 10 { // links may be circular
		if slices.Contains(strings.Split(filepath.ToSlash(file), "/"), dataLink) {
			return true
		}
		target, err := r.files.Readlink(file)
		if err != nil {
			return false
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(file), target)
		}
		file = target
	}
	return false
}
