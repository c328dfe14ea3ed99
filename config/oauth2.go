package config

import (
	"maps"
	"slices"

	"session_exporter/internal/strictyaml"
	"session_exporter/secret"
)

// oauth2 checks an oauth2 block. It returns the client secret separately.
func (r *resolver) oauth2(key strictyaml.Key, raw *rawOAuth2) (block *OAuth2, clientSecret secret.Source) {
	if raw == nil {
		return nil, secret.Source{}
	}
	if raw.ClientID == "" {
		r.Require(key, "client_id", "needs a `client_id`")
	}
	r.checkTokenURL(key, raw.TokenURL)
	r.checkGrant(key, raw.GrantType)
	if _, again := raw.EndpointParams["scope"]; again && len(raw.Scopes) > 0 {
		r.Add(key.Field("endpoint_params").Field("scope"), "conflicts with `scopes`; keep one of them")
	}
	block = &OAuth2{
		ClientID:       raw.ClientID,
		TokenURL:       raw.TokenURL,
		AuthStyle:      r.authStyle(key, raw),
		Scopes:         raw.Scopes,
		EndpointParams: raw.EndpointParams,
		HTTP:           HTTP{TLS: raw.TLSConfig, Proxy: raw.ProxyConfig, files: r.files},
	}
	r.tls(key.Field("tls_config"), &block.HTTP.TLS)
	block.HTTP.TLSFiles = fingerprint(r.files, tlsFiles(&block.HTTP.TLS))
	r.checkProxy(key, block.HTTP.Proxy)
	return block, r.clientSecret(key, raw)
}

func (r *resolver) clientSecret(key strictyaml.Key, raw *rawOAuth2) secret.Source {
	source := r.fileSource(raw.ClientSecretFile)
	if source.File != "" {
		r.checkSecret(key.Field("client_secret_file"), raw.ClientSecretFile, source)
	}
	if !raw.ClientSecret.IsZero() {
		source.Inline = raw.ClientSecret
	}
	switch {
	case source == secret.Source{}:
		if !r.Invalid(key.Field("client_secret_file")) && !r.Invalid(key.Field("client_secret_ref")) {
			r.Require(key, "client_secret", "needs a `client_secret_file` or a `client_secret`")
		}
	case source.File != "" && source.Inline != secret.Secret{}:
		r.Add(key.Field("client_secret_file"), "conflicts with `client_secret`; keep one of them")
	}
	return source
}

func (r *resolver) checkTokenURL(block strictyaml.Key, text string) {
	key := block.Field("token_url")
	u, ok := httpURL(text)
	switch {
	case text == "":
		r.Require(block, "token_url", "needs a `token_url`")
	case !ok:
		r.Add(key, "must be the URL of the token endpoint, such as https://sso.example.com/token")
	case u.User != nil:
		r.Add(key, userinfoAdvice+"`client_id` and `client_secret_file`")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		// It would be shown with the address.
		r.Add(key, "must not have a query or fragment; remove what follows `?` or `#`, and put parameters into `endpoint_params`")
	}
}

// authStyle returns how the client authenticates. Parameters with the client's
// credentials must not be set twice.
func (r *resolver) authStyle(key strictyaml.Key, raw *rawOAuth2) AuthStyle {
	switch raw.AuthStyle {
	case "":
		return AuthStyleHeader
	case AuthStyleHeader:
	case AuthStyleParams:
		for _, name := range slices.Sorted(maps.Keys(raw.EndpointParams)) {
			if name == "client_id" || name == "client_secret" {
				r.Add(key.Field("endpoint_params").Field(name), "`auth_style: params` sends the block's own `%s`; remove it here", name)
			}
		}
	default:
		r.Add(key.Field("auth_style"), "must be one of: header, params")
	}
	return raw.AuthStyle
}

// checkGrant rejects the other grants of Prometheus' block.
func (r *resolver) checkGrant(key strictyaml.Key, grant grantType) {
	if grant != "" && grant != clientCredentials {
		r.Add(key.Field("grant_type"), "must be client_credentials, the only supported grant")
	}
	for _, name := range []string{
		"audience", "claims", "iss", "signature_algorithm", "client_certificate_key_id",
		"client_certificate_key", "client_certificate_key_file", "client_certificate_key_ref",
	} {
		if at := key.Field(name); r.IsSet(at) && !r.Invalid(at) {
			r.Add(at, "belongs to the jwt-bearer grant, which is not supported; remove it")
		}
	}
	r.refuseRef(key.Field("client_secret_ref"), "client_secret_file")
}
