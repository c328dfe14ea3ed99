package probe

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"session_exporter/config"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// advise returns what to do about an outcome.
func advise(o *outcome, e *config.Endpoint) string {
	source := e.Credential.Secret
	switch {
	case o.exchange != nil && o.exchange.NeedsHTTP2():
		return adviseHTTP2(o)
	case o.state == sessionapi.TLSFailed:
		return adviseTLS(o)
	case o.exchange != nil && o.exchange.RefusedByProxy():
		return "Put the proxy's user and password into `proxy_url`, or into `proxy_connect_header`."
	case o.exchange != nil && o.exchange.NotThroughProxy():
		return "Check the proxy's rules and log, and `proxy_url` and `no_proxy`: the proxy does not connect to this appliance."
	case o.state == sessionapi.Unreachable && o.exchange.Written.IsZero() && !o.exchange.InHandshake:
		return adviseUnreachable(o, e)
	case o.byOAuth() && o.state == sessionapi.CredentialsRejected:
		return adviseExchange(o, e.Credential)
	case o.byOAuth() && o.state == sessionapi.BadRequest:
		return adviseTokenRequest(o, e.Credential.OAuth2)
	case o.byOAuth() && oauthAdvice[o.state] != "":
		return oauthAdvice[o.state]
	case o.refusedImmediately && o.endpoint.Auth == sessionapi.AuthLogin:
		return "Check the appliance's health: load-balanced nodes that do not share sessions can cause this, and so can a wrong clock."
	case o.state == sessionapi.CredentialsRejected && e.Credential.Auth == sessionapi.AuthToken,
		o.state == sessionapi.SessionExpired && e.Credential.OAuth2 == nil && o.endpoint.Auth != sessionapi.AuthLogin:
		return "Obtain a new token. " + put("it", source)
	case o.state == sessionapi.CredentialsRejected:
		return adviseRejected(o, source)
	case o.state == sessionapi.LoginSuspended:
		return adviseSuspended(o, e.Credential)
	case o.state == sessionapi.CredentialMissing && o.exchange != nil:
		return "Provide or correct the file. It is read again at the next probe."
	case o.state == sessionapi.CredentialMissing && e.Credential.OAuth2 != nil && e.Credential.OAuth2.ClientSecret != (secret.Source{}):
		return "Correct the source that the diagnosis names. Files are read again at the next probe."
	case o.state == sessionapi.CredentialMissing:
		return put("the right secret", source)
	case o.state == sessionapi.SessionExpired && e.Credential.OAuth2 != nil:
		return "The authorization server issues tokens that this appliance does not accept: compare their audience, scopes and issuer with those that the appliance trusts, and compare both clocks."
	case o.state == sessionapi.Forbidden && o.exchange.step == sessionapi.Login:
		return "The credential is right, but its permissions are not: give the account a role on the appliance that permits logins."
	case o.state == sessionapi.BadRequest && o.exchange.carriesSecret(o.endpoint.Auth):
		return "Check that this exporter supports the API's version, and check `login` and `http_headers` of the module. Some APIs refuse a password in this way: check the password too, and that the account is not locked."
	case o.state == sessionapi.Unreachable && o.exchange.InHandshake:
		return "Check that this port speaks TLS, and that no firewall or load balancer in front of the appliance closes the connection."
	case o.state == sessionapi.Unreachable && !o.exchange.Written.IsZero():
		return "Check the appliance's health and logs, and any proxy or firewall in front of it: connections are closed without a response."
	}
	return o.state.Info().Advice
}

func adviseSuspended(o *outcome, c *config.Credential) string {
	switch {
	case o.suspension == nil && c.OAuth2 != nil:
		return "Wait for the next probe. If this persists, check the authorization server's load and the network."
	case o.suspension == nil:
		return "Wait for the next probe. If this persists, find the endpoint of this credential that does not respond to logins."
	case c.OAuth2 != nil && c.OAuth2.GrantType.TakesToken():
		return adviseNewToken(c)
	default:
		return "If the account is locked, unlock it. " + put("the right secret", c.Secret)
	}
}

// adviseHTTP2 names the setting that offers HTTP/2. Token requests have none, and HTTP/2
// requires TLS.
func adviseHTTP2(o *outcome) string {
	switch {
	case o.byOAuth():
		return "Enable HTTP/1.1 on the authorization server: token requests do not use HTTP/2."
	case o.exchange.URL.Scheme == "http":
		return "Use an https URL and set `enable_http2: true` for the endpoint or its module: HTTP/2 requires TLS. Or enable HTTP/1.1 on the server."
	default:
		return "Set `enable_http2: true` for the endpoint or its module."
	}
}

