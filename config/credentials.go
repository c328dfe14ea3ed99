package config

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
)

func (l *loader) credentials() map[string]*Credential {
	all := make(map[string]*Credential, len(l.shape.Credentials))
	for name, shape := range l.shape.Credentials {
		key := join("credentials", name)
		all[name] = &Credential{
			Name:     name,
			Username: shape.Username,
			OAuth2:   shape.OAuth2,
			MaxAge:   durationOr(0, shape.MaxAge),
			Origins:  l.origins(key, shape.Origins),
			Guard:    l.guard(key, shape.LockoutGuard),
		}
		all[name].Secret, all[name].Auth = l.secret(key, shape)
		if shape.Expires != nil {
			all[name].Expires = shape.Expires.Time
		}
		l.checkUsername(key, all[name])
	}
	return all
}

// secret returns the one secret that a credential has, and how it is used
// unless a module says otherwise.
func (l *loader) secret(key string, shape credentialShape) (SecretSource, Auth) {
	type choice struct {
		key    string
		source SecretSource
		auth   Auth
	}
	choices := []choice{
		{"password", SecretSource{Inline: shape.Password}, AuthLogin},
		{"password_file", SecretSource{File: l.path(shape.PasswordFile)}, AuthLogin},
		{"password_env", SecretSource{Env: shape.PasswordEnv}, AuthLogin},
		{"token", SecretSource{Inline: shape.Token}, AuthToken},
		{"token_file", SecretSource{File: l.path(shape.TokenFile)}, AuthToken},
		{"token_env", SecretSource{Env: shape.TokenEnv}, AuthToken},
	}
	var said []choice
	for _, c := range choices {
		if c.source != (SecretSource{}) {
			said = append(said, c)
		}
	}
	if shape.OAuth2 != nil {
		said = append(said, choice{"oauth2", l.oauth2Secret(join(key, "oauth2"), shape.OAuth2), AuthBearer})
	}
	switch len(said) {
	case 0:
		l.add(key, "has no secret; give it one of password, password_file, password_env, token, token_file, token_env or oauth2")
		return SecretSource{}, AuthLogin
	case 1:
		l.checkSource(join(key, said[0].key), said[0].source)
	default:
		l.add(join(key, said[1].key), "the credential has `%s` already; keep one of them", said[0].key)
	}
	return said[0].source, said[0].auth
}

func (l *loader) oauth2Secret(key string, oauth2 *promconfig.OAuth2) SecretSource {
	oauth2.SetDirectory(l.dir)
	if u, err := url.Parse(oauth2.TokenURL); err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		l.add(join(key, "token_url"), "must be the https:// address of the token endpoint")
	}
	if oauth2.GrantType != "" && oauth2.GrantType != "client_credentials" {
		l.add(join(key, "grant_type"), "must be client_credentials, the only grant that works without a person")
	}
	if oauth2.ClientSecretRef != "" {
		l.add(join(key, "client_secret_ref"), "there is no secret manager here; use client_secret_file")
	}
	l.checkTLS(join(key, "tls_config"), &oauth2.TLSConfig)
	return SecretSource{Inline: inline(string(oauth2.ClientSecret)), File: oauth2.ClientSecretFile}
}

// checkSource makes sure, when the configuration is loaded, that a secret can
// be had at all. An empty one is left to the probe, which says so in its state:
// a secret may well be filled in later.
func (l *loader) checkSource(key string, source SecretSource) {
	switch {
	case source.Env != "":
		if _, ok := os.LookupEnv(source.Env); !ok {
			l.add(key, "environment variable %s is not set", source.Env)
		}
	case source.File != "":
		l.checkReadable(key, source.File)
	}
}

func (l *loader) checkReadable(key, file string) {
	if _, err := os.ReadFile(file); err != nil {
		l.add(key, "cannot read file %q: %v", file, unwrapPath(err))
	}
}

func (l *loader) checkUsername(key string, c *Credential) {
	switch {
	case c.Auth == AuthLogin && c.Username == "":
		l.add(key, "has a password and no `username`")
	case c.Auth != AuthLogin && c.Username != "":
		l.add(join(key, "username"), "goes with a password; a token is sent alone")
	}
}

func (l *loader) guard(key string, shape guardShape) LockoutGuard {
	key = join(key, "lockout_guard")
	guard := LockoutGuard{
		MaxRefusals:   defaultGuard.MaxRefusals,
		RetryAfter:    durationOr(defaultGuard.RetryAfter, shape.RetryAfter),
		MaxRetryAfter: durationOr(defaultGuard.MaxRetryAfter, shape.MaxRetryAfter),
	}
	if shape.MaxRefusals != nil {
		guard.MaxRefusals = *shape.MaxRefusals
	}
	if guard.MaxRefusals < 1 {
		l.add(join(key, "max_refusals"), "must be 1 or more")
	}
	if guard.RetryAfter <= 0 {
		l.add(join(key, "retry_after"), "must be longer than 0s")
	}
	if guard.MaxRetryAfter < guard.RetryAfter {
		if shape.MaxRetryAfter != nil {
			l.add(join(key, "max_retry_after"), "must be at least retry_after, which is %s", model.Duration(guard.RetryAfter))
		}
		guard.MaxRetryAfter = guard.RetryAfter
	}
	return guard
}

func (l *loader) origins(key string, patterns []string) []Origin {
	origins := make([]Origin, 0, len(patterns))
	for i, pattern := range patterns {
		origin, err := parseOrigin(pattern)
		if err != nil {
			l.add(index(join(key, "origins"), i), "%v", err)
			continue
		}
		origins = append(origins, origin)
	}
	return origins
}

func parseOrigin(pattern string) (Origin, error) {
	u, err := url.Parse(pattern)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" || *u != (url.URL{Scheme: u.Scheme, Host: u.Host}) {
		return Origin{}, fmt.Errorf("must be a scheme, host and port such as https://*.example.com:9443, and nothing behind them")
	}
	if strings.Contains(strings.TrimPrefix(u.Hostname(), "*."), "*") {
		return Origin{}, fmt.Errorf("`*` may stand only for the first labels of the host, as in https://*.example.com")
	}
	return Origin{Scheme: u.Scheme, Host: strings.ToLower(u.Hostname()), Port: port(u)}, nil
}

// port returns the port of a URL, the scheme's own when it names none.
func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	default:
		return "80"
	}
}

func (l *loader) path(file string) string { return promconfig.JoinDir(l.dir, file) }

func inline(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return NewSecret(text)
}

func durationOr(otherwise time.Duration, said ...*model.Duration) time.Duration {
	for _, d := range said {
		if d != nil {
			return time.Duration(*d)
		}
	}
	return otherwise
}

func index(key string, i int) string { return fmt.Sprintf("%s[%d]", key, i) }
