package probe

import (
	"crypto/x509"
	"errors"
	"fmt"

	"session_exporter/config"
)

// advise says what to do about a finding.
func advise(f *finding, e *config.Endpoint) string {
	secret := e.Credential.Secret
	oauth := byOAuth(f)
	switch {
	case f.state == TLSFailed:
		return adviseTLS(f)
	case f.x != nil && f.x.refusedByProxy():
		return "Put the proxy's user and password into `proxy_url`, or into `proxy_connect_header`."
	case f.x != nil && f.x.notThroughProxy():
		return "Look at the proxy's rules and log, and check `proxy_url` and `no_proxy`: it does not lead to this appliance."
	case oauth && oauthAdvice[f.state] != "":
		return oauthAdvice[f.state]
	case f.refusedAtOnce && f.auth == config.AuthLogin:
		return "Look at the appliance's health: nodes behind a load balancer that do not share sessions behave like this, and so does a clock that is far off."
	case f.state == CredentialsRejected && e.Credential.Auth == config.AuthToken:
		return "Obtain a new token. " + put("it", secret)
	case f.state == CredentialsRejected:
		return fmt.Sprintf("Either the password in %s is not the account's any more, or the account is locked or disabled: the API does not say which. Put the right one there, and unlock the account if need be.", secret)
	case f.state == LoginSuspended && f.suspension == nil:
		return "Wait for the next probe. If this goes on, look for the endpoint of this credential that does not answer logins."
	case f.state == LoginSuspended:
		return fmt.Sprintf("If the appliance has locked the account, unlock it. %s", put("the right secret", secret))
	case f.state == CredentialMissing && f.x != nil:
		return "Provide the file. It is read again at the next probe, without a restart."
	case f.state == CredentialMissing:
		return put("the right secret", secret)
	case f.state == SessionExpired && e.Credential.OAuth2 != nil:
		return "The authorization server gives tokens that this appliance does not accept: compare their audience, scopes and issuer with what the appliance trusts, and both clocks."
	case f.state == SessionExpired && f.auth != config.AuthLogin:
		return "Obtain a new token. " + put("it", secret)
	case f.state == Unreachable && !f.x.written.IsZero():
		return "Look at the appliance's health and logs, and at what stands in front of it: something closes connections without an answer."
	}
	return advice[f.state]
}

// put says how to give a credential another secret.
func put(what string, secret config.SecretSource) string {
	switch {
	case secret.File != "":
		return fmt.Sprintf("Put %s into %s: it is used at the next probe, without a restart.", what, secret)
	case secret.Env != "":
		return fmt.Sprintf("Put %s into %s, and restart the exporter.", what, secret)
	default:
		return fmt.Sprintf("Put %s into the configuration, and reload it.", what)
	}
}

// advice by state, for those that need no further look.
var advice = map[State]string{
	Unexpected:      "Compare the account's user, roles and organizations on the appliance with `expect` of this endpoint, and correct whichever is wrong.",
	Forbidden:       "The credential is right, its rights are not: give the account a role on the appliance that may read its own session.",
	SessionExpired:  "Look at the appliance's session settings and health.",
	RateLimited:     "Probe less often (`interval`), or find out who else asks this appliance so often.",
	BadRequest:      "Compare the API's version with what this exporter speaks, and check `login` and `http_headers` of the module.",
	ServerError:     "Look at the appliance's health and logs. If logins fail while checks work, its sessions may be exhausted.",
	InvalidResponse: "Check `url` and its base path, and what stands in front of the appliance: a proxy, a login page, a maintenance page.",
	Unreachable:     "Check that the appliance is on, that its name resolves, and that the network in between lets us through.",
	Timeout:         "Check the appliance's load and the network in between. Raise `timeout` if the appliance is healthy and slow.",
}

// oauthAdvice is the advice where it was the authorization server that was
// asked.
var oauthAdvice = map[State]string{
	CredentialsRejected: "Check the client's id and secret, and whether the authorization server still knows the client.",
	Forbidden:           "Check whether the authorization server lets this client use the client credentials grant.",
	RateLimited:         "Find out who else asks the authorization server so often.",
	BadRequest:          "Check `scopes` and `endpoint_params` of `oauth2`.",
	ServerError:         "Look at the authorization server's health and logs.",
	InvalidResponse:     "Check `token_url`, and what stands in front of the authorization server: a proxy, a login page, a maintenance page.",
	Unreachable:         "Check that the authorization server is up, that its name resolves, and that the network in between lets us through.",
	Timeout:             "Check the authorization server's load and the network in between.",
}

// adviseTLS tells the ways apart in which no trusted connection comes about.
func adviseTLS(f *finding) string {
	host := f.x.url.Hostname()
	if atProxy(f.x.err) {
		host = "the proxy"
	}
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](f.x.err)
	_, isUnknown := errors.AsType[x509.UnknownAuthorityError](f.x.err)
	_, isOther := errors.AsType[x509.HostnameError](f.x.err)
	switch {
	case isInvalid && invalid.Reason == x509.Expired:
		return fmt.Sprintf("Renew the certificate of %s. If it is good, correct the clock of this host.", host)
	case isUnknown:
		return fmt.Sprintf("Name the issuer of the certificate of %s in `tls_config.ca_file`, or give it a certificate whose issuer is trusted here.", host)
	case isOther:
		return "Use a name in the URL that the certificate is for, or say in `tls_config.server_name` which one to look for."
	case isInvalid:
		return fmt.Sprintf("Replace the certificate of %s.", host)
	default:
		return "Check that this port speaks TLS, and in a version that is allowed here. If it asks for a client certificate, give one in `tls_config.cert_file` and `tls_config.key_file`."
	}
}
