package probe

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/probe/transport"
	"session_exporter/secret"
	"session_exporter/sessionapi"

	"session_exporter/internal/golden"
	"session_exporter/probe/guard"
)

// Times that an exchange may have recorded.
var (
	noMoment time.Time
	aMoment  = time.Date(2000, 1, 1, 14, 51, 7, 0, time.UTC) // on the first day of virtual time
)

// withResponse returns an exchange with a response.
func withResponse(step sessionapi.Step, status int) *exchange {
	return &exchange{step: step, Exchange: transport.Exchange{
		Written: aMoment, FirstByte: aMoment, Response: sessionapi.Response{Status: status},
		URL: &url.URL{Scheme: "https", Host: "appliance.test"},
	}}
}

// withoutResponse returns an exchange that failed before or during the response. written and
// firstByte are zero if it did not get that far.
func withoutResponse(step sessionapi.Step, written, firstByte time.Time, err error) *exchange {
	return &exchange{step: step, Exchange: transport.Exchange{
		Written: written, FirstByte: firstByte, Err: err,
		URL: &url.URL{Scheme: "https", Host: "appliance.test"},
	}}
}

// atSSO makes an exchange a token request to the authorization server.
func atSSO(x *exchange) *exchange {
	x.step, x.URL = sessionapi.Token, &url.URL{Scheme: "https", Host: "sso.test"}
	return x
}

type explanation struct {
	name    string
	auth    sessionapi.Auth
	oauth   bool
	outcome outcome
}

func interpreted(in sessionapi.Interpretation) outcome { return outcome{interpretation: in} }

// of returns the outcome with a state and an exchange.
func (o outcome) of(state sessionapi.State, x *exchange) outcome {
	o.state, o.exchange = state, x
	return o
}

