package config

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"

	"session_exporter/internal/strictyaml"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// grantTypes are all grants, in the order of the documentation.
var grantTypes = []GrantType{GrantClientCredentials, GrantPassword, GrantRefreshToken, GrantVCFAPIToken, GrantJWTBearer}

// TakesPassword reports whether the grant exchanges the entry's username and password.
func (g GrantType) TakesPassword() bool { return g == GrantPassword }

// TakesToken reports whether the grant exchanges the entry's token.
func (g GrantType) TakesToken() bool { return g == GrantRefreshToken || g == GrantVCFAPIToken }

// AuthenticatesClient reports whether the client authenticates with a secret.
func (g GrantType) AuthenticatesClient() bool { return g != GrantVCFAPIToken && g != GrantJWTBearer }

// SecretKind names what the grant exchanges.
func (g GrantType) SecretKind() string {
	switch g {
	case GrantPassword:
		return "password"
	case GrantRefreshToken:
		return "refresh token"
	case GrantVCFAPIToken:
		return "API token"
	case GrantJWTBearer:
		return "private key"
	default:
		return "client secret"
	}
}

// grantParameters are the parameters that a token request has because of its grant, and that
// `endpoint_params` must not set. With GrantClientCredentials, `endpoint_params` may replace
// even the grant.
var grantParameters = map[GrantType][]string{
	GrantPassword:     {"grant_type", "username", "password"},
	GrantRefreshToken: {"grant_type", "refresh_token"},
	GrantVCFAPIToken:  {"grant_type", "api_token"},
	GrantJWTBearer:    {"grant_type", "assertion"},
}

// oauth2 checks an oauth2 block. It returns the secret that the block itself has for its
// grant.
func (r *resolver) oauth2(key strictyaml.Key, raw *rawOAuth2) (block *OAuth2, own secret.Source) {
	if raw == nil {
		return nil, secret.Source{}
	}
	block = &OAuth2{
		GrantType:      cmp.Or(raw.GrantType, GrantClientCredentials),
		ClientID:       raw.ClientID,
		TokenURL:       raw.TokenURL,
		AuthStyle:      raw.AuthStyle,
		Scopes:         raw.Scopes,
		EndpointParams: raw.EndpointParams,
		HTTP:           HTTP{TLS: raw.TLSConfig, Proxy: raw.ProxyConfig, files: r.files},
	}
	r.checkTokenURL(key, raw.TokenURL)
	r.tls(key.Field("tls_config"), &block.HTTP.TLS)
	block.HTTP.TLSFiles = fingerprint(r.files, tlsFiles(&block.HTTP.TLS))
	r.checkProxy(key, block.HTTP.Proxy)
	r.rejectRef(key.Field("client_secret_ref"), "client_secret_file")
	r.rejectRef(key.Field("client_certificate_key_ref"), "client_certificate_key_file")
	if at := key.Field("grant_type"); !slices.Contains(grantTypes, block.GrantType) {
		r.Add(at, "must be one of: %s", strictyaml.Join(grantTypes))
		return block, secret.Source{}
	}
	r.checkForeignKeys(key, block.GrantType)
	clientSecret := r.clientSecret(key, raw, block)
	switch block.GrantType {
	case GrantClientCredentials:
		own = clientSecret
	case GrantJWTBearer:
		block.Assertion, own = r.assertion(key, raw)
	default:
		block.ClientSecret = clientSecret
	}
	r.checkParams(key, raw, block)
	return block, own
}

// checkForeignKeys rejects the keys of other grants, which would have no effect.
func (r *resolver) checkForeignKeys(key strictyaml.Key, grant GrantType) {
	reject := func(reason string, names ...string) {
		for _, name := range names {
			if at := key.Field(name); r.IsSet(at) && !r.Invalid(at) {
				r.Add(at, "%s", reason)
			}
		}
	}
	client := []string{"client_secret", "client_secret_file", "client_secret_env", "auth_style"}
	switch grant {
	case GrantVCFAPIToken:
		reject("is not sent with this `grant_type`, which has no client; remove it", append(client, "client_id")...)
	case GrantJWTBearer:
		reject("is not sent with this `grant_type`, which authenticates by `client_certificate_key`; remove it", client...)
		return
	}
	reject("belongs to another grant; remove it, or set `grant_type: "+string(GrantJWTBearer)+"`",
		"client_certificate_key", "client_certificate_key_file", "client_certificate_key_id",
		"signature_algorithm", "iss", "audience", "claims")
}

