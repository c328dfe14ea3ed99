package probe

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"session_exporter/config"
	"session_exporter/probe/transport"
	"session_exporter/sessionapi"
)

// explain describes an outcome, and what to do about it, to an engineer on call. With a
// pairing it names the site. r has the times of the result.
func explain(o *outcome, e *config.Endpoint, r *Result) (diagnosis, advice string) {
	site, local := e, o.isLocal(e)
	if local {
		site = o.endpoint
	}
	diagnosis, advice = diagnose(o, site, r.timeout), advise(o, site)
	switch {
	case local:
		diagnosis = fmt.Sprintf("Pairing %q: no local session exists through which to log in to the other site. %s", e.Pairing.ID, diagnosis)
	case e.Pairing != nil:
		diagnosis = fmt.Sprintf("Pairing %q, other site: %s", e.Pairing.ID, diagnosis)
	}
	if len(o.late) > 0 {
		diagnosis += fmt.Sprintf(" This response arrived after %s, when its probe had already ended.", o.exchange.End.Sub(o.exchange.Start).Round(time.Millisecond))
	}
	switch {
	case !r.HeldUntil.IsZero():
		purpose := " so that the account is not locked"
		if o.interpretation.AccountUnusable() {
			purpose = ""
		}
		diagnosis += fmt.Sprintf(" Further logins are held back until %s%s.", clockTime(r.HeldUntil), purpose)
	case !r.ResumeAt.IsZero():
		diagnosis += fmt.Sprintf(" Nothing is sent before %s.", clockTime(r.ResumeAt))
	}
	return diagnosis, advice
}

// clockTime formats a time to the minute, rounded up, with the date unless it is within
// a day.
func clockTime(at time.Time) string {
	minute := at.Add(time.Minute - time.Nanosecond).UTC().Truncate(time.Minute)
	if time.Until(at).Abs() < 24*time.Hour {
		return minute.Format("15:04 UTC")
	}
	return minute.Format("2006-01-02 15:04 UTC")
}

func diagnose(o *outcome, e *config.Endpoint, within time.Duration) string {
	if o.exchange != nil && o.exchange.NeedsHTTP2() {
		return diagnoseHTTP2(o)
	}
	switch o.state {
	case sessionapi.Valid:
		return diagnoseValid(&o.interpretation)
	case sessionapi.Unexpected:
		return fmt.Sprintf("Logged in as %q, but %s.", o.interpretation.Identity.Username, list(o.differences))
	case sessionapi.Forbidden:
		purpose := "log in"
		switch {
		case o.exchange.step == sessionapi.Check:
			purpose = "read its own session"
		case o.exchange.part.followsSecret():
			purpose = "complete the " + requested(o)
		}
		return fmt.Sprintf("The appliance accepts %s but does not permit the account to %s (%s).", presentedAs(o, e), purpose, o.response())
	case sessionapi.SessionExpired, sessionapi.CredentialsRejected:
		return diagnoseRefusal(o, e)
	case sessionapi.LoginSuspended:
		return diagnoseSuspension(o, e)
	case sessionapi.CredentialMissing:
		if o.exchange != nil {
			return fmt.Sprintf("The %s could not be sent: %s.", requested(o), o.failure)
		}
		return fmt.Sprintf("Credential %q cannot be used: %s. Nothing was sent.", e.Credential.Name, o.reason)
	case sessionapi.RateLimited:
		return fmt.Sprintf("%s limits the rate of requests (%s).", responder(o), o.response())
	case sessionapi.BadRequest:
		return fmt.Sprintf("%s rejected the %s as malformed (%s).", responder(o), requested(o), o.response())
	case sessionapi.ServerError:
		return diagnoseServerError(o)
	case sessionapi.InvalidResponse:
		return diagnoseInvalidResponse(o)
	default:
		if o.state.Info().InResponse { // without a case above
			return fmt.Sprintf("%s The response to the %s was %s.", o.state.Info().Meaning, requested(o), o.response())
		}
		return diagnoseFailure(o, within)
	}
}

// diagnoseHTTP2 describes a server that refuses HTTP/1.1.
func diagnoseHTTP2(o *outcome) string {
	reason := o.failure
	if o.exchange.Err == nil {
		reason = "its response was " + o.response()
	}
	return fmt.Sprintf("The server at %s does not speak HTTP/1.1, probably only HTTP/2: %s.", o.exchange.URL.Host, reason)
}