// explanations returns outcomes of each state.
func explanations() []explanation {
	alice := interpreted(sessionapi.Interpretation{Identity: &sessionapi.Identity{Username: "alice"}})
	differs := alice
	differs.differences = []string{`role "Admin" is missing`, `role "Root" is present but forbidden`}
	code := func(code, message string) outcome {
		return interpreted(sessionapi.Interpretation{Code: code, Message: message})
	}
	because := func(why string) outcome { return interpreted(sessionapi.Interpretation{Why: why}) }
	unsent := func(reason string) outcome { return outcome{reason: reason} }
	token := code("INVALID_SESSION_TOKEN", "UserContext not found in SecurityContext")
	immediately := token
	immediately.refusedImmediately, immediately.resumeAt = true, aMoment
	suspended := func(refusals int) outcome {
		return outcome{suspension: &guard.Suspension{Refusals: refusals}, resumeAt: aMoment}
	}
	heldUntil := func(o outcome, at time.Time) outcome {
		o.heldUntil = at
		return o
	}
	limited := interpreted(sessionapi.Interpretation{})
	limited.resumeAt = aMoment
	refusedDial := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	atProxy := &net.OpError{Op: "proxyconnect", Net: "tcp", Err: &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{Port: 3128}, Err: refusedDial.Err}}
	return []explanation{
		{"valid", sessionapi.AuthLogin, false, alice.of(sessionapi.Valid, withResponse(sessionapi.Check, 200))},
		{"unexpected", sessionapi.AuthLogin, false, differs.of(sessionapi.Unexpected, withResponse(sessionapi.Check, 200))},
		{"forbidden, with a session", sessionapi.AuthLogin, false, code("NOT_ENOUGH_PRIVILEGES", "").of(sessionapi.Forbidden, withResponse(sessionapi.Check, 403))},
		{"forbidden, at login", sessionapi.AuthLogin, false, code("NOT_ENOUGH_PRIVILEGES", "").of(sessionapi.Forbidden, withResponse(sessionapi.Login, 403))},
		{"forbidden, with a token", sessionapi.AuthToken, false, code("", "").of(sessionapi.Forbidden, withResponse(sessionapi.Check, 403))},
		{"session refused immediately", sessionapi.AuthLogin, false, immediately.of(sessionapi.SessionExpired, withResponse(sessionapi.Check, 401))},
		{"token refused", sessionapi.AuthToken, false, token.of(sessionapi.SessionExpired, withResponse(sessionapi.Check, 401))},
		{"bearer token refused", sessionapi.AuthBearer, false, token.of(sessionapi.SessionExpired, withResponse(sessionapi.Check, 401))},
		{"bearer token of OAuth 2.0 refused", sessionapi.AuthBearer, true, token.of(sessionapi.SessionExpired, withResponse(sessionapi.Check, 401))},
		{"token refused by a page", sessionapi.AuthToken, false, interpreted(sessionapi.Interpretation{State: sessionapi.InvalidResponse, Why: "its body is an HTML page instead of JSON"}).of(sessionapi.SessionExpired, withResponse(sessionapi.Check, 401))},
		{"200 without a user", sessionapi.AuthToken, false, because("it names no user").of(sessionapi.SessionExpired, withResponse(sessionapi.Check, 200))},
		{"204", sessionapi.AuthToken, false, because("its body is empty, so it names no user").of(sessionapi.SessionExpired, withResponse(sessionapi.Check, 204))},
		{"200 with a code", sessionapi.AuthToken, false, token.of(sessionapi.SessionExpired, withResponse(sessionapi.Check, 200))},
		{"400 with an unknown code", sessionapi.AuthToken, false, interpreted(sessionapi.Interpretation{Code: "E17", Why: "it does not report a malformed request, so it means a missing session"}).of(sessionapi.SessionExpired, withResponse(sessionapi.Check, 400))},
		{"password refused at login", sessionapi.AuthLogin, false, heldUntil(code("INVALID_CREDENTIALS", "Invalid username or password"), aMoment).of(sessionapi.CredentialsRejected, withResponse(sessionapi.Login, 401))},
		{"password refused, held back for days", sessionapi.AuthLogin, false, heldUntil(code("INVALID_CREDENTIALS", ""), aMoment.AddDate(0, 0, 3)).of(sessionapi.CredentialsRejected, withResponse(sessionapi.Login, 401))},
		{"account locked", sessionapi.AuthLogin, false, heldUntil(code("ACCOUNT_LOCKED", "The account is locked"), aMoment).of(sessionapi.CredentialsRejected, withResponse(sessionapi.Login, 401))},
		{"password refused by a page", sessionapi.AuthLogin, false, interpreted(sessionapi.Interpretation{State: sessionapi.InvalidResponse, Why: "its body is an HTML page instead of JSON"}).of(sessionapi.CredentialsRejected, withResponse(sessionapi.Login, 401))},
		{"password refused without code or message", sessionapi.AuthLogin, false, code("", "").of(sessionapi.CredentialsRejected, withResponse(sessionapi.Login, 401))},
		{"password refused at check", sessionapi.AuthBasic, false, code("INVALID_CREDENTIALS", "").of(sessionapi.CredentialsRejected, withResponse(sessionapi.Check, 401))},
		{"client refused", sessionapi.AuthBearer, true, code("invalid_client", "").of(sessionapi.CredentialsRejected, atSSO(withResponse(sessionapi.Login, 401)))},
		{"suspended everywhere", sessionapi.AuthLogin, false, suspended(2).of(sessionapi.LoginSuspended, nil)},
		{"suspended after one refusal", sessionapi.AuthLogin, false, suspended(1).of(sessionapi.LoginSuspended, nil)},
		{"suspended at this endpoint", sessionapi.AuthLogin, false, suspended(0).of(sessionapi.LoginSuspended, nil)},
		{"other logins in flight", sessionapi.AuthLogin, false, unsent("other logins of the account have been in flight for too long, and none has been accepted yet").of(sessionapi.LoginSuspended, nil)},
		{"secret missing", sessionapi.AuthLogin, false, unsent(`reading the secret from file "/run/secrets/hcx": no such file or directory`).of(sessionapi.CredentialMissing, nil)},
		{"header file missing", sessionapi.AuthLogin, false, outcome{failure: `reading the http_headers file "/run/tenant": no such file or directory`}.of(sessionapi.CredentialMissing, &exchange{step: sessionapi.Login, Exchange: transport.Exchange{Unsent: true}})},
		{"rate limited", sessionapi.AuthToken, false, limited.of(sessionapi.RateLimited, withResponse(sessionapi.Check, 429))},
		{"rate limited by the authorization server", sessionapi.AuthBearer, true, limited.of(sessionapi.RateLimited, atSSO(withResponse(sessionapi.Login, 429)))},
		{"bad request", sessionapi.AuthLogin, false, code("BAD_REQUEST", "malformed JSON").of(sessionapi.BadRequest, withResponse(sessionapi.Login, 400))},
		{"bad request to the authorization server", sessionapi.AuthBearer, true, code("invalid_scope", "").of(sessionapi.BadRequest, atSSO(withResponse(sessionapi.Login, 400)))},
		{"server error", sessionapi.AuthToken, false, code("INTERNAL_SERVER_ERROR", "Internal Server Error").of(sessionapi.ServerError, withResponse(sessionapi.Check, 500))},
		{"server error with a page", sessionapi.AuthToken, false, interpreted(sessionapi.Interpretation{State: sessionapi.InvalidResponse, Why: "its body is an HTML page instead of JSON"}).of(sessionapi.ServerError, withResponse(sessionapi.Check, 502))},
		{"server error in a 200", sessionapi.AuthToken, false, because("it has `success: false` and no error code").of(sessionapi.ServerError, withResponse(sessionapi.Check, 200))},
		{"server error at login, with a code", sessionapi.AuthLogin, false, code("TOO_MANY_SESSIONS", "The maximum number of sessions is reached.").of(sessionapi.ServerError, withResponse(sessionapi.Login, 503))},
		{"server error at login", sessionapi.AuthLogin, false, limited.of(sessionapi.ServerError, withResponse(sessionapi.Login, 503))},
		{"server error of the authorization server", sessionapi.AuthBearer, true, limited.of(sessionapi.ServerError, atSSO(withResponse(sessionapi.Login, 500)))},
		{"HTML", sessionapi.AuthToken, false, interpreted(sessionapi.Interpretation{State: sessionapi.InvalidResponse, Why: "its body is an HTML page instead of JSON"}).of(sessionapi.InvalidResponse, withResponse(sessionapi.Check, 200))},
		{"wrong type", sessionapi.AuthToken, false, because("its field `data.user.roles` has the wrong type, a JSON string").of(sessionapi.InvalidResponse, withResponse(sessionapi.Check, 200))},
		{"login without token", sessionapi.AuthLogin, false, because("it has no session token in its x-hm-authorization header").of(sessionapi.InvalidResponse, withResponse(sessionapi.Login, 200))},
		{"redirect", sessionapi.AuthToken, false, because("its body is empty").of(sessionapi.InvalidResponse, withResponse(sessionapi.Check, 302))},
		{"404", sessionapi.AuthToken, false, interpreted(sessionapi.Interpretation{State: sessionapi.InvalidResponse, Why: "its body is an HTML page instead of JSON"}).of(sessionapi.InvalidResponse, withResponse(sessionapi.Check, 404))},
		{"405", sessionapi.AuthToken, false, because("").of(sessionapi.InvalidResponse, withResponse(sessionapi.Check, 405))},
		{"too large", sessionapi.AuthToken, false, outcome{}.of(sessionapi.InvalidResponse, &exchange{step: sessionapi.Check, Exchange: transport.Exchange{TooLarge: true, Response: sessionapi.Response{Status: 200}}})},
		{"not HTTP", sessionapi.AuthToken, false, outcome{failure: `malformed HTTP response "SSH-2.0-OpenSSH_9.9"`}.of(sessionapi.InvalidResponse, withoutResponse(sessionapi.Check, aMoment, aMoment, io.EOF))},
		{"token response without a token", sessionapi.AuthBearer, true, because("it has no `access_token`").of(sessionapi.InvalidResponse, atSSO(withResponse(sessionapi.Login, 200)))},
		{"redirect of the authorization server", sessionapi.AuthBearer, true, because("").of(sessionapi.InvalidResponse, atSSO(withResponse(sessionapi.Login, 302)))},
		{"404 of the authorization server", sessionapi.AuthBearer, true, because("").of(sessionapi.InvalidResponse, atSSO(withResponse(sessionapi.Login, 404)))},
		{"refused port", sessionapi.AuthLogin, false, outcome{failure: transport.Cause(refusedDial).Error()}.of(sessionapi.Unreachable, withoutResponse(sessionapi.Login, noMoment, noMoment, refusedDial))},
		{"refused port of a proxy", sessionapi.AuthLogin, false, outcome{failure: transport.Cause(refusedDial).Error()}.of(sessionapi.Unreachable, withoutResponse(sessionapi.Login, noMoment, noMoment, atProxy))},
		{"no such name", sessionapi.AuthToken, false, outcome{failure: "lookup appliance.test on 192.0.2.53:53: no such host"}.of(sessionapi.Unreachable, withoutResponse(sessionapi.Check, noMoment, noMoment, io.EOF))},
		{"closed without a response", sessionapi.AuthToken, false, outcome{failure: transport.Cause(io.EOF).Error()}.of(sessionapi.Unreachable, withoutResponse(sessionapi.Check, aMoment, noMoment, io.EOF))},
		{"closed during the response", sessionapi.AuthToken, false, outcome{failure: transport.Cause(io.ErrUnexpectedEOF).Error()}.of(sessionapi.Unreachable, withoutResponse(sessionapi.Check, aMoment, aMoment, io.EOF))},
		{"authorization server down", sessionapi.AuthBearer, true, outcome{failure: "connect: connection refused"}.of(sessionapi.Unreachable, atSSO(withoutResponse(sessionapi.Login, noMoment, noMoment, io.EOF)))},
		{"certificate expired", sessionapi.AuthToken, false, outcome{failure: "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2026-03-04T05:06:07Z is after 2026-03-01T00:00:00Z"}.of(sessionapi.TLSFailed, withoutResponse(sessionapi.Check, noMoment, noMoment, x509.CertificateInvalidError{Reason: x509.Expired}))},
		{"certificate of an unknown issuer", sessionapi.AuthToken, false, outcome{failure: "tls: failed to verify certificate: x509: certificate signed by unknown authority"}.of(sessionapi.TLSFailed, withoutResponse(sessionapi.Check, noMoment, noMoment, x509.UnknownAuthorityError{}))},
		{"certificate of another host", sessionapi.AuthToken, false, outcome{failure: "tls: failed to verify certificate: x509: certificate is valid for other.test, not appliance.test"}.of(sessionapi.TLSFailed, withoutResponse(sessionapi.Check, noMoment, noMoment, x509.HostnameError{}))},
		{"certificate of the authorization server", sessionapi.AuthBearer, true, outcome{failure: "tls: failed to verify certificate: x509: certificate signed by unknown authority"}.of(sessionapi.TLSFailed, atSSO(withoutResponse(sessionapi.Login, noMoment, noMoment, x509.UnknownAuthorityError{})))},
		{"client certificate required", sessionapi.AuthToken, false, outcome{failure: "remote error: tls: certificate required"}.of(sessionapi.TLSFailed, withoutResponse(sessionapi.Check, noMoment, noMoment, io.EOF))},
		{"timeout connecting", sessionapi.AuthToken, false, outcome{}.of(sessionapi.Timeout, withoutResponse(sessionapi.Check, noMoment, noMoment, context.DeadlineExceeded))},
		{"timeout during the handshake", sessionapi.AuthToken, false, outcome{}.of(sessionapi.Timeout, &exchange{step: sessionapi.Check, Exchange: transport.Exchange{InHandshake: true, URL: &url.URL{Host: "appliance.test"}}})},
		{"timeout before the response", sessionapi.AuthLogin, false, outcome{}.of(sessionapi.Timeout, withoutResponse(sessionapi.Login, aMoment, noMoment, context.DeadlineExceeded))},
		{"timeout during the response", sessionapi.AuthToken, false, outcome{}.of(sessionapi.Timeout, withoutResponse(sessionapi.Check, aMoment, aMoment, context.DeadlineExceeded))},
		{"timeout of the authorization server", sessionapi.AuthBearer, true, outcome{}.of(sessionapi.Timeout, atSSO(withoutResponse(sessionapi.Login, aMoment, noMoment, context.DeadlineExceeded)))},
	}
}

