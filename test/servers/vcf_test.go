package servers

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/sessionapi"
)

// vcf simulates the identity broker of VMware Cloud Foundation 9, and an HCX Manager that accepts
// its bearer tokens, according to their published descriptions.
type vcf struct {
	mu       sync.Mutex // guards the fields below
	apiToken string     // the valid one
	issued   time.Time  // of the bearer token
	requests int        // to the broker
}

const bearerLifetime = 1799 * time.Second

func (v *vcf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	bearer := fmt.Sprint("bearer-", v.requests)
	switch {
	case r.Method+" "+r.URL.Path == "POST /acs/t/CUSTOMER/token":
		v.requests++
		_ = r.ParseForm()
		want := url.Values{"grant_type": {"urn:custom:vcf:params:oauth:grant-type:api-token"}, "api_token": {v.apiToken}}
		if !reflect.DeepEqual(r.PostForm, want) || r.Header.Get("Authorization") != "" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprint(w, `{"error": "invalid_grant", "error_description": "The API token is invalid or expired"}`)
			return
		}
		v.issued = time.Now()
		_, _ = fmt.Fprintf(w, `{"access_token": "bearer-%d", "token_type": "Bearer", "expires_in": %.0f}`, v.requests, bearerLifetime.Seconds())
	case r.Method+" "+r.URL.Path != "GET /api/admin/v1/sessions":
		w.WriteHeader(http.StatusNotFound)
	case r.Header.Get("Authorization") != "Bearer "+bearer || time.Since(v.issued) >= bearerLifetime:
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprint(w, `{"success": false, "completed": true, "time": 1, "version": "1.0", "errorCode": "INVALID_SESSION_TOKEN"}`)
	default:
		_, _ = fmt.Fprint(w, `{"success": true, "completed": true, "time": 1, "version": "1.0", "data": {"user": {"username": "monitor"}}}`)
	}
}

// revoke replaces the valid API token.
func (v *vcf) revoke(next string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.apiToken = next
}

// documentedVCF returns the documented configuration for VMware Cloud Foundation 9 over plain
// HTTP, with the API token in a file, and the file's name.
func documentedVCF(t *testing.T, token string) (text, file string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile("(?s)### VMware Cloud Foundation 9.*?```yaml\n(.*?)```").FindSubmatch(page)
	if example == nil {
		t.Fatal("docs/configuration.md has no example of VMware Cloud Foundation 9")
	}
	file = filepath.Join(t.TempDir(), "token")
	putToken(t, file, token)
	text = strings.NewReplacer("https://", "http://", "/etc/session_exporter/secrets/vcf_api_token", file).Replace(string(example[1]))
	return regexp.MustCompile(`(?m)^ *tls_config:.*\n`).ReplaceAllString(text, ""), file
}

func putToken(t *testing.T, file, token string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestVCFAPIToken: with the documented example, probes are valid for hours, although a bearer
// token expires after half an hour. The diagnosis of a revoked API token names its file. Once
// the file has a new token, the next probe uses it.
func TestVCFAPIToken(t *testing.T) {
	text, file := documentedVCF(t, "api-token-1")
	synctest.Test(t, func(t *testing.T) {
		v := &vcf{apiToken: "api-token-1"}
		p := proberOf(t, text, serve(t, v))
		for range 5 * 60 {
			if r := wants(t, p, sessionapi.Valid); r.Identity.Username != "monitor" || r.Expirations > 0 {
				t.Fatalf("%+v", r)
			}
			time.Sleep(time.Minute)
		}
		if v.requests != 10 {
			t.Errorf("%d token requests in five hours", v.requests)
		}
		v.revoke("api-token-2")
		time.Sleep(time.Hour)
		r := wants(t, p, sessionapi.CredentialsRejected)
		if want := fmt.Sprintf("The authorization server sso.example.com refused the API token from file %q (400 invalid_grant", file); !strings.HasPrefix(r.Diagnosis, want) || strings.Contains(r.Diagnosis, "api-token-1") {
			t.Error(r.Diagnosis)
		}
		before := v.requests
		time.Sleep(time.Minute)
		wants(t, p, sessionapi.LoginSuspended)
		if v.requests > before {
			t.Errorf("%d more token requests", v.requests-before)
		}
		putToken(t, file, "api-token-2")
		time.Sleep(time.Minute)
		wants(t, p, sessionapi.Valid)
	})
}
