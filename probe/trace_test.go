package probe

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"session_exporter/probe/transport"

	"session_exporter/sessionapi"
)

// The trace of a failed login shows everything that is not secret.
func TestTraceOfFailure(t *testing.T) {
	p := piped(t, endpointFor("hcx", sessionapi.AuthLogin), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Set-Cookie", "JSESSIONID=given-by-the-server")
		w.Header().Set("X-Echo", canaryPassword)
		w.Header()["Date"] = nil
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprintf(w, `{"success": false, "errorCode": "INVALID_CREDENTIALS", "error": "not %s"}`, canaryPassword)
	}))
	r := mustProbe(t, p)
	if len(r.Steps) != 1 || r.Steps[0].Trace == nil {
		t.Fatalf("steps %+v", r.Steps)
	}
	got := r.Steps[0].Trace
	for _, c := range []struct {
		what      string
		got, want []string
	}{
		{"request", got.Request, []string{"Accept: application/json", "Accept-Encoding: gzip", "Cache-Control: no-cache", "Content-Type: application/json", "User-Agent: " + transport.UserAgent}},
		{"response", got.Response, []string{"Content-Length: 86", "Content-Type: application/json", "Set-Cookie: <not shown>", "X-Echo: <not shown>"}},
		{"body", []string{got.Body}, []string{`{"success": false, "errorCode": "INVALID_CREDENTIALS", "error": "not <secret>"}`}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s %q, want %q", c.what, c.got, c.want)
		}
	}
}

// A probe that finds a valid session is traced only on request, and the session is not
// shown.
func TestTraceOfSuccess(t *testing.T) {
	appliance := func() *handwritten {
		w := way{"hcx", sessionapi.AuthLogin}
		return &handwritten{get: []http.Handler{reply{200, nil, hcxOK}}, post: []http.Handler{w.login()}, del: []http.Handler{w.logout()}}
	}
	for _, step := range mustProbe(t, piped(t, endpointFor("hcx", sessionapi.AuthLogin), appliance())).Steps {
		if step.Trace != nil {
			t.Errorf("%s has the trace %+v", step.Step, step.Trace)
		}
	}
	r, err := piped(t, endpointFor("hcx", sessionapi.AuthLogin), appliance()).Probe(t.Context(), Options{Trace: true})
	if err != nil || r.State != sessionapi.Valid || len(r.Steps) != 2 {
		t.Fatalf("result %+v, error %v", r, err)
	}
	checkResult(t, *r)
	login, check := r.Steps[0].Trace, r.Steps[1].Trace
	if login == nil || login.Body != transport.NotShown {
		t.Errorf("the login's trace is %+v", login)
	}
	if check == nil || !strings.Contains(check.Body, "username") || !slices.Contains(check.Request, "X-Hm-Authorization: <not shown>") {
		t.Errorf("the check's trace is %+v", check)
	}
}

// The Location in a trace has no user, query or fragment.
func TestTraceOfRedirect(t *testing.T) {
	p := piped(t, endpointFor("dr", sessionapi.AuthToken), reply{302, map[string]string{"Location": "https://user:pw@sso.test/login?SAMLRequest=" + canaryToken + "#x"}, ""})
	r := mustProbe(t, p)
	if got := r.Steps[0].Trace.Response; !slices.Contains(got, "Location: https://sso.test/login") {
		t.Errorf("the response is %q, want it with https://sso.test/login", got)
	}
}

// A truncated body is not shown: it may end inside a secret.
func TestTraceOfCutBody(t *testing.T) {
	p := piped(t, endpointFor("dr", sessionapi.AuthToken), raw("HTTP/1.1 500 Oops\r\nContent-Length: 500\r\n\r\nyour token "+canaryToken[:10]))
	r := mustProbe(t, p)
	if got := r.Steps[0].Trace; got.Body != "" || got.Failure == "" {
		t.Errorf("trace %+v, want a failure and no body", got)
	}
}

// A trace has at most 40 headers and 2048 characters of the body.
func TestTraceIsBounded(t *testing.T) {
	header := map[string]string{}
	for i := range 200 {
		header[fmt.Sprintf("X-%d", i)] = "x"
	}
	p := piped(t, endpointFor("dr", sessionapi.AuthToken), reply{500, header, strings.Repeat("é", 100_000)})
	got := mustProbe(t, p).Steps[0].Trace
	if len(got.Response) > 40+1 || len([]rune(got.Body)) > 2<<10+1 {
		t.Errorf("%d headers, %d characters of the body", len(got.Response), len([]rune(got.Body)))
	}
}

// A step without a response tells whether its request was sent, and its trace tells the cause.
func TestTraceWithoutResponse(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		dial    transport.DialFunc // nil: connects
		notSent bool
		failure string
	}{
		"refused": {silent, func(context.Context, string, string) (net.Conn, error) { return nil, errRefused }, true, "connection refused"},
		"no response to SYN": {silent, func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, true, "no connection was made"},
		"silence": {silent, nil, false, "the request was sent, and no response arrived"},
		"closed":  {raw("").ServeHTTP, nil, false, "the other side closed the connection"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := piped(t, endpointFor("hcx", sessionapi.AuthToken), c.handler)
				if c.dial != nil {
					directly(p).DialContext = c.dial
				}
				step := mustProbe(t, p).Steps[0]
				if step.NotSent != c.notSent || step.Trace == nil || step.Trace.Failure != c.failure {
					t.Errorf("not sent: %t, trace %+v, want %t and the failure %q", step.NotSent, step.Trace, c.notSent, c.failure)
				}
			})
		})
	}
}
