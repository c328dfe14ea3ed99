package probe

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"session_exporter/config"
)

// A failed login is traced with all that may be shown, and nothing else.
func TestTraceOfFailure(t *testing.T) {
	p := piped(t, endpointFor("hcx", config.AuthLogin), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
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
		{"request", got.Request, []string{"Accept: application/json", "Content-Type: application/json", "User-Agent: " + userAgent}},
		{"response", got.Response, []string{"Content-Length: 86", "Content-Type: application/json", "Set-Cookie: <not shown>", "X-Echo: <not shown>"}},
		{"body", []string{got.Body}, []string{`{"success": false, "errorCode": "INVALID_CREDENTIALS", "error": "not <secret>"}`}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s %q, want %q", c.what, c.got, c.want)
		}
	}
}

// A probe that finds a valid session is traced only for who asks, and the session
// is not shown.
func TestTraceOfSuccess(t *testing.T) {
	appliance := func() *handwritten {
		w := way{"hcx", config.AuthLogin}
		return &handwritten{get: []http.Handler{reply{200, nil, hcxOK}}, post: []http.Handler{w.login()}, del: []http.Handler{w.logout()}}
	}
	for _, step := range mustProbe(t, piped(t, endpointFor("hcx", config.AuthLogin), appliance())).Steps {
		if step.Trace != nil {
			t.Errorf("%s has the trace %+v", step.Step, step.Trace)
		}
	}
	r, err := piped(t, endpointFor("hcx", config.AuthLogin), appliance()).Probe(WithTrace(t.Context()))
	if err != nil || r.State != Valid || len(r.Steps) != 2 {
		t.Fatalf("result %+v, error %v", r, err)
	}
	checkResult(t, *r)
	login, check := r.Steps[0].Trace, r.Steps[1].Trace
	if login == nil || login.Body != notShown {
		t.Errorf("the login's trace is %+v", login)
	}
	if check == nil || !strings.Contains(check.Body, "username") || !slices.Contains(check.Request, "X-Hm-Authorization: <not shown>") {
		t.Errorf("the check's trace is %+v", check)
	}
}

func TestTraceOfRedirect(t *testing.T) {
	p := piped(t, endpointFor("dr", config.AuthToken), reply{302, map[string]string{"Location": "https://user:pw@sso.test/login?SAMLRequest=" + canaryToken + "#x"}, ""})
	r := mustProbe(t, p)
	if got := r.Steps[0].Trace.Response; !slices.Contains(got, "Location: https://sso.test/login") {
		t.Errorf("response %q", got)
	}
}

// What is cut off may end in the middle of a secret.
func TestTraceOfCutBody(t *testing.T) {
	p := piped(t, endpointFor("dr", config.AuthToken), raw("HTTP/1.1 500 Oops\r\nContent-Length: 500\r\n\r\nyour token "+canaryToken[:10]))
	r := mustProbe(t, p)
	if got := r.Steps[0].Trace; got.Body != "" || got.Failure == "" {
		t.Errorf("trace %+v", got)
	}
}

func TestTraceIsBounded(t *testing.T) {
	header := map[string]string{}
	for i := range 200 {
		header[fmt.Sprintf("X-%d", i)] = "x"
	}
	p := piped(t, endpointFor("dr", config.AuthToken), reply{500, header, strings.Repeat("é", 100_000)})
	got := mustProbe(t, p).Steps[0].Trace
	if len(got.Response) > maxTraceHeaders+1 || len([]rune(got.Body)) > maxTraceBody+1 {
		t.Errorf("%d lines, %d bytes", len(got.Response), len(got.Body))
	}
}
