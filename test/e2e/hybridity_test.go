package e2e

import (
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// hybridityServer implements only the documented part of HCX's operations API.
type hybridityServer struct {
	login, check pageResponse
	noToken      bool // the login's response has no session token
}

func (s *hybridityServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	response := s.check
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/hybridity/api/sessions":
		body, _ := io.ReadAll(r.Body)
		if response = s.login; string(body) != fmt.Sprintf(`{"username":%q,"password":%q}`, user, password) {
			response = pageResponse{status: http.StatusBadRequest}
		}
		if response.status < 300 && !s.noToken {
			w.Header().Set("x-hm-authorization", canary+"session")
		}
	case r.Method == http.MethodGet && r.URL.Path == "/hybridity/api/cloudConfigs":
		if r.Header.Get("x-hm-authorization") != canary+"session" {
			response = pageResponse{status: http.StatusUnauthorized}
		}
	default:
		response = pageResponse{status: http.StatusNotFound}
	}
	w.WriteHeader(response.status)
	_, _ = io.WriteString(w, response.body)
}

// TestHCXHybridity: ten lines of configuration probe HCX's operations API, and the command
// probe explains each documented failure.
func TestHCXHybridity(t *testing.T) {
	t.Parallel()
	const xmlError = "<entries><entry><string>SSO is not configured</string></entry></entries>"
	ok, pairings := pageResponse{status: 200}, pageResponse{200, `{"data": {"items": []}}`}
	for _, c := range []struct {
		name   string
		server hybridityServer
		state  string
		words  string
	}{
		{"valid", hybridityServer{login: ok, check: pairings}, "valid", "this API has no logout"},
		{"202", hybridityServer{login: pageResponse{202, "whatever"}, check: pairings}, "valid", ""},
		{"401", hybridityServer{login: pageResponse{status: 401}}, "credentials_rejected", "for a locked, disabled or expired account, and when single sign-on fails"},
		{"401 in XML", hybridityServer{login: pageResponse{401, xmlError}}, "credentials_rejected", `401, "SSO is not configured"`},
		{"400", hybridityServer{login: pageResponse{status: 400}}, "bad_request", "check the password too"},
		{"503", hybridityServer{login: pageResponse{503, xmlError}}, "server_error", `("SSO is not configured")`},
		{"no token", hybridityServer{login: ok, noToken: true}, "invalid_response", "no session token in its x-hm-authorization header"},
		{"no permission", hybridityServer{login: ok, check: pageResponse{status: 403}}, "forbidden", "does not permit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewTLSServer(&c.server)
			t.Cleanup(server.Close)
			certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
			dir := t.TempDir()
			file := write(t, filepath.Join(dir, "session_exporter.yml"), fmt.Sprintf(`credentials:
  automation:
    username: %s
    password_file: %q
modules:
  operations: {api: hcx-hybridity, credential: automation, tls_config: {ca_file: %q}}
endpoints:
  - name: site-a
    url: %s
    module: operations`, user, secretFile(t, password), write(t, filepath.Join(dir, "server.pem"), string(certificate)), server.URL))
			got := run(t, "probe", "--config.file="+file, "site-a")
			if want := map[bool]int{true: 0, false: 1}[c.state == "valid"]; got.code != want || !strings.HasPrefix(got.stdout, "site-a: "+c.state+"\n") || !strings.Contains(got.stdout, c.words) {
				t.Errorf("exit code %d:\n%s%s", got.code, got.stdout, got.stderr)
			}
		})
	}
}
