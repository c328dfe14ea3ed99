package config

import (
	"regexp"
	"slices"

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
		var own secret.Source
		c.OAuth2, own = r.oauth2(key.Field("oauth2"), raw.OAuth2)
		c.Secret, c.Auth = r.secret(key, raw, c.OAuth2, own)
		if raw.Expires != nil {
			c.Expires = raw.Expires.Time
		}
		r.checkUsername(key, c)
		r.checkExpiry(key, raw, c.Secret)
		r.credentials[name] = c
	}
}

// sourceChoice is one of the keys that a secret may come from.
type sourceChoice struct {
	key    string
	source secret.Source
	file   string // as in the configuration
}

// choices returns the keys that a secret may come from, name, name_file and name_env, with
// their sources.
func (r *resolver) choices(block strictyaml.Key, name string, inline secret.Secret, file, env string) []sourceChoice {
	return []sourceChoice{
		{name, secret.Source{Inline: inline}, ""},
		{name + "_file", r.fileSource(block.Field(name+"_file"), file), file},
		{name + "_env", secret.Source{Env: env}, ""},
	}
}

// singleSource returns the source that is set, or the zero Source, and checks that it is the
// only one and can be read.
func (r *resolver) singleSource(block strictyaml.Key, choices []sourceChoice) secret.Source {
	given := slices.DeleteFunc(choices, func(c sourceChoice) bool {
		return c.source == (secret.Source{}) && !r.Invalid(block.Field(c.key))
	})
	if len(given) == 0 {
		return secret.Source{}
	}
	for _, c := range given[1:] {
		r.Add(block.Field(c.key), "conflicts with `%s`; keep one of them", given[0].key)
	}
	for _, c := range given {
		r.checkSource(block.Field(c.key), c.source, c.file)
	}
	return given[0].source
}

// secret returns a credential's only secret and its default authentication, which is empty
// if there is no secret. own is the secret of its oauth2 block, if any.
func (r *resolver) secret(key strictyaml.Key, raw rawCredential, block *OAuth2, own secret.Source) (secret.Source, sessionapi.Auth) {
	passwords := r.choices(key, "password", raw.Password, raw.PasswordFile, raw.PasswordEnv)
	tokens := r.choices(key, "token", raw.Token, raw.TokenFile, raw.TokenEnv)
	first := r.firstSet(key, passwords, tokens)
	switch {
	case block != nil:
		return r.exchangedSecret(key, block, own, passwords, tokens), sessionapi.AuthBearer
	case first == "" && r.Invalid(key.Field("oauth2")):
		return secret.Source{}, sessionapi.AuthBearer
	case first == "":
		r.Require(key, "", "has no secret; give it one of password, password_file, password_env, token, token_file, token_env or oauth2")
		return secret.Source{}, ""
	case slices.ContainsFunc(passwords, func(c sourceChoice) bool { return c.key == first }):
		return r.singleSource(key, slices.Concat(passwords, tokens)), sessionapi.AuthLogin
	default:
		return r.singleSource(key, tokens), sessionapi.AuthToken
	}
}

// firstSet returns the first key that is set, or an empty string.
func (r *resolver) firstSet(block strictyaml.Key, choices ...[]sourceChoice) string {
	for _, c := range slices.Concat(choices...) {
		if c.source != (secret.Source{}) || r.Invalid(block.Field(c.key)) {
			return c.key
		}
	}
	return ""
}

// exchangedSecret returns the secret that a grant exchanges: that of the entry, or the block's
// own.
func (r *resolver) exchangedSecret(key strictyaml.Key, block *OAuth2, own secret.Source, passwords, tokens []sourceChoice) secret.Source {
	wanted, unwanted, hint := []sourceChoice(nil), slices.Concat(passwords, tokens), ""
	switch {
	case r.Invalid(key.Field("oauth2").Field("grant_type")):
		return secret.Source{}
	case block.GrantType.TakesPassword():
		wanted, unwanted = passwords, tokens
	case block.GrantType.TakesToken():
		wanted, unwanted = tokens, passwords
	case r.firstSet(key, passwords) != "":
		hint = ", or set its `grant_type` to password"
	default:
		hint = ", or set its `grant_type` to refresh_token or vcf_api_token"
	}
	kind := block.GrantType.SecretKind()
	if set := r.firstSet(key, unwanted); set != "" && wanted == nil {
		r.Add(key.Field("oauth2"), "conflicts with `%s`; keep one of them%s", set, hint)
	} else if set != "" {
		r.Add(key.Field(set), "is not sent with `grant_type: %s`, which takes a %s; remove it", block.GrantType, kind)
	}
	if wanted == nil {
		return own
	}
	if r.firstSet(key, wanted) == "" {
		r.Require(key, wanted[0].key, "needs the %s in `%s`, `%s` or `%s` for `grant_type: %s`", kind, wanted[1].key, wanted[0].key, wanted[2].key, block.GrantType)
	}
	return r.singleSource(key, wanted)
}

// checkSource checks a source that is set. An empty secret in the configuration itself is an
// error, since it stays empty until a reload.
func (r *resolver) checkSource(key strictyaml.Key, source secret.Source, file string) {
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
	sent := c.Auth == sessionapi.AuthLogin || c.OAuth2 != nil && c.OAuth2.GrantType.TakesPassword()
	switch {
	case c.Auth == "" || r.Invalid(key.Field("oauth2").Field("grant_type")):
	case sent && c.Username == "" && c.OAuth2 != nil:
		r.Require(key, "username", "needs a `username` for `grant_type: %s`", c.OAuth2.GrantType)
	case sent && c.Username == "":
		r.Require(key, "username", "has a password but no `username`")
	case !sent && c.Username != "" && c.OAuth2 != nil:
		r.Add(key.Field("username"), "is only sent with `grant_type: password`; remove it, or set that in `oauth2`")
	case !sent && c.Username != "":
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
		r.Add(at, "counts from the last change of the secret's file, but this secret has no file; use `expires`, or put the secret into a file")
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
		r.Add(at, "must be at most 64 letters, digits, `-`, `_` and `.`, and begin with a letter or digit, as in site-a")
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