// diagnoseValid is called for nearly every probe, so it allocates only once.
func diagnoseValid(in *sessionapi.Interpretation) string {
	text := append(make([]byte, 0, 256), "Logged in"...)
	if in.Identity.Username != sessionapi.Unnamed {
		text = strconv.AppendQuote(append(text, " as "...), in.Identity.Username)
	}
	if in.Why != "" {
		text = append(append(text, ", and "...), in.Why...)
	}
	if in.ExpiryOf != "" {
		text = fmt.Appendf(text, ". The first to expire is %q, on %s", in.ExpiryOf, in.Expiry.UTC().Format(time.DateOnly))
	}
	return string(append(text, '.'))
}

func diagnoseServerError(o *outcome) string {
	what, side := "The "+requested(o), "the appliance's side"
	switch {
	case o.byOAuth():
		side = "the side of the authorization server " + o.exchange.URL.Host
	case o.exchange.step == sessionapi.Login:
		what = "Login" + stepOf(o)
	}
	if o.interpretation.State == sessionapi.InvalidResponse && !o.byOAuth() {
		side = "the side of the appliance or of a proxy in front of it"
	}
	var details []string
	if o.interpretation.Message != "" {
		details = append(details, fmt.Sprintf("%q", o.interpretation.Message))
	}
	if o.interpretation.Why != "" {
		details = append(details, o.interpretation.Why)
	}
	text := fmt.Sprintf("%s failed on %s: %s", what, side, statusText(o.exchange.Response.Status, o.interpretation.Code))
	if len(details) > 0 {
		text += " (" + strings.Join(details, "; ") + ")"
	}
	return text + "."
}

func diagnoseRefusal(o *outcome, e *config.Endpoint) string {
	c := e.Credential
	switch {
	case o.refusedImmediately && o.endpoint.Auth == sessionapi.AuthLogin:
		return fmt.Sprintf("The appliance accepts the password of %q and then refuses the new session (%s).", c.Username, o.response())
	case o.exchange.Response.Status < 300 && o.interpretation.Code == "" && o.interpretation.Message == "" && o.interpretation.Why != "":
		return fmt.Sprintf("The response was %d, but %s: no user is logged in with %s.", o.exchange.Response.Status, o.interpretation.Why, presentedAs(o, e))
	case o.interpretation.Why != "":
		return fmt.Sprintf("%s refused %s: the response was %s, and %s.", responder(o), presentedAs(o, e), o.response(), o.interpretation.Why)
	case o.state == sessionapi.CredentialsRejected && c.OAuth2 == nil && c.Auth == sessionapi.AuthLogin && !o.interpretation.AccountUnusable():
		return fmt.Sprintf("Wrong password for %q (%s): %s.", c.Username, c.Secret, o.response())
	default:
		return fmt.Sprintf("%s refused %s (%s).%s", responder(o), presentedAs(o, e), o.response(), whyRefused(o, c))
	}
}

// presentedAs names what was presented, and where it came from.
func presentedAs(o *outcome, e *config.Endpoint) string {
	c := e.Credential
	switch {
	case o.byOAuth():
		return exchangedAs(o, c)
	case c.OAuth2 != nil:
		return "the bearer token that OAuth 2.0 issued " + issuedTo(c)
	case (o.exchange.step == sessionapi.Check || o.exchange.part.followsSecret() && o.state != sessionapi.CredentialsRejected) && o.endpoint.Auth == sessionapi.AuthLogin:
		return fmt.Sprintf("the session of %q", c.Username)
	case c.Auth == sessionapi.AuthLogin:
		return fmt.Sprintf("the password of %q from %s", c.Username, c.Secret)
	case o.endpoint.Auth == sessionapi.AuthBearer:
		return fmt.Sprintf("the bearer token from %s", c.Secret)
	default:
		return fmt.Sprintf("the session token from %s", c.Secret)
	}
}

// issuedTo describes for whom a bearer token was issued.
func issuedTo(c *config.Credential) string {
	switch c.OAuth2.GrantType {
	case config.GrantPassword:
		return fmt.Sprintf("to %q", c.Username)
	case config.GrantVCFAPIToken:
		return fmt.Sprintf("for the API token from %s", c.Secret)
	default:
		return fmt.Sprintf("to client %q", c.OAuth2.ClientID)
	}
}

