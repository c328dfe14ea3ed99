package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"session_exporter/config"
)

// explain says what a finding means, and what to do about it, to somebody who
// was just called out of bed.
func explain(f *finding, e *config.Endpoint) (diagnosis, advice string) {
	diagnosis, advice = diagnose(f, e), advise(f, e)
	if !f.resumeAt.IsZero() {
		diagnosis += fmt.Sprintf(" Nothing is sent before %s.", f.resumeAt.Format(time.RFC3339))
	}
	return diagnosis, advice
}

func diagnose(f *finding, e *config.Endpoint) string {
	switch f.state {
	case Valid:
		return fmt.Sprintf("The appliance says that %q is logged in.", f.reading.Identity.Username)
	case Unexpected:
		return fmt.Sprintf("%q is logged in, but %s.", f.reading.Identity.Username, strings.Join(f.differences, "; "))
	case Forbidden:
		return fmt.Sprintf("The appliance knows %s and does not allow it to ask (%s).", presentedAs(f, e), f.answered())
	case SessionExpired, CredentialsRejected:
		return diagnoseRefusal(f, e)
	case LoginSuspended:
		return diagnoseSuspension(f, e)
	case CredentialMissing:
		return fmt.Sprintf("Credential %q cannot be used: %s. Nothing was sent.", e.Credential.Name, f.detail)
	case RateLimited:
		return fmt.Sprintf("The appliance answered that it is asked too often (%s).", f.answered())
	case BadRequest:
		return fmt.Sprintf("The appliance calls our %s request malformed (%s).", f.x.step, f.answered())
	case ServerError:
		return fmt.Sprintf("The appliance could not do its work: the %s was answered %s%s.", f.x.step, f.answered(), why(f))
	case InvalidResponse:
		return diagnoseForeign(f, e)
	default:
		return diagnoseFailure(f, e)
	}
}

func diagnoseRefusal(f *finding, e *config.Endpoint) string {
	switch {
	case f.refusedAtOnce:
		return fmt.Sprintf("The appliance accepts the password of %q and then refuses the session that it has just given (%s).", e.Credential.Username, f.answered())
	case f.x.answer.Status < 300 && f.reading.Code == "":
		return fmt.Sprintf("The appliance answered %d, which looks like success, but %s: nobody is logged in with %s.", f.x.answer.Status, f.reading.Why, presentedAs(f, e))
	case f.reading.Why != "" && f.x.answer.Status != http.StatusUnauthorized:
		return fmt.Sprintf("The appliance refused %s: the answer was %s, and %s.", presentedAs(f, e), f.answered(), f.reading.Why)
	case f.reading.Why != "":
		return fmt.Sprintf("The appliance, or a proxy in front of it, refused %s (%s; %s).", presentedAs(f, e), f.answered(), f.reading.Why)
	default:
		return fmt.Sprintf("The appliance refused %s (%s).", presentedAs(f, e), f.answered())
	}
}

// presentedAs names what was presented, and where it came from.
func presentedAs(f *finding, e *config.Endpoint) string {
	c := e.Credential
	switch {
	case c.OAuth2 != nil && f.x.step == Login:
		return fmt.Sprintf("the OAuth 2.0 client %q", c.OAuth2.ClientID)
	case c.OAuth2 != nil:
		return fmt.Sprintf("the bearer token that OAuth 2.0 gave to client %q", c.OAuth2.ClientID)
	case f.x.step == Check && f.auth == config.AuthLogin:
		return fmt.Sprintf("the session of %q", c.Username)
	case c.Auth == config.AuthLogin:
		return fmt.Sprintf("the password of %q, from %s", c.Username, c.Secret)
	case f.auth == config.AuthBearer:
		return fmt.Sprintf("the bearer token from %s", c.Secret)
	default:
		return fmt.Sprintf("the session token from %s", c.Secret)
	}
}

func diagnoseSuspension(f *finding, e *config.Endpoint) string {
	switch {
	case f.suspension == nil:
		return fmt.Sprintf("The secret of credential %q was not sent: %s.", e.Credential.Name, f.detail)
	case f.suspension.refusals > 0:
		return fmt.Sprintf("No login was sent, so that the account is not locked: the secret of credential %q, from %s, was refused %d times in a row.", e.Credential.Name, e.Credential.Secret, f.suspension.refusals)
	default:
		return fmt.Sprintf("No login was sent, so that the account is not locked: this appliance refused the secret of credential %q, from %s.", e.Credential.Name, e.Credential.Secret)
	}
}

