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

	"session_exporter/simulator/apipages"
)

// page is a server that implements what an API's published page describes: one GET request
// and its responses.
type page struct {
	path     string
	header   [2]string                    // header that authenticates, with its value
	response atomic.Pointer[pageResponse] // the current response
}

type pageResponse struct {
	status int
	body   string
}

func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || r.URL.Path != p.path || r.Header.Get(p.header[0]) != p.header[1] {
		http.NotFound(w, r)
		return
	}
	response := p.response.Load()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(response.status)
	_, _ = fmt.Fprint(w, response.body)
}

// TestPublishedPages: ten lines of configuration probe a server that implements only one of
// the two published API pages.
func TestPublishedPages(t *testing.T) {
	t.Parallel()
	const token = canary + "token"
	for _, api := range []struct {
		name, api, path, auth string
		header                [2]string
		good                  string
		info                  string
		bad                   []documentedError
	}{{
		name: "hcx", api: "hcx", path: "/api/admin/v1/sessions", auth: "bearer", header: [2]string{"Authorization", "Bearer " + token},
		good: apipages.HCXSession, info: `session_info{username="[email protected]",organization="DEFAULT",enterprise="HybridityAdmin",version="1.0"}`,
		bad: []documentedError{
			{401, apipages.HCXUnauthorized, "session_expired", "INVALID_SESSION_TOKEN", 0},
			{500, apipages.HCXInternalError, "server_error", "INTERNAL_SERVER_ERROR", 1},
		},
	}, {
		// As in the page's own example request.
		name: "hcx, bare token", api: "hcx", path: "/api/admin/v1/sessions", auth: "token, token_header: Authorization", header: [2]string{"Authorization", token},
		good: apipages.HCXSession, info: `session_info{username="[email protected]"}`,
		bad: []documentedError{{401, apipages.HCXUnauthorized, "session_expired", "INVALID_SESSION_TOKEN", 0}},
	}, {
		name: "dr", api: "dr", path: "/session", auth: "token", header: [2]string{"x-dr-session", token},
		good: apipages.DRSession, info: `session_info{username="string"}`,
		bad: []documentedError{
			{400, apipages.DRError, "session_expired", "string", 0}, // dr's response to a token without a session
			{500, apipages.DRError, "server_error", "string", 1},
		},
	}} {
		t.Run(api.name, func(t *testing.T) {
			t.Parallel()
			good := &pageResponse{http.StatusOK, api.good}
			handler := &page{path: api.path, header: api.header}
			handler.response.Store(good)
			server := httptest.NewTLSServer(handler)
			t.Cleanup(server.Close)
			certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
			configuration := fmt.Sprintf(`global: {interval: 2s}
credentials:
  automation:
    token_file: %q
modules:
  appliance: {api: %s, credential: automation, auth: %s, tls_config: {ca_file: %q}}
endpoints:
  - name: site-a
    url: %s
    module: appliance`, secretFile(t, token), api.api, api.auth, write(t, filepath.Join(t.TempDir(), "server.pem"), string(certificate)), server.URL)
			if lines := strings.Count(configuration, "\n") + 1; lines > 10 {
				t.Errorf("the configuration has %d lines, want at most 10", lines)
			}
			x := serve(t, configuration)
			x.await(t, want{
				"session_up": 1, "session_auth_success": 1, `session_state{state="valid"}`: 1, "session_state": 1,
				"session_http_status_code": 200, "session_probe_failures_total": 0, api.info: 1,
			})
			for _, bad := range api.bad {
				errors := fmt.Sprintf("session_errors_total{code=%q}", bad.code)
				before := x.scrape(t).sum(errors)
				handler.response.Store(&pageResponse{bad.status, bad.body})
				m := x.await(t, want{
					fmt.Sprintf("session_state{state=%q}", bad.state): 1, "session_state": 1, "session_up": 0,
					"session_auth_success": bad.verdict, "session_http_status_code": float64(bad.status),
				})
				if got := m.sum(errors); !(got >= 1) || got <= before {
					t.Errorf("%s is %v after %d, and was %v before", errors, got, bad.status, before)
				}
				handler.response.Store(good)
				x.await(t, want{"session_up": 1, "session_auth_success": 1})
			}
		})
	}
}

// documentedError is a documented error response, and the metrics that follow from it.
type documentedError struct {
	status  int
	body    string
	state   string
	code    string
	verdict float64 // of session_auth_success: 0, or 1 if the previous verdict stands
}
