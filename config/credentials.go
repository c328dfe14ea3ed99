package config

import (
	"regexp"

	"github.com/prometheus/common/model"

	"session_exporter/internal/strictyaml"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

func (r *resolver) resolveCredentials() {
	r.credentials = make(map[string]*Credential, len(r.raw.Credentials))
	for name, raw := range r.raw.Credentials {
		key := strictyaml.Key("credentials").Field(name)
		c := &Credential{
			Name:     name,
			Username: raw.Username,
			MaxAge:   durationOr(0, raw.MaxAge),
			Origins:  r.origins(key.Field("origins"), raw.Origins),
			Guard:    r.guard(key.Field("lockout_guard"), raw.LockoutGuard),
		}
		var clientSecret secret.Source
		c.OAuth2, clientSecret = r.oauth2(key.Field("oauth2"), raw.OAuth2)
		c.Secret, c.Auth = r.secret(key, raw, clientSecret)
		if raw.Expires != nil {
			c.Expires = raw.Expires.Time
		}
		r.checkUsername(key, c)
		r.checkExpiry(key, raw, c.Secret)
		r.credentials[name] = c
	}
}

// secret returns a credential's only secret and its default authentication, empty if it
// has no secret.
func (r *resolver) secret(key strictyaml.Key, raw rawCredential, clientSecret secret.Source) (secret.Source, sessionapi.Auth) {
	type choice struct {
		key    string
		source secret.Source
		auth   sessionapi.Auth
		file   string // as in the configuration
	}
	var given []choice
	for _, c := range []choice{
		{"password", secret.Source{Inline: raw.Password}, sessionapi.AuthLogin, ""},
		{"password_file", r.fileSource(raw.PasswordFile), sessionapi.AuthLogin, raw.PasswordFile},
		{"password_env", secret.Source{Env: raw.PasswordEnv}, sessionapi.AuthLogin, ""},
		{"token", secret.Source{Inline: raw.Token}, sessionapi.AuthToken, ""},
		{"token_file", r.fileSource(raw.TokenFile), sessionapi.AuthToken, raw.TokenFile},
		{"token_env", secret.Source{Env: raw.TokenEnv}, sessionapi.AuthToken, ""},
	} {
		if c.source != (secret.Source{}) || r.Invalid(key.Field(c.key)) {
			given = append(given, c)
		}
	}
	if at := key.Field("oauth2"); raw.OAuth2 != nil || r.Invalid(at) {
		given = append(given, choice{"oauth2", clientSecret, sessionapi.AuthBearer, ""})
	}
	if len(given) == 0 {
		r.Require(key, "", "has no secret; give it one of password, password_file, password_env, token, token_file, token_env or oauth2")
		return secret.Source{}, ""
	}
	for _, c := range given[1:] {
		r.Add(key.Field(c.key), "conflicts with `%s`; keep one of them", given[0].key)
	}
	for _, c := range given {
		if c.auth != sessionapi.AuthBearer {
			r.checkGiven(key.Field(c.key), c.source, c.file)
		}
	}
	return given[0].source, given[0].auth
}

// checkGiven checks that there is a secret. An empty one in the configuration itself is
// an error, since it stays empty until a reload.
func (r *resolver) checkGiven(key strictyaml.Key, source secret.Source, file string) {
	if source.Inline != (secret.Secret{}) {
		if source.Inline.IsZero() && !r.Invalid(key) {
			r.Add(key, "is empty")
		}
		return
	}
	r.checkSecret(key, file, source)
}

func (r *resolver) checkUsername(key strictyaml.Key, c *Credential) {
	r.checkControl(key.Field("username"), c.Username)
	switch {
	case c.Auth == sessionapi.AuthLogin && c.Username == "":
		r.Require(key, "username", "has a password but no `username`")
	case c.Auth != sessionapi.AuthLogin && c.Auth != "" && c.Username != "":
		r.Add(key.Field("username"), "requires a password; a token is sent without a username")
	}
}

func (r *resolver) checkExpiry(key strictyaml.Key, raw rawCredential, source secret.Source) {
	at := key.Field("max_age")
	switch {
	case raw.MaxAge == nil || r.Invalid(at):
	case *raw.MaxAge == 0:
		r.Add(at, "must be longer than 0s")
	case raw.Expires != nil:
		r.Add(at, "conflicts with `expires`; keep one of them")
	case source != secret.Source{} && source.File == "":
		r.Add(at, "counts from the last change of the secret's file, and this secret has no file; use `expires`, or put the secret into a file")
	}
}

// accountName matches the valid values of `lockout_guard.account`.
var accountName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

func (r *resolver) guard(key strictyaml.Key, raw rawGuard) LockoutGuard {
	guard := LockoutGuard{
		Account:       raw.Account,
		MaxRefusals:   defaultGuard.MaxRefusals,
		RetryAfter:    durationOr(defaultGuard.RetryAfter, raw.RetryAfter),
		MaxRetryAfter: durationOr(defaultGuard.MaxRetryAfter, raw.MaxRetryAfter),
	}
	if raw.MaxRefusals != nil {
		guard.MaxRefusals = *raw.MaxRefusals
	}
	if at := key.Field("account"); r.IsSet(at) && !r.Invalid(at) && !accountName.MatchString(raw.Account) {
		r.Add(at, "must be a name of letters, digits, `-`, `_` and `.`, such as site-a")
	}
	if at := key.Field("max_refusals"); guard.MaxRefusals < 1 && !r.Invalid(at) {
		r.Add(at, "must be 1 or more")
	}
	if at := key.Field("retry_after"); guard.RetryAfter <= 0 && !r.Invalid(at) {
		r.Add(at, "must be longer than 0s")
	}
	if guard.MaxRetryAfter < guard.RetryAfter {
		if at := key.Field("max_retry_after"); raw.MaxRetryAfter != nil && !r.Invalid(at) {
			r.Add(at, "must be at least retry_after, which is %s", model.Duration(guard.RetryAfter))
		}
		guard.MaxRetryAfter = guard.RetryAfter
	}
	return guard
}