func diagnoseSuspension(o *outcome, e *config.Endpoint) string {
	name, kind, refuser := e.Credential.Name, "secret", "this appliance"
	if settings := e.Credential.OAuth2; settings != nil {
		kind, refuser = settings.GrantType.SecretKind(), "the authorization server"
	}
	switch {
	case o.suspension == nil:
		return fmt.Sprintf("The secret of credential %q was not sent: %s.", name, o.reason)
	case o.suspension.Account:
		return fmt.Sprintf("Login held back so that the account is not locked: different secrets of credential %q were refused %d times recently.", name, o.suspension.Refusals)
	case o.suspension.Refusals > 0:
		return fmt.Sprintf("Login held back so that the account is not locked: the %s of credential %q (%s) was refused %s, here or at other endpoints.", kind, name, e.Credential.Secret, times(o.suspension.Refusals))
	default:
		return fmt.Sprintf("Login held back so that the account is not locked: %s refused the %s of credential %q (%s).", refuser, kind, name, e.Credential.Secret)
	}
}

func diagnoseInvalidResponse(o *outcome) string {
	what := "the response is not from this API"
	switch status := o.exchange.Response.Status; {
	case o.exchange.CodingFailed():
		return fmt.Sprintf("The response to the %s was %d, and its body cannot be decoded: %s.", requested(o), status, o.failure)
	case o.exchange.Err != nil:
		return fmt.Sprintf("The server at %s does not speak valid HTTP: %s.", o.exchange.URL.Host, o.failure)
	case o.exchange.TooLarge:
		return fmt.Sprintf("The response to the %s was %d with a body of more than %d KiB, more than any session API sends.", requested(o), status, transport.MaxBody>>10)
	case status >= 300 && status < 400:
		return fmt.Sprintf("The response to the %s was %d, a redirect. Redirects are not followed, because the credential would go to another address.", requested(o), status)
	case o.byOAuth():
		what = "this is not a response of an OAuth 2.0 authorization server"
	case status == http.StatusNotFound:
		what = "the API does not exist at this address"
	case status == http.StatusProxyAuthRequired:
		what = "a proxy requires a user and a password of its own"
	}
	response := o.response()
	if o.interpretation.Why != "" {
		response += ", and " + o.interpretation.Why
	}
	return fmt.Sprintf("The response to the %s was %s: %s.", requested(o), response, what)
}

func diagnoseFailure(o *outcome, within time.Duration) string {
	host := o.exchange.URL.Host // the authorization server's for a token request
	if o.exchange.Written.IsZero() && !o.exchange.InHandshake {
		host = address(o.exchange.URL) // a firewall may block the port
	}
	switch {
	case o.state == sessionapi.Timeout:
		return fmt.Sprintf("No complete response to the %s from %s within %s: %s.", requested(o), host, within.Round(time.Millisecond), o.exchange.stage())
	case o.state == sessionapi.TLSFailed && o.exchange.FailedAtProxy():
		return fmt.Sprintf("TLS connection to the proxy for %s failed: %s.", host, o.failure)
	case o.state == sessionapi.TLSFailed:
		return fmt.Sprintf("TLS connection to %s failed: %s.", host, o.failure)
	case !o.exchange.FirstByte.IsZero():
		return fmt.Sprintf("The connection to %s was lost before the response to the %s was complete: %s.", host, requested(o), o.failure)
	case !o.exchange.Written.IsZero():
		return fmt.Sprintf("The connection to %s was lost before the response to the %s: %s.", host, requested(o), o.failure)
	case o.exchange.InHandshake:
		return fmt.Sprintf("The connection to %s was lost during the TLS handshake: %s.", host, o.failure)
	case o.exchange.FailedAtProxy():
		return fmt.Sprintf("The proxy for %s cannot be reached: %s.", host, o.failure)
	case errors.Is(o.exchange.Err, syscall.ECONNREFUSED):
		return fmt.Sprintf("Nothing listens on %s: %s.", host, o.failure)
	default:
		return fmt.Sprintf("%s cannot be reached: %s.", host, o.failure)
	}
}

// address returns the host and port of a URL, even if the port is the scheme's.
func address(u *url.URL) string {
	return net.JoinHostPort(u.Hostname(), config.Port(u))
}

func requested(o *outcome) string {
	if o.byOAuth() {
		return "token request"
	}
	return string(o.exchange.step) + stepOf(o)
}

// maxListed limits the differences that are shown: an appliance may have any
// number of roles.
const maxListed = 10

func list(differences []string) string {
	if more := len(differences) - maxListed; more > 0 {
		return fmt.Sprintf("%s; and %d more", strings.Join(differences[:maxListed], "; "), more)
	}
	return strings.Join(differences, "; ")
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times in a row", n)
}
