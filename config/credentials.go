package config

import (
	"os"
	"time"

	"github.com/prometheus/common/model"
)

func (l *loader) settleCredentials() {
	l.credentials = make(map[string]*Credential, len(l.shape.Credentials))
	for name, shape := range l.shape.Credentials {
		key := join("credentials", name)
		c := &Credential{
			Name:     name,
			Username: shape.Username,
			OAuth2:   shape.OAuth2,
			MaxAge:   durationOr(0, shape.MaxAge),
			Origins:  l.origins(join(key, "origins"), shape.Origins),
			Guard:    l.guard(join(key, "lockout_guard"), shape.LockoutGuard),
		}
		c.Secret, c.Auth = l.secret(key, shape)
		if c.OAuth2 != nil {
			c.TLSFiles = Fingerprint(tlsFiles(&c.OAuth2.TLSConfig)...)
		}
		if shape.Expires != nil {
			c.Expires = shape.Expires.Time
		}
		l.checkUsername(key, c)
		l.checkExpiry(key, shape, c.Secret)
		l.credentials[name] = c
	}
}

// secret returns the one secret that a credential has, and how it is used
// unless a module says otherwise: no way at all when it has none.
func (l *loader) secret(key string, shape credentialShape) (SecretSource, Auth) {
	type choice struct {
		key    string
		source SecretSource
		auth   Auth
	}
	var said []choice
	for _, c := range []choice{
		{"password", SecretSource{Inline: shape.Password}, AuthLogin},
		{"password_file", SecretSource{File: l.readable(join(key, "password_file"), shape.PasswordFile)}, AuthLogin},
		{"password_env", SecretSource{Env: shape.PasswordEnv}, AuthLogin},
		{"token", SecretSource{Inline: shape.Token}, AuthToken},
		{"token_file", SecretSource{File: l.readable(join(key, "token_file"), shape.TokenFile)}, AuthToken},
		{"token_env", SecretSource{Env: shape.TokenEnv}, AuthToken},
	} {
		if c.source != (SecretSource{}) || l.wrong[join(key, c.key)] {
			said = append(said, c)
		}
	}
	if at := join(key, "oauth2"); shape.OAuth2 != nil || l.wrong[at] {
		said = append(said, choice{"oauth2", l.oauth2(at, shape.OAuth2), AuthBearer})
	}
	if len(said) == 0 {
		l.needs(key, "", "has no secret; give it one of password, password_file, password_env, token, token_file, token_env or oauth2")
		return SecretSource{}, ""
	}
	for _, c := range said[1:] {
		l.add(join(key, c.key), "the credential has `%s` already; keep one of them", said[0].key)
	}
	l.checkGiven(join(key, said[0].key), said[0].source)
	return said[0].source, said[0].auth
}

// checkGiven makes sure, when the configuration is loaded, that a secret can be
// had at all. An empty file is left to the probe, which says so in its state: it
// may well be filled in later.
func (l *loader) checkGiven(key string, source SecretSource) {
	switch {
	case l.wrong[key]:
	case source.Env != "":
		if _, ok := os.LookupEnv(source.Env); !ok {
			l.add(key, "no environment variable of this name is set")
		}
	case source.Inline != Secret{} && source.Inline.IsZero():
		l.add(key, "is empty")
	}
}

func (l *loader) checkUsername(key string, c *Credential) {
	switch {
	case c.Auth == AuthLogin && c.Username == "":
		l.needs(key, "username", "has a password and no `username`")
	case c.Auth != AuthLogin && c.Auth != "" && c.Username != "":
		l.add(join(key, "username"), "goes with a password; a token is sent alone")
	}
}

func (l *loader) checkExpiry(key string, shape credentialShape, source SecretSource) {
	at := join(key, "max_age")
	switch {
	case shape.MaxAge == nil || l.wrong[at]:
	case *shape.MaxAge == 0:
		l.add(at, "must be longer than 0s")
	case shape.Expires != nil:
		l.add(at, "the credential has `expires` already; keep one of them")
	case source != SecretSource{} && source.File == "":
		l.add(at, "counts from the last change of the secret's file, and this secret has no file; use `expires`, or put the secret into a file")
	}
}

func (l *loader) guard(key string, shape guardShape) LockoutGuard {
	guard := LockoutGuard{
		MaxRefusals:   defaultGuard.MaxRefusals,
		RetryAfter:    durationOr(defaultGuard.RetryAfter, shape.RetryAfter),
		MaxRetryAfter: durationOr(defaultGuard.MaxRetryAfter, shape.MaxRetryAfter),
	}
	if shape.MaxRefusals != nil {
		guard.MaxRefusals = *shape.MaxRefusals
	}
	if at := join(key, "max_refusals"); guard.MaxRefusals < 1 && !l.wrong[at] {
		l.add(at, "must be 1 or more")
	}
	if at := join(key, "retry_after"); guard.RetryAfter <= 0 && !l.wrong[at] {
		l.add(at, "must be longer than 0s")
	}
	if guard.MaxRetryAfter < guard.RetryAfter {
		if at := join(key, "max_retry_after"); shape.MaxRetryAfter != nil && !l.wrong[at] {
			l.add(at, "must be at least retry_after, which is %s", model.Duration(guard.RetryAfter))
		}
		guard.MaxRetryAfter = guard.RetryAfter
	}
	return guard
}

func durationOr(otherwise time.Duration, said *model.Duration) time.Duration {
	if said != nil {
		return time.Duration(*said)
	}
	return otherwise
}
