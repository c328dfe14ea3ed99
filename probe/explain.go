package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"session_exporter/config"
)

// explain says what a finding means, and what to do about it, to somebody who
// was just called out of bed.
func explain(f *finding, e *config.Endpoint) (diagnosis, advice string) {
	diagnosis, advice = diagnose(f, e), advise(f, e)
	if len(f.late) > 0 {
		diagnosis += fmt.Sprintf(" This answer came after %s, when the probe that asked for it had ended.", f.x.end.Sub(f.x.start).Round(time.Millisecond))
	}
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
		return fmt.Sprintf("%q is logged in, but %s.", f.reading.Identity.Username, listed(f.differences))
	case Forbidden:
		return fmt.Sprintf("The appliance accepts %s, but does not let it %s (%s).", presentedAs(f, e), purpose(f), f.answered())
	case SessionExpired, CredentialsRejected:
		return diagnoseRefusal(f, e)
	case LoginSuspended:
		return diagnoseSuspension(f, e)
	case CredentialMissing:
		if f.x != nil {
			return fmt.Sprintf("The %s could not be sent: %s.", requested(f), f.failure)
		}
		return fmt.Sprintf("Credential %q cannot be used: %s. Nothing was sent.", e.Credential.Name, f.detail)
	case RateLimited:
		return fmt.Sprintf("%s answered that it is asked too often (%s).", answerer(f), f.answered())
	case BadRequest:
		return fmt.Sprintf("%s calls our %s malformed (%s).", answerer(f), requested(f), f.answered())
	case ServerError:
		return fmt.Sprintf("%s reports an error of its own: the answer to the %s was %s%s.", answerer(f), requested(f), f.answered(), why(f))
	case InvalidResponse:
		return diagnoseForeign(f)
	default:
		return diagnoseFailure(f)
	}
}

func diagnoseRefusal(f *finding, e *config.Endpoint) string {
	switch {
	case f.refusedAtOnce && f.auth == config.AuthLogin:
		return fmt.Sprintf("The appliance accepts the password of %q and then refuses the session that it has just given (%s).", e.Credential.Username, f.answered())
	case f.x.answer.Status < 300 && f.reading.Code == "":
		return fmt.Sprintf("The appliance answered %d, which looks like success, but %s: nobody is logged in with %s.", f.x.answer.Status, f.reading.Why, presentedAs(f, e))
	case f.reading.Why != "":
		return fmt.Sprintf("%s refused %s: the answer was %s, and %s.", answerer(f), presentedAs(f, e), f.answered(), f.reading.Why)
	default:
		return fmt.Sprintf("%s refused %s (%s).", answerer(f), presentedAs(f, e), f.answered())
	}
}

// presentedAs names what was presented, and where it came from.
func presentedAs(f *finding, e *config.Endpoint) string {
	c := e.Credential
	switch {
	case byOAuth(f):
		return fmt.Sprintf("the OAuth 2.0 client %q", c.OAuth2.ClientID)
	case c.OAuth2 != nil:
		return fmt.Sprintf("the bearer token that OAuth 2.0 gave to client %q", c.OAuth2.ClientID)
	case f.x.step == Check && f.auth == config.AuthLogin:
		return fmt.Sprintf("the session of %q", c.Username)
	case c.Auth == config.AuthLogin:
		return fmt.Sprintf("the password of %q from %s", c.Username, c.Secret)
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
		return fmt.Sprintf("No login was sent, so that the account does not get locked: the secret of credential %q, from %s, was refused %s, here or at other endpoints.", e.Credential.Name, e.Credential.Secret, times(f.suspension.refusals))
	default:
		return fmt.Sprintf("No login was sent, so that the account does not get locked: this appliance refused the secret of credential %q, from %s.", e.Credential.Name, e.Credential.Secret)
	}
}

