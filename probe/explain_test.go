package probe

import (
	"context"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"session_exporter/config"
)

var update = flag.Bool("update", false, "write testdata/diagnoses.txt anew")

// The moments that an exchange may have reached.
var (
	noMoment time.Time
	aMoment  = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
)

// told is an exchange that was answered.
func told(step Step, status int) *exchange {
	return &exchange{
		step: step, written: aMoment, answered: aMoment, answer: Answer{Status: status},
		url: &url.URL{Scheme: "https", Host: "appliance.test"},
	}
}

// untold is one that was not, having got so far.
func untold(step Step, written, answered time.Time, err error) *exchange {
	return &exchange{
		step: step, written: written, answered: answered, err: err,
		url: &url.URL{Scheme: "https", Host: "appliance.test"},
	}
}

// atSSO moves an exchange to the authorization server.
func atSSO(x *exchange) *exchange {
	x.step, x.url = Token, &url.URL{Scheme: "https", Host: "sso.test"}
	return x
}

type explained struct {
	name  string
	auth  config.Auth
	oauth bool
	found finding
}

func said(r Reading) finding { return finding{reading: r} }

// of completes a finding.
func (f finding) of(state State, x *exchange) finding {
	f.state, f.x, f.within = state, x, 10*time.Second
	return f
}

