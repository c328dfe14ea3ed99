package config

import (
	promconfig "github.com/prometheus/common/config"
)

// oauth2 checks an oauth2 block and takes the client secret out of it, so that
// it has one place, and that one does not print it.
func (l *loader) oauth2(key string, block *promconfig.OAuth2) SecretSource {
	if block == nil {
		return SecretSource{}
	}
	if block.ClientID == "" {
		l.needs(key, "client_id", "needs a `client_id`")
	}
	l.checkTokenURL(key, block.TokenURL)
	l.checkGrant(key, block.GrantType)
	if _, again := block.EndpointParams["scope"]; again && len(block.Scopes) > 0 {
		l.add(join(join(key, "endpoint_params"), "scope"), "the block has `scopes` already; keep one of them")
	}
	l.tls(join(key, "tls_config"), &block.TLSConfig)
	l.checkProxy(key, block.ProxyConfig)

	source := SecretSource{File: l.readable(join(key, "client_secret_file"), block.ClientSecretFile)}
	block.ClientSecretFile = source.File
	if block.ClientSecret != "" {
		source.Inline = NewSecret(string(block.ClientSecret))
		block.ClientSecret = ""
	}
	switch {
	case source == SecretSource{}:
		if !l.wrong[join(key, "client_secret_file")] && !l.wrong[join(key, "client_secret_ref")] {
			l.needs(key, "client_secret", "needs a `client_secret_file` or a `client_secret`")
		}
	case source.File != "" && source.Inline != Secret{}:
		l.add(join(key, "client_secret_file"), "the block has `client_secret` already; keep one of them")
	}
	return source
}

func (l *loader) checkTokenURL(block, text string) {
	key := join(block, "token_url")
	u, ok := httpURL(text)
	switch {
	case text == "":
		l.needs(block, "token_url", "needs a `token_url`")
	case !ok:
		l.add(key, "must be the address of the token endpoint, such as https://sso.example.com/token")
	case u.User != nil:
		l.add(key, userinfoAdvice+"`client_id` and `client_secret_file`")
	}
}

// checkGrant refuses what the block can say and what would mean nothing here.
func (l *loader) checkGrant(key, grant string) {
	if grant != "" && grant != "client_credentials" {
		l.add(join(key, "grant_type"), "must be client_credentials, the only grant there is here")
	}
	for _, name := range []string{
		"audience", "claims", "iss", "signature_algorithm", "client_certificate_key_id",
		"client_certificate_key", "client_certificate_key_file", "client_certificate_key_ref",
	} {
		if at := join(key, name); l.said(at) && !l.wrong[at] {
			l.add(at, "belongs to the jwt-bearer grant, which there is not here; remove it")
		}
	}
	l.refuseRef(join(key, "client_secret_ref"), "client_secret_file")
}

// refuseRef refuses a reference to a secret manager.
func (l *loader) refuseRef(key, instead string) {
	if l.said(key) && !l.wrong[key] {
		l.add(key, "there is no secret manager here; use `%s`", instead)
	}
}
