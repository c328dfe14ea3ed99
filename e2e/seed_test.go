package e2e

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// The bodies as the published pages have them.
const (
	hcxSession = `{
    "success": true,
    "completed": true,
    "time": 1753089693083,
    "version": "1.0",
    "data": {
        "user": {
            "enterprise": "HybridityAdmin",
            "organization": [
                "DEFAULT"
            ],
            "currentOrganization": "DEFAULT",
            "roles": [
                "System Administrator",
                "Appliance Administrator"
            ],
            "username": "[email protected]",
            "transactionId": "4636e751-ca87-42d4-a7fc-809b31fbbd82"
        }
    }
}`
	hcxUnauthorized = `{
    "success": false,
    "completed": false,
    "time": 1753089693083,
    "version": "1.0",
    "errorCode": "INVALID_SESSION_TOKEN",
    "error": "UserContext not found in SecurityContext"
}`
	hcxInternalError = `{
    "success": false,
    "completed": false,
    "time": 1753089693083,
    "version": "1.0",
    "errorCode": "INTERNAL_SERVER_ERROR",
    "error": "Internal Server Error"
}`
	drSession = `{
    "username": "string"
}`
	drError = `{
    "error_code": "string",
    "message": "string",
    "op_id": "string"
}`
)

// page is what an API's published page says: one GET request and its answers.
type page struct {
	path   string
	header [2]string                  // that authenticates, and its value
	answer atomic.Pointer[pageAnswer] // the one to give
}

type pageAnswer struct {
	status int
	body   string
}

func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || r.URL.Path != p.path || r.Header.Get(p.header[0]) != p.header[1] {
		http.NotFound(w, r)
		return
	}
	answer := p.answer.Load()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(answer.status)
	_, _ = fmt.Fprint(w, answer.body)
}

// TestSeedPages holds the product to the two pages that it started from: a
// server that is nothing but the page, ten lines of configuration, a verdict.
func TestSeedPages(t *testing.T) {
	t.Parallel()
	const token = canary + "token"
	for _, api := range []struct {
		name, base, path, auth string
		header                 [2]string
		good                   string
		info                   string
		bad                    []badAnswer
	}{{
		name: "hcx", path: "/api/admin/v1/sessions", auth: "bearer", header: [2]string{"Authorization", "Bearer " + token},
		good: hcxSession, info: `session_info{username="[email protected]",organization="DEFAULT",enterprise="HybridityAdmin",version="1.0"}`,
		bad: []badAnswer{
			{401, hcxUnauthorized, "session_expired", "INVALID_SESSION_TOKEN", 0},
			{500, hcxInternalError, "server_error", "INTERNAL_SERVER_ERROR", 1},
		},
	}, {
		name: "dr", path: "/session", auth: "token", header: [2]string{"x-dr-session", token},
		good: drSession, info: `session_info{username="string"}`,
		bad: []badAnswer{
			{400, drError, "session_expired", "string", 0}, // how dr may say that nobody is logged in
			{500, drError, "server_error", "string", 1},
		},
	}} {
		t.Run(api.name, func(t *testing.T) {
			t.Parallel()
			good := &pageAnswer{http.StatusOK, api.good}
			handler := &page{path: api.path, header: api.header}
			handler.answer.Store(good)
			server := httptest.NewTLSServer(handler)
			t.Cleanup(server.Close)
			certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
			configuration := fmt.Sprintf(`global: {interval: 1s}
credentials:
  automation:
    token_file: %q
modules:
  appliance: {api: %s, credential: automation, auth: %s, tls_config: {ca_file: %q}}
endpoints:
  - name: site-a
    url: %s
    module: appliance`, secretFile(t, token), api.name, api.auth, write(t, filepath.Join(t.TempDir(), "server.pem"), string(certificate)), server.URL)
			if lines := strings.Count(configuration, "\n") + 1; lines > 10 {
				t.Errorf("the configuration takes %d lines", lines)
			}
			x := serve(t, configuration)
			x.await(t, want{
				"session_up": 1, "session_auth_success": 1, `session_state{state="valid"}`: 1, "session_state": 1,
				"session_http_status_code": 200, "session_probe_failures_total": 0, api.info: 1,
			})
			for _, bad := range api.bad {
				errors := fmt.Sprintf("session_errors_total{code=%q}", bad.code)
				before := x.scrape(t).sum(errors)
				handler.answer.Store(&pageAnswer{bad.status, bad.body})
				m := x.await(t, want{
					fmt.Sprintf("session_state{state=%q}", bad.state): 1, "session_state": 1, "session_up": 0,
					"session_auth_success": bad.verdict, "session_http_status_code": float64(bad.status),
				})
				if got := m.sum(errors); !(got >= 1) || got <= before {
					t.Errorf("%s is %v after %d, and was %v before", errors, got, bad.status, before)
				}
				handler.answer.Store(good)
				x.await(t, want{"session_up": 1, "session_auth_success": 1})
			}
		})
	}
}

// badAnswer is a documented error and what it means.
type badAnswer struct {
	status  int
	body    string
	state   string
	code    string
	verdict float64 // 1: the one before stands
}