func explanations() []explained {
	alice := said(Reading{Identity: &Identity{Username: "alice"}})
	differs := alice
	differs.differences = []string{`role "Admin" is missing`, `role "Root" is there and must not be`}
	code := func(code, message string) finding { return said(Reading{Code: code, Message: message}) }
	reads := func(why string) finding { return said(Reading{Why: why}) }
	detail := func(detail string) finding { return finding{detail: detail} }
	token := code("INVALID_SESSION_TOKEN", "UserContext not found in SecurityContext")
	atOnce := token
	atOnce.refusedAtOnce, atOnce.resumeAt = true, aMoment
	suspended := func(refusals int) finding {
		return finding{suspension: &suspension{refusals: refusals}, resumeAt: aMoment}
	}
	limited := said(Reading{})
	limited.resumeAt = aMoment
	refusedDial := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connect: connection refused")}
	return []explained{
		{"valid", config.AuthLogin, false, alice.of(Valid, told(Check, 200))},
		{"unexpected", config.AuthLogin, false, differs.of(Unexpected, told(Check, 200))},
		{"forbidden, by a session", config.AuthLogin, false, code("NOT_ENOUGH_PRIVILEGES", "").of(Forbidden, told(Check, 403))},
		{"forbidden, at login", config.AuthLogin, false, code("NOT_ENOUGH_PRIVILEGES", "").of(Forbidden, told(Login, 403))},
		{"forbidden, by a token", config.AuthToken, false, code("", "").of(Forbidden, told(Check, 403))},
		{"session refused at once", config.AuthLogin, false, atOnce.of(SessionExpired, told(Check, 401))},
		{"token refused", config.AuthToken, false, token.of(SessionExpired, told(Check, 401))},
		{"bearer token refused", config.AuthBearer, false, token.of(SessionExpired, told(Check, 401))},
		{"bearer token of OAuth 2.0 refused", config.AuthBearer, true, token.of(SessionExpired, told(Check, 401))},
		{"token refused by a page", config.AuthToken, false, said(Reading{State: InvalidResponse, Why: "its body is an HTML page instead of JSON"}).of(SessionExpired, told(Check, 401))},
		{"200 of nobody", config.AuthToken, false, reads("it names no user").of(SessionExpired, told(Check, 200))},
		{"204", config.AuthToken, false, reads("its body is empty, so it names no user").of(SessionExpired, told(Check, 204))},
		{"200 with a code", config.AuthToken, false, token.of(SessionExpired, told(Check, 200))},
		{"400 of nobody", config.AuthToken, false, said(Reading{Code: "E17", Why: "it does not say that the request is malformed, so it means that there is no session"}).of(SessionExpired, told(Check, 400))},
		{"password refused at login", config.AuthLogin, false, code("INVALID_CREDENTIALS", "Invalid username or password").of(CredentialsRejected, told(Login, 401))},
		{"password refused without a word", config.AuthLogin, false, code("", "").of(CredentialsRejected, told(Login, 401))},
		{"password refused at check", config.AuthBasic, false, code("INVALID_CREDENTIALS", "").of(CredentialsRejected, told(Check, 401))},
		{"client refused", config.AuthBearer, true, code("invalid_client", "").of(CredentialsRejected, atSSO(told(Login, 401)))},
		{"suspended everywhere", config.AuthLogin, false, suspended(2).of(LoginSuspended, nil)},
		{"suspended after one", config.AuthLogin, false, suspended(1).of(LoginSuspended, nil)},
		{"suspended here", config.AuthLogin, false, suspended(0).of(LoginSuspended, nil)},
		{"suspended, another under way", config.AuthLogin, false, detail("until it has been accepted, it is tried by one login at a time, and another one was under way").of(LoginSuspended, nil)},
		{"secret missing", config.AuthLogin, false, detail(`reading the secret from file "/run/secrets/hcx": no such file or directory`).of(CredentialMissing, nil)},
		{"header missing", config.AuthLogin, false, finding{failure: `reading the http_headers file "/run/tenant": no such file or directory`}.of(CredentialMissing, &exchange{step: Login, unsent: true})},
		{"rate limited", config.AuthToken, false, limited.of(RateLimited, told(Check, 429))},
		{"rate limited by the authorization server", config.AuthBearer, true, limited.of(RateLimited, atSSO(told(Login, 429)))},
		{"bad request", config.AuthLogin, false, code("BAD_REQUEST", "malformed JSON").of(BadRequest, told(Login, 400))},
		{"bad request to the authorization server", config.AuthBearer, true, code("invalid_scope", "").of(BadRequest, atSSO(told(Login, 400)))},
		{"server error", config.AuthToken, false, code("INTERNAL_SERVER_ERROR", "Internal Server Error").of(ServerError, told(Check, 500))},
		{"server error of a page", config.AuthToken, false, said(Reading{State: InvalidResponse, Why: "its body is an HTML page instead of JSON"}).of(ServerError, told(Check, 502))},
		{"server error in a 200", config.AuthToken, false, reads("it says `success: false` and gives no error code").of(ServerError, told(Check, 200))},
		{"server error at login", config.AuthLogin, false, limited.of(ServerError, told(Login, 503))},
		{"server error of the authorization server", config.AuthBearer, true, limited.of(ServerError, atSSO(told(Login, 500)))},
		{"HTML", config.AuthToken, false, said(Reading{State: InvalidResponse, Why: "its body is an HTML page instead of JSON"}).of(InvalidResponse, told(Check, 200))},
		{"wrong type", config.AuthToken, false, reads("its field `data.user.roles` has the wrong type, a JSON string").of(InvalidResponse, told(Check, 200))},
		{"login without token", config.AuthLogin, false, reads("it has no session token in its x-hm-authorization header").of(InvalidResponse, told(Login, 200))},
		{"redirect", config.AuthToken, false, reads("its body is empty").of(InvalidResponse, told(Check, 302))},
		{"404", config.AuthToken, false, said(Reading{State: InvalidResponse, Why: "its body is an HTML page instead of JSON"}).of(InvalidResponse, told(Check, 404))},
		{"405", config.AuthToken, false, reads("").of(InvalidResponse, told(Check, 405))},
		{"too large", config.AuthToken, false, finding{}.of(InvalidResponse, &exchange{step: Check, tooLarge: true, answer: Answer{Status: 200}})},
		{"not HTTP", config.AuthToken, false, finding{failure: `malformed HTTP response "SSH-2.0-OpenSSH_9.9"`}.of(InvalidResponse, untold(Check, aMoment, aMoment, io.EOF))},
		{"no token of OAuth 2.0", config.AuthBearer, true, reads("it is no OAuth 2.0 token response").of(InvalidResponse, atSSO(told(Login, 200)))},
		{"redirect of the authorization server", config.AuthBearer, true, reads("").of(InvalidResponse, atSSO(told(Login, 302)))},
		{"404 of the authorization server", config.AuthBearer, true, reads("").of(InvalidResponse, atSSO(told(Login, 404)))},
		{"refused port", config.AuthLogin, false, finding{failure: cause(refusedDial).Error()}.of(Unreachable, untold(Login, noMoment, noMoment, refusedDial))},
		{"no such name", config.AuthToken, false, finding{failure: "lookup appliance.test on 192.0.2.53:53: no such host"}.of(Unreachable, untold(Check, noMoment, noMoment, io.EOF))},
		{"closed without an answer", config.AuthToken, false, finding{failure: cause(io.EOF).Error()}.of(Unreachable, untold(Check, aMoment, noMoment, io.EOF))},
		{"closed in the answer", config.AuthToken, false, finding{failure: cause(io.ErrUnexpectedEOF).Error()}.of(Unreachable, untold(Check, aMoment, aMoment, io.EOF))},
		{"authorization server down", config.AuthBearer, true, finding{failure: "connect: connection refused"}.of(Unreachable, atSSO(untold(Login, noMoment, noMoment, io.EOF)))},
		{"certificate", config.AuthToken, false, finding{failure: "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2026-03-04T05:06:07Z is after 2026-03-01T00:00:00Z"}.of(TLSFailed, untold(Check, noMoment, noMoment, x509.CertificateInvalidError{Reason: x509.Expired}))},
		{"issuer", config.AuthToken, false, finding{failure: "tls: failed to verify certificate: x509: certificate signed by unknown authority"}.of(TLSFailed, untold(Check, noMoment, noMoment, x509.UnknownAuthorityError{}))},
		{"host name", config.AuthToken, false, finding{failure: "tls: failed to verify certificate: x509: certificate is valid for other.test, not appliance.test"}.of(TLSFailed, untold(Check, noMoment, noMoment, x509.HostnameError{}))},
		{"certificate of the authorization server", config.AuthBearer, true, finding{failure: "tls: failed to verify certificate: x509: certificate signed by unknown authority"}.of(TLSFailed, atSSO(untold(Login, noMoment, noMoment, x509.UnknownAuthorityError{})))},
		{"client certificate", config.AuthToken, false, finding{failure: "remote error: tls: certificate required"}.of(TLSFailed, untold(Check, noMoment, noMoment, io.EOF))},
		{"timeout connecting", config.AuthToken, false, finding{}.of(Timeout, untold(Check, noMoment, noMoment, context.DeadlineExceeded))},
		{"timeout in the handshake", config.AuthToken, false, finding{}.of(Timeout, &exchange{step: Check, inHandshake: true, url: &url.URL{Host: "appliance.test"}})},
		{"timeout answering", config.AuthLogin, false, finding{}.of(Timeout, untold(Login, aMoment, noMoment, context.DeadlineExceeded))},
		{"timeout in the answer", config.AuthToken, false, finding{}.of(Timeout, untold(Check, aMoment, aMoment, context.DeadlineExceeded))},
		{"timeout of the authorization server", config.AuthBearer, true, finding{}.of(Timeout, atSSO(untold(Login, aMoment, noMoment, context.DeadlineExceeded)))},
	}
}

// All that people read, as they read it.
func TestExplanations(t *testing.T) {
	var b strings.Builder
	for _, c := range explanations() {
		e := endpointFor("hcx", c.auth)
		e.Credential.Secret = config.SecretSource{File: "/run/secrets/hcx"}
		if c.oauth {
			e.Credential = oauthCredential("https://sso.test/token")
			e.Credential.Secret = config.SecretSource{File: "/run/secrets/client"}
		}
		c.found.auth = c.auth
		diagnosis, advice := explain(&c.found, e)
		fmt.Fprintf(&b, "## %s: %s\n%s\n", c.name, c.found.state, diagnosis)
		if advice != "" {
			fmt.Fprintf(&b, "> %s\n", advice)
		}
		b.WriteString("\n")
	}
	const golden = "testdata/diagnoses.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	got, lines := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(got), len(lines)) {
		if i >= len(got) || i >= len(lines) || got[i] != lines[i] {
			t.Fatalf("line %d differs; run go test ./probe -run Explanations -update and read the difference\n%s", i+1, strings.Join(got[min(i, len(got)):min(i+1, len(got))], ""))
		}
	}
}