func diagnoseForeign(f *finding) string {
	what := "something that is not the API answered"
	switch status := f.x.answer.Status; {
	case f.x.err != nil:
		return fmt.Sprintf("Something answers at %s that does not speak HTTP properly: %s.", f.x.url.Host, f.failure)
	case f.x.tooLarge:
		return fmt.Sprintf("The answer to the %s was %d with a body of more than %d KiB, which no session API sends.", requested(f), status, maxBody>>10)
	case status >= 300 && status < 400:
		return fmt.Sprintf("The answer to the %s was %d, a redirect. It is not followed, for it would carry the credential elsewhere.", requested(f), status)
	case byOAuth(f):
		what = "that is not what an OAuth 2.0 authorization server answers"
	case status == http.StatusNotFound:
		what = "there is no such API at this address"
	case status == http.StatusProxyAuthRequired:
		what = "that is a proxy, which wants a user and a password of its own"
	case status < 300:
		what = "that is not what this API answers"
	}
	return fmt.Sprintf("The answer to the %s was %s%s: %s.", requested(f), f.answered(), why(f), what)
}

func diagnoseFailure(f *finding) string {
	host := f.x.url.Host // the authorization server's, where a token was asked for
	switch {
	case f.state == Timeout:
		return fmt.Sprintf("%s did not answer the %s completely within %s: %s.", host, requested(f), f.within.Round(time.Millisecond), f.x.stage())
	case f.state == TLSFailed && atProxy(f.x.err):
		return fmt.Sprintf("No TLS connection to the proxy on the way to %s could be made: %s.", host, f.failure)
	case f.state == TLSFailed:
		return fmt.Sprintf("No TLS connection to %s could be made: %s.", host, f.failure)
	case !f.x.answered.IsZero():
		return fmt.Sprintf("The connection to %s broke before the answer to the %s was complete: %s.", host, requested(f), f.failure)
	case !f.x.written.IsZero():
		return fmt.Sprintf("The connection to %s broke before the %s was answered: %s.", host, requested(f), f.failure)
	default:
		return fmt.Sprintf("%s cannot be reached: %s.", host, f.failure)
	}
}

// stage says how far an exchange got.
func (x *exchange) stage() string {
	switch {
	case !x.answered.IsZero():
		return "the answer began and did not end"
	case !x.written.IsZero() && x.reused:
		return "the request was sent on a connection that had been kept, and no answer began"
	case !x.written.IsZero():
		return "the request was sent and no answer began"
	case x.inHandshake:
		return "the connection was made and the TLS handshake did not end"
	default:
		return "no connection was made"
	}
}

// failure says why no complete answer came.
func (x *exchange) failure(m *mask) string {
	text := cause(x.err).Error()
	if quoted := strings.IndexByte(text, '"'); quoted >= 0 && (x.step == Login || x.step == Token) && !x.answered.IsZero() {
		// What breaks HTTP is quoted, and may be the session that the answer gives,
		// which no mask knows.
		text = text[:quoted] + notShown
	}
	return clean(m.texts.Replace(text), maxMessage)
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
		if op.Op == "remote error" { // says that it was the other side that was not content
			return fmt.Errorf("%s: %w", op.Op, op.Err)
		}
		return op.Err
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the other side closed the connection")
	}
	return err
}

// byOAuth reports whether it was an authorization server that was asked.
func byOAuth(f *finding) bool {
	return f.x != nil && f.x.step == Token
}

// requested names what was asked for.
func requested(f *finding) string {
	if byOAuth(f) {
		return "token request"
	}
	return string(f.x.step)
}

// purpose says what a step is for.
func purpose(f *finding) string {
	if f.x.step != Check {
		return "log in"
	}
	return "read its own session"
}

// answerer names who answered.
func answerer(f *finding) string {
	switch {
	case byOAuth(f):
		return "The authorization server " + f.x.url.Host
	case f.reading.State == InvalidResponse:
		return "The appliance, or a proxy in front of it,"
	}
	return "The appliance"
}

// maxListed bounds how many differences are told: an appliance may have any
// number of roles.
const maxListed = 10

func listed(differences []string) string {
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

func why(f *finding) string {
	if f.reading.Why == "" {
		return ""
	}
	return ", and " + f.reading.Why
}