// The diagnoses and advice of all states, as users read them.
func TestExplanations(t *testing.T) {
	synctest.Test(t, testExplanations)
}

func testExplanations(t *testing.T) {
	var b strings.Builder
	for _, c := range explanations() {
		e := endpointFor("hcx", c.auth)
		e.Credential.Secret = secret.Source{File: "/run/secrets/hcx"}
		if c.oauth {
			e.Credential = oauthCredential("https://sso.test/token")
			e.Credential.Secret = secret.Source{File: "/run/secrets/client"}
		}
		c.outcome.endpoint = e
		diagnosis, advice := explain(&c.outcome, e, &Result{timeout: 10 * time.Second, ResumeAt: c.outcome.resumeAt, HeldUntil: c.outcome.heldUntil})
		fmt.Fprintf(&b, "## %s: %s\n%s\n", c.name, c.outcome.state, diagnosis)
		if advice != "" {
			fmt.Fprintf(&b, "> %s\n", advice)
		}
		b.WriteString("\n")
	}
	golden.Check(t, "testdata/diagnoses.txt", []byte(b.String()))
}

// A message that blames the password or the account leaves both possible.
func TestAdviceAboutPasswordOrAccount(t *testing.T) {
	source := secret.Source{File: "/run/secrets/nsx"}
	for _, c := range []struct {
		code, message string
		unusable      bool
	}{
		{"403", "The credentials were incorrect or the account specified has been locked.", false},
		{"LOGIN_FAILED", "Invalid user name or password, or the account is disabled", false},
		{"", "Password is incorrect or has expired", false},
		{"invalid_grant", "The provided authorization grant is invalid, expired, revoked, or was issued to another client.", false},
		{"invalid_grant", "The provided authorization grant (e.g., authorization code, resource owner credentials) or refresh token is invalid, expired, revoked.", false},
		{"INVALID_CREDENTIALS", "", false},
		{"USER_LOCKED_OUT", "", true},
		{"", "Account locked: too many invalid password attempts", true},
		{"", "Login failed: the account is locked", true},
		{"", "Password expired", true},
		{"invalid_grant", "Account disabled", true},
	} {
		o := &outcome{interpretation: sessionapi.Interpretation{Code: c.code, Message: c.message}}
		if advice := adviseRejected(o, source); strings.HasPrefix(advice, "Unlock or enable") != c.unusable {
			t.Errorf("%s %q: the advice is %q; it should blame the account alone: %t", c.code, c.message, advice, c.unusable)
		}
	}
}

// A password that was typed has no source to update.
func TestAdviceAboutTypedPassword(t *testing.T) {
	typed := secret.Source{Inline: secret.New(canaryPassword), Typed: true}
	locked := &outcome{interpretation: sessionapi.Interpretation{Code: "ACCOUNT_LOCKED"}}
	for _, advice := range []string{adviseRejected(&outcome{}, typed), adviseRejected(locked, typed), put("the right secret", typed)} {
		if strings.Contains(advice, "configuration") || strings.Contains(advice, "Update") || strings.Contains(advice, canaryPassword) {
			t.Errorf("the advice names a source, or the password: %s", advice)
		}
	}
	if typed.String() != "the prompt" {
		t.Errorf("the source is %q, want the prompt", typed.String())
	}
}

// systemd copies a credential when the service starts, so a change of the file needs a restart.
func TestAdviceAboutCredentialsOfSystemd(t *testing.T) {
	source := secret.FromFile("/run/credentials/session_exporter.service/hcx", nil)
	for _, advice := range []string{adviseRejected(new(outcome), source), put("the right secret", source)} {
		if !strings.Contains(advice, "original") || !strings.Contains(advice, "restart the exporter") {
			t.Errorf("no restart in %q", advice)
		}
	}
}