func adviseRejected(o *outcome, source secret.Source) string {
	if o.interpretation.AccountUnusable() && !o.interpretation.SecretWrong() {
		return "Unlock or enable the account. If its password has expired, change it. " + put("the changed password", source)
	}
	if source.Typed {
		return "The password was mistyped, or the account is locked or disabled (the API doesn't say which). Try once more; unlock the account if necessary."
	}
	update := fmt.Sprintf("Update %s", source)
	switch {
	case source.IsCopy():
		update = "Update the original of this file and restart the exporter"
	case source.File != "":
		update = "Update the file"
	case source.Env != "":
		update += " and restart the exporter"
	}
	doubt := " (the API doesn't say which)"
	if o.interpretation.AccountUnusable() {
		doubt = ""
	}
	return fmt.Sprintf("The password in %s is out of date, or the account is locked or disabled%s. %s; unlock the account if necessary.", source, doubt, update)
}

// adviseUnreachable names the port, which a firewall may block.
func adviseUnreachable(o *outcome, e *config.Endpoint) string {
	server := "the appliance is up"
	switch {
	case o.exchange.FailedAtProxy():
		server = "the proxy is up"
	case o.byOAuth():
		server = "the authorization server is up"
	}
	port := dialedPort(o.exchange)
	if !errors.Is(o.exchange.Err, syscall.ECONNREFUSED) || o.exchange.FailedAtProxy() {
		return fmt.Sprintf("Check that %s, that its name resolves, and that no firewall blocks port %s from this host.", server, port)
	}
	advice := fmt.Sprintf("Check that %s, that its service listens on port %s, and that no firewall rejects connections to it.", server, port)
	if usual := e.SessionAPI.Spec().URL.Port; usual != "" && usual != port && !o.byOAuth() {
		advice += fmt.Sprintf(" The API %s is usually on port %s.", e.API, usual)
	}
	return advice
}

// dialedPort returns the port of the server, or of the proxy that was dialed.
func dialedPort(x *exchange) string {
	for err := x.Err; err != nil; err = errors.Unwrap(err) {
		if op, ok := err.(*net.OpError); ok { //nolint:errorlint // the wrapper of a proxy's error has no address
			if addr, ok := op.Addr.(*net.TCPAddr); ok {
				return strconv.Itoa(addr.Port)
			}
		}
	}
	return config.Port(x.URL)
}

// put describes how to give a credential another secret.
func put(what string, source secret.Source) string {
	switch {
	case source.IsCopy():
		return fmt.Sprintf("Put %s into the original of %s, and restart the exporter: systemd copies the file only then.", what, source)
	case source.File != "":
		return fmt.Sprintf("Put %s into %s. The next probe uses it, without a restart.", what, source)
	case source.Env != "":
		return fmt.Sprintf("Put %s into %s, and restart the exporter.", what, source)
	case source.Typed:
		return fmt.Sprintf("Start again with %s.", what)
	default:
		return fmt.Sprintf("Put %s into the configuration, and reload it.", what)
	}
}

// oauthAdvice is the advice on token requests.
var oauthAdvice = map[sessionapi.State]string{
	sessionapi.Forbidden:       "Check that the authorization server permits this grant to this client.",
	sessionapi.RateLimited:     "Find the other clients that send requests to the authorization server.",
	sessionapi.ServerError:     "Check the authorization server's health and logs.",
	sessionapi.InvalidResponse: "Check `token_url`, and anything in front of the authorization server: a proxy, a login page, a maintenance page.",
	sessionapi.Unreachable:     "Check the authorization server's health and logs, and any proxy or firewall in front of it.",
	sessionapi.Timeout:         "Check the authorization server's load and the network.",
}

// refusedClient reports whether a token request was refused because of its client.
func refusedClient(o *outcome, c *config.Credential) bool {
	switch o.interpretation.Code {
	case "invalid_client", "unauthorized_client":
		return c.OAuth2.ClientID != ""
	}
	return c.OAuth2.GrantType == config.GrantClientCredentials
}

// exchangedAs names what a token request presented.
func exchangedAs(o *outcome, c *config.Credential) string {
	grant, client := c.OAuth2.GrantType, fmt.Sprintf("the OAuth 2.0 client %q", c.OAuth2.ClientID)
	if refusedClient(o, c) {
		return client
	}
	text := fmt.Sprintf("the %s from %s", grant.SecretKind(), c.Secret)
	switch {
	case grant == config.GrantPassword:
		text = fmt.Sprintf("the password of %q from %s", c.Username, c.Secret)
	case grant == config.GrantJWTBearer:
		return fmt.Sprintf("the assertion of %s, which the key from %s signed", client, c.Secret)
	case o.exchange.exchanged != nil && !o.exchange.exchanged.issuedAt.IsZero():
		text = fmt.Sprintf("the refresh token that replaced the one from %s at %s", c.Secret, clockTime(o.exchange.exchanged.issuedAt))
	}
	if o.interpretation.Code == "" && grant.AuthenticatesClient() {
		text += ", or " + client
	}
	return text
}