func diagnoseForeign(f *finding, e *config.Endpoint) string {
	what := "something that is not the API answered"
	switch status := f.x.answer.Status; {
	case f.x.err != nil:
		return fmt.Sprintf("Something answers at %s that does not speak HTTP properly: %v.", e.URL.Host, f.x.err)
	case f.x.tooLarge:
		return fmt.Sprintf("The %s was answered %d with a body of more than %d KiB, which no session API sends.", f.x.step, status, MaxBody>>10)
	case status >= 300 && status < 400:
		return fmt.Sprintf("The %s was answered %d, a redirect, which is not followed: it would carry the credential elsewhere.", f.x.step, status)
	case status == http.StatusNotFound:
		what = "there is no such API at this address"
	case status < 300:
		what = "that is not this API's answer"
	}
	return fmt.Sprintf("The %s was answered %s%s: %s.", f.x.step, f.answered(), why(f), what)
}

func diagnoseFailure(f *finding, e *config.Endpoint) string {
	host := e.URL.Host
	if f.x.step == Login && e.Credential.OAuth2 != nil {
		host = f.x.url.Host
	}
	switch f.state {
	case Timeout:
		return fmt.Sprintf("%s did not answer the %s completely within %s: %s.", host, f.x.step, e.Timeout, f.x.stage())
	case TLSFailed:
		return fmt.Sprintf("The TLS handshake with %s failed: %v.", host, f.x.err)
	default:
		return fmt.Sprintf("%s cannot be reached: %v.", host, cause(f.x.err))
	}
}

// stage says how far an exchange got.
func (x *exchange) stage() string {
	switch {
	case !x.answered.IsZero():
		return "the answer began and did not end"
	case !x.written.IsZero():
		return "the request was sent and no answer began"
	case x.inHandshake:
		return "the connection was made and the TLS handshake did not end"
	default:
		return "no connection was made"
	}
}

// cause takes the layers off a network error that only repeat the address.
func cause(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		return op.Err
	}
	return err
}

func why(f *finding) string {
	if f.reading.Why == "" {
		return ""
	}
	return ", and " + f.reading.Why
}

// advice by state, for those that need no further look.
var advice = map[State]string{
	Unexpected:        "Compare the account's user, roles and organizations on the appliance with `expect` of this endpoint, and correct whichever is wrong.",
	Forbidden:         "The account is right and its rights are not: give it a role on the appliance that may read its own session.",
	LoginSuspended:    "Put the right password into the secret, which is then tried at once; unlock the account first if the appliance has locked it.",
	CredentialMissing: "Provide the secret; it is read again at the next probe, without a restart.",
	RateLimited:       "Probe less often (`interval`), or find out who else asks this appliance so often.",
	BadRequest:        "Compare the API's version with what this exporter speaks, and check `login` and `http_headers` of the module.",
	ServerError:       "Look at the appliance's health and logs. If logins fail while checks work, its sessions may be exhausted.",
	InvalidResponse:   "Check `url` and its base path, and what stands in front of the appliance: a proxy, a login page, a maintenance page.",
	Unreachable:       "Check that the appliance is on, its name resolves, and the network in between lets us through.",
	TLSFailed:         "Renew the appliance's certificate, or name its issuer in `tls_config.ca_file`.",
	Timeout:           "Check the appliance's load and the network in between; raise `timeout` if it is healthy and slow.",
}

func advise(f *finding, e *config.Endpoint) string {
	switch {
	case f.refusedAtOnce:
		return "Look at the appliance's health: nodes behind a load balancer that do not share sessions behave like this, and so does a clock that is far off."
	case f.state == CredentialsRejected && e.Credential.OAuth2 != nil:
		return "Check the client's id and secret, and whether the authorization server still knows it."
	case f.state == CredentialsRejected:
		return fmt.Sprintf("Either the password in %s is not the account's any more, or the account is locked or disabled: the API does not say which. Put the right one there, and unlock the account if need be.", e.Credential.Secret)
	case f.state == SessionExpired && f.auth != config.AuthLogin:
		return fmt.Sprintf("Obtain a new token and put it into %s; it is used at the next probe, without a restart.", e.Credential.Secret)
	case f.state == SessionExpired:
		return "Look at the appliance's session settings and health: a session that was just established does not count there."
	}
	return advice[f.state]
}