// clientSecret checks the client of a grant, and returns its secret. A public client has
// none, and is identified in the form unless the file asks for the header.
func (r *resolver) clientSecret(key strictyaml.Key, raw *rawOAuth2, block *OAuth2) secret.Source {
	if block.GrantType != GrantVCFAPIToken && raw.ClientID == "" {
		r.Require(key, "client_id", "needs a `client_id` with this `grant_type`")
	}
	if !block.GrantType.AuthenticatesClient() {
		return secret.Source{}
	}
	if at := key.Field("auth_style"); raw.AuthStyle != "" && raw.AuthStyle != AuthStyleHeader && raw.AuthStyle != AuthStyleParams {
		r.Add(at, "must be one of: header, params")
	}
	source := r.singleSource(key, r.choices(key, "client_secret", raw.ClientSecret, raw.ClientSecretFile, raw.ClientSecretEnv))
	if source != (secret.Source{}) {
		block.AuthStyle = cmp.Or(block.AuthStyle, AuthStyleHeader)
		return source
	}
	if block.GrantType == GrantClientCredentials && !r.anyInvalid(key, "client_secret", "client_secret_file", "client_secret_env", "client_secret_ref") {
		r.Require(key, "client_secret", "needs the client's secret in `client_secret_file`, `client_secret` or `client_secret_env`")
	}
	block.AuthStyle = cmp.Or(block.AuthStyle, AuthStyleParams)
	return source
}

// assertion checks the settings of the jwt-bearer grant, and returns them with the source
// of the private key.
func (r *resolver) assertion(key strictyaml.Key, raw *rawOAuth2) (*Assertion, secret.Source) {
	from := raw.Assertion
	algorithm := cmp.Or(from.SignatureAlgorithm, signatureAlgorithms[0])
	a := &Assertion{
		Algorithm: string(algorithm),
		KeyID:     from.ClientCertificateKeyID,
		Issuer:    cmp.Or(from.Issuer, raw.ClientID),
		Audience:  cmp.Or(from.Audience, raw.TokenURL),
	}
	if !slices.Contains(signatureAlgorithms, algorithm) {
		r.Add(key.Field("signature_algorithm"), "must be one of: %s", strictyaml.Join(signatureAlgorithms))
	}
	for _, name := range slices.Sorted(maps.Keys(from.Claims)) {
		at := key.Field("claims").Field(name)
		if !r.IsSet(at) {
			r.Add(at, "%s", valueless)
			continue
		}
		value, err := from.Claims[name].Value()
		if err == nil {
			_, err = json.Marshal(value)
		}
		if err != nil {
			r.Add(at, "cannot be written as JSON; use text, numbers, true, false, lists and blocks")
			continue
		}
		if a.Claims == nil {
			a.Claims = make(map[string]any, len(from.Claims))
		}
		a.Claims[name] = value
	}
	keyFile := r.fileSource(key.Field("client_certificate_key_file"), from.ClientCertificateKeyFile)
	keyFile.Lines = keyFile.File != ""
	source := r.singleSource(key, []sourceChoice{
		{"client_certificate_key", secret.Source{Inline: from.ClientCertificateKey}, ""},
		{"client_certificate_key_file", keyFile, from.ClientCertificateKeyFile},
	})
	if source == (secret.Source{}) && !r.anyInvalid(key, "client_certificate_key", "client_certificate_key_file", "client_certificate_key_ref") {
		r.Require(key, "client_certificate_key", "needs a `client_certificate_key_file` or a `client_certificate_key` with this `grant_type`")
	}
	r.checkKey(key, source)
	return a, source
}

// checkKey checks that the private key can sign, if it can be read.
func (r *resolver) checkKey(key strictyaml.Key, source secret.Source) {
	private, err := source.Read()
	if err != nil {
		return // reported
	}
	problem := sessionapi.KeyProblem(private)
	switch at := key.Field("client_certificate_key"); {
	case problem == "" || r.Invalid(at):
	case source.File != "":
		at = key.Field("client_certificate_key_file")
		r.Report(MissingSecret, at, r.Position(at), problem)
	default:
		r.Add(at, "%s", problem)
	}
}

// valueless is the error of a key without a value. If the space after a colon is missing,
// the key includes what should be its value, a secret: /config would show it.
const valueless = "has no value; is a space missing after a colon?"

// checkParams checks that every parameter has a value, and that none is set twice.
func (r *resolver) checkParams(key strictyaml.Key, raw *rawOAuth2, block *OAuth2) {
	params := key.Field("endpoint_params")
	if _, isSet := raw.EndpointParams["scope"]; isSet && len(raw.Scopes) > 0 {
		r.Add(params.Field("scope"), "conflicts with `scopes`; keep one of them")
	}
	own := grantParameters[block.GrantType]
	if block.AuthStyle == AuthStyleParams {
		own = slices.Concat(own, []string{"client_id", "client_secret"})
	}
	for _, name := range slices.Sorted(maps.Keys(raw.EndpointParams)) {
		switch at := params.Field(name); {
		case !r.IsSet(at):
			r.Add(at, "%s", valueless)
		case slices.Contains(own, name):
			r.Add(at, "is a parameter that the block itself sends; remove it")
		case name == "grant_type":
			r.Warn(at, "replaces the grant, but the lockout guard protects only the client's secret; set the key `grant_type` instead")
		}
	}
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