// whyRefused explains the refusal of a token that was to be exchanged, as a further
// sentence. It returns an empty string for any other refusal.
func whyRefused(o *outcome, c *config.Credential) string {
	switch token := o.exchange.exchanged; {
	case token == nil || refusedClient(o, c):
		return ""
	case !token.expires.IsZero() && token.expires.Before(o.exchange.Start):
		return fmt.Sprintf(" It expired at %s.", clockTime(token.expires))
	case c.OAuth2.GrantType == config.GrantVCFAPIToken:
		return " The API token has expired or was revoked, or belongs to another identity broker."
	case !token.issuedAt.IsZero():
		return " It has expired or was revoked, or a response with its replacement was lost."
	default:
		return " It has expired, was revoked, or was used before. A server may accept a refresh token only once and replace it: " +
			"the exporter keeps the replacement in memory, and loses it at a restart."
	}
}

// adviseExchange returns the advice on a refused token request.
func adviseExchange(o *outcome, c *config.Credential) string {
	switch grant := c.OAuth2.GrantType; {
	case refusedClient(o, c) && o.interpretation.Code == "unauthorized_client":
		return oauthAdvice[sessionapi.Forbidden]
	case refusedClient(o, c) && grant.AuthenticatesClient():
		return "Check the client's ID and secret, and that the client still exists on the authorization server." + adviseAuthStyle(o, c.OAuth2.AuthStyle)
	case grant == config.GrantJWTBearer:
		return "Check that the authorization server has the key's certificate, compare `iss`, `audience` and `claims` with what it expects, and compare both clocks."
	case grant == config.GrantPassword:
		advice := adviseRejected(o, c.Secret)
		if o.interpretation.Code == "" {
			advice += " Check the client's ID and secret, too." + adviseAuthStyle(o, c.OAuth2.AuthStyle)
		}
		return advice
	default:
		return adviseNewToken(c)
	}
}

func adviseNewToken(c *config.Credential) string {
	if c.OAuth2.GrantType == config.GrantVCFAPIToken {
		return "Create a new API token. " + put("it", c.Secret)
	}
	return "Obtain a new refresh token. " + put("it", c.Secret) + " If the server replaces refresh tokens, turn that off for this client, or use another grant."
}

// adviseTokenRequest returns the advice on a token request that was malformed.
func adviseTokenRequest(o *outcome, settings *config.OAuth2) string {
	switch {
	case o.interpretation.Code == "unsupported_grant_type":
		return "Check `token_url` and `grant_type` of `oauth2`: the server does not offer this grant there."
	case settings.GrantType.AuthenticatesClient():
		return "Check the client's ID and secret, and `scopes` and `endpoint_params` of `oauth2`." + adviseAuthStyle(o, settings.AuthStyle)
	default:
		return fmt.Sprintf("Check the %s, and `token_url`, `scopes` and `endpoint_params` of `oauth2`.", settings.GrantType.SecretKind())
	}
}

// adviseAuthStyle suggests the other way to authenticate the client if the response
// to a token request may mean that the server did not find the client's secret.
func adviseAuthStyle(o *outcome, style config.AuthStyle) string {
	rejected := o.state == sessionapi.CredentialsRejected && (o.interpretation.Code == "invalid_client" || o.interpretation.Code == "")
	missed := o.state == sessionapi.BadRequest && (o.interpretation.Code == "invalid_request" || o.interpretation.Code == "")
	switch {
	case !rejected && !missed:
		return ""
	case style == config.AuthStyleParams:
		return " If the server accepts them only in the header, set `auth_style: header`."
	default:
		return " If the server accepts them only in the form, set `auth_style: params`."
	}
}

// adviseTLS distinguishes the reasons why a TLS connection fails.
func adviseTLS(o *outcome) string {
	host := o.exchange.URL.Hostname()
	if o.exchange.FailedAtProxy() {
		host = "the proxy"
	}
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](o.exchange.Err)
	_, isUnknown := errors.AsType[x509.UnknownAuthorityError](o.exchange.Err)
	_, isOtherName := errors.AsType[x509.HostnameError](o.exchange.Err)
	switch {
	case isInvalid && invalid.Reason == x509.Expired:
		return fmt.Sprintf("Renew the certificate of %s. If the certificate is valid, correct the clock of this host.", host)
	case isUnknown:
		return fmt.Sprintf("Add the CA that issued %s's certificate to `tls_config.ca_file`, or install a certificate signed by a trusted CA.", host)
	case isOtherName:
		return "Use a name in the URL that the certificate covers, or set `tls_config.server_name` to one that it covers."
	case isInvalid:
		return fmt.Sprintf("Replace the certificate of %s.", host)
	default:
		return "Check that this port speaks TLS, in a version that `tls_config` allows. If the server requires a client certificate, set `tls_config.cert_file` and `tls_config.key_file`."
	}
}
