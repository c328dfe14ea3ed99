package probe

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/sessionapi"
)

// Each failure is one request, and one refusal if the server may have counted it.
func TestOAuthFailures(t *testing.T) {
	html := map[string]string{"Content-Type": "text/html"}
	plain := map[string]string{"Content-Type": "text/plain; charset=utf-8"}
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	for _, c := range []struct {
		name     string
		response http.Handler
		state    sessionapi.State
		why      string
	}{
		{"invalid_client", reply{401, nil, `{"error": "invalid_client", "error_description": "Client ` + canaryClient + ` is not known"}`}, sessionapi.CredentialsRejected, `sso.test refused the OAuth 2.0 client "exporter" (401 invalid_client, "Client <secret> is not known")`},
		{"invalid_client with 400", reply{400, nil, `{"error": "invalid_client"}`}, sessionapi.CredentialsRejected, "invalid_client"},
		{"invalid_client with 200", reply{200, nil, `{"error": "invalid_client"}`}, sessionapi.CredentialsRejected, "invalid_client"},
		{"invalid_client as text", reply{400, plain, `{"error": "invalid_client"}`}, sessionapi.CredentialsRejected, "400 invalid_client"},
		{"invalid_client as HTML", reply{400, html, `{"error": "invalid_client"}`}, sessionapi.CredentialsRejected, "400 invalid_client"},
		{"invalid_client with a byte-order mark", reply{400, nil, "\ufeff" + `{"error": "invalid_client"}`}, sessionapi.CredentialsRejected, "400 invalid_client"},
		{"invalid_client as a form", reply{400, form, "error=invalid_client&error_description=who+is+that"}, sessionapi.CredentialsRejected, `400 invalid_client, "who is that"`},
		{"invalid_client as a form in text", reply{400, plain, "error=invalid_client"}, sessionapi.CredentialsRejected, "400 invalid_client"},
		{"invalid_client with wrong types", reply{400, nil, `{"error": "invalid_client", "error_description": 5, "expires_in": {}}`}, sessionapi.CredentialsRejected, "(400 invalid_client)"},
		{"unauthorized_client", reply{400, nil, `{"error": "unauthorized_client"}`}, sessionapi.CredentialsRejected, "unauthorized_client"},
		{"invalid_grant", reply{400, nil, `{"error": "invalid_grant"}`}, sessionapi.CredentialsRejected, "invalid_grant"},
		{"access_denied", reply{403, nil, `{"error": "access_denied"}`}, sessionapi.CredentialsRejected, "access_denied"},
		{"401", reply{401, nil, ""}, sessionapi.CredentialsRejected, "(401)"},
		{"401 with another code", reply{401, nil, `{"error": "server_error"}`}, sessionapi.CredentialsRejected, "(401 server_error)"},
		{"403", reply{403, nil, ""}, sessionapi.CredentialsRejected, "(403)"},
		{"403 from a firewall", reply{403, html, "<html>"}, sessionapi.InvalidResponse, "403"},
		{"403 with a code of its own", reply{403, nil, `{"error": "not_today"}`}, sessionapi.BadRequest, "(403 not_today)"},
		{"403 invalid_scope", reply{403, nil, `{"error": "invalid_scope"}`}, sessionapi.BadRequest, "invalid_scope"},
		{"400", reply{400, nil, ""}, sessionapi.BadRequest, "(400)"},
		{"400 as HTML", reply{400, html, "<html>"}, sessionapi.InvalidResponse, "400"},
		{"400 with a code of its own", reply{400, nil, `{"error": "invalid_target"}`}, sessionapi.BadRequest, "(400 invalid_target)"},
		{"400 with an error of another type", reply{400, nil, `{"error": {"code": 400}}`}, sessionapi.BadRequest, "(400)"},
		{"422", reply{422, nil, "{}"}, sessionapi.BadRequest, "(422)"},
		{"415", reply{415, html, "<html>"}, sessionapi.InvalidResponse, "415"},
		{"405", reply{405, html, "<html>"}, sessionapi.InvalidResponse, "405"},
		{"408", reply{408, nil, ""}, sessionapi.InvalidResponse, "408"},
		{"invalid_request", reply{400, nil, `{"error": "invalid_request"}`}, sessionapi.BadRequest, "invalid_request"},
		{"unsupported_grant_type", reply{400, nil, `{"error": "unsupported_grant_type"}`}, sessionapi.BadRequest, "unsupported_grant_type"},
		{"server_error", reply{400, nil, `{"error": "server_error"}`}, sessionapi.ServerError, "server_error"},
		{"200 with a code of its own", reply{200, nil, `{"error": "not_today", "access_token": "t"}`}, sessionapi.InvalidResponse, "200 not_today"},
		{"200 with an error alone", reply{200, nil, `{"error": "not_today"}`}, sessionapi.BadRequest, "200 not_today"},
		{"200 with a refusal in words", reply{200, nil, `{"error": "account_locked"}`}, sessionapi.CredentialsRejected, "200 account_locked"},
		{"200 with a refusal in a message", reply{200, nil, `{"message": "User account is locked"}`}, sessionapi.CredentialsRejected, "User account is locked"},
		{"200 with an error as a form", reply{200, form, "error=bad_verification_code"}, sessionapi.BadRequest, "200 bad_verification_code"},
		{"200 with an error of another type", reply{200, nil, `{"error": {"code": 401}}`}, sessionapi.BadRequest, "(200)"},
		{"200 temporarily_unavailable", reply{200, nil, `{"error": "temporarily_unavailable"}`}, sessionapi.ServerError, "temporarily_unavailable"},
		{"200 with an error that is null", reply{200, nil, `{"error": null, "message": "hello"}`}, sessionapi.InvalidResponse, "it has no `access_token`"},
		{"204", reply{204, nil, ""}, sessionapi.InvalidResponse, "it has no `access_token`"},
		{"null", reply{200, nil, "null"}, sessionapi.InvalidResponse, "it has no `access_token`"},
		{"a list", reply{200, nil, "[]"}, sessionapi.InvalidResponse, "its body is a JSON array instead of an object"},
		{"blank token", reply{200, nil, `{"access_token": " "}`}, sessionapi.InvalidResponse, "it has no `access_token`"},
		{"token of another type", reply{200, nil, `{"access_token": 5}`}, sessionapi.InvalidResponse, "it has no `access_token`"},
		{"token of another name", reply{200, nil, `{"Access_Token": "t"}`}, sessionapi.InvalidResponse, "it has no `access_token`"},
		{"login page", reply{200, html, "<html>"}, sessionapi.InvalidResponse, "its body is an HTML page instead of JSON"},
		{"too large", large(true, new(int64)), sessionapi.InvalidResponse, "more than 1024 KiB"},
		{"endless 401", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			large(false, new(int64))(w, r)
		}), sessionapi.CredentialsRejected, "(401)"},
		{"401 in broken gzip", reply{401, map[string]string{"Content-Encoding": "gzip"}, "hello, this is no gzip"}, sessionapi.CredentialsRejected, "(401)"},
		{"401 from a proxy", reply{401, html, "<html>"}, sessionapi.CredentialsRejected, "401"},
		{"invalid_scope", reply{400, nil, `{"error": "invalid_scope"}`}, sessionapi.BadRequest, "invalid_scope"},
		{"500", reply{500, html, "<html>"}, sessionapi.ServerError, "500"},
		{"temporarily_unavailable", reply{400, nil, `{"error": "temporarily_unavailable"}`}, sessionapi.ServerError, "temporarily_unavailable"},
		{"429", reply{429, nil, ""}, sessionapi.RateLimited, "429"},
		{"302", reply{302, map[string]string{"Location": "http://elsewhere.test/"}, ""}, sessionapi.InvalidResponse, "302"},
		{"404", reply{404, html, "<html>"}, sessionapi.InvalidResponse, "404"},
		{"garbage", reply{200, nil, "garbage"}, sessionapi.InvalidResponse, "its body is not JSON"},
		{"no token", reply{200, nil, `{"token_type": "Bearer"}`}, sessionapi.InvalidResponse, "it has no `access_token`"},
		{"token that no header can carry", reply{200, nil, `{"access_token": "a\nb"}`}, sessionapi.InvalidResponse, "characters that no HTTP header can carry"},
		{"not HTTP", raw("garbage\r\n\r\n"), sessionapi.InvalidResponse, "sso.test does not speak valid HTTP"},
		{"truncated", raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), sessionapi.Unreachable, "was lost before the response to the token request was complete"},
		{"truncated 401", raw("HTTP/1.1 401 Unauthorized\r\nContent-Length: 100\r\n\r\n{"), sessionapi.CredentialsRejected, `sso.test refused the OAuth 2.0 client "exporter" (401)`},
		{"truncated 429", raw("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 600\r\nContent-Length: 100\r\n\r\n{"), sessionapi.RateLimited, "(429)"},
		{"truncated 503", raw("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 100\r\n\r\n{"), sessionapi.ServerError, "The token request failed on the side of the authorization server sso.test: 503."},
		{"302 with a malformed Location", reply{302, map[string]string{"Location": "http://%zz/"}, ""}, sessionapi.InvalidResponse, "302, a redirect"},
		{"closed", raw(""), sessionapi.Unreachable, "sso.test was lost before the response to the token request:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &authServer{response: c.response}
				p := a.prober(t)
				r := mustProbe(t, p)
				if r.State != c.state || !strings.Contains(r.Diagnosis, c.why) {
					t.Errorf("%s: %s\nwant %s: … %s …", r.State, r.Diagnosis, c.state, c.why)
				}
				refused := 0
				if c.state == sessionapi.CredentialsRejected || c.state == sessionapi.BadRequest || slices.Contains([]string{"403 from a firewall", "400 as HTML", "415"}, c.name) {
					refused = 1 // the secret may have been checked
				}
				if _, refusals := p.credential.guard.Status(nil); refusals != refused {
					t.Errorf("%d refusals, want %d", refusals, refused)
				}
				if r.Logins != 1 || r.LoginFailures != 1 || len(r.Steps) != 1 {
					t.Errorf("%d logins, %d failed, %d steps, want one of each", r.Logins, r.LoginFailures, len(r.Steps))
				}
				<-time.After(p.endpoint.Interval)
				probesFor(t, p, time.Hour)
				if _, requests := a.counts(); requests > 31 { // at most one every two minutes
					t.Errorf("%d requests in an hour, want at most 31", requests)
				}
			})
		})
	}
}

// A Retry-After of the authorization server applies to all endpoints of the account.
func TestOAuthRetryAfterIsShared(t *testing.T) {
	for _, status := range []int{429, 503} {
		synctest.Test(t, func(t *testing.T) {
			server := &authServer{lifetime: 600, response: reply{status: status, header: map[string]string{"Retry-After": "600"}}}
			first := server.prober(t)
			want := mustProbe(t, first)
			other := sibling(first)
			time.Sleep(4 * time.Minute)
			r := mustProbe(t, other)
			if _, requests := server.counts(); requests != 1 || r.Attempted || r.Logins != 0 {
				t.Errorf("%d: %d token requests, want 1; the other endpoint attempted one: %t, %d logins", status, requests, r.Attempted, r.Logins)
			}
			if r.State != want.State || !r.RetryAfterUntil.Equal(want.RetryAfterUntil) {
				t.Errorf("%s until %s, want %s until %s", r.State, r.RetryAfterUntil, want.State, want.RetryAfterUntil)
			}
			server.mu.Lock()
			server.response = nil
			server.mu.Unlock()
			time.Sleep(6 * time.Minute)
			if r := mustProbe(t, other); r.State != sessionapi.Valid {
				t.Errorf("%s: %s", r.State, r.Diagnosis)
			}
		})
	}
}

// A Retry-After applies even if it arrives after its probe, and after a reload too.
func TestLateOAuthRetryAfterOutlivesAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &authServer{response: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(14 * time.Second)
			reply{status: 429, header: map[string]string{"Retry-After": "3600"}}.ServeHTTP(w, r)
		})}
		dial := newPipeServer(t, server).dial
		m := NewManagerWithDial(dial)
		load := func(name string) *Prober {
			e := endpointFor("hcx", sessionapi.AuthBearer)
			e.Name, e.Credential = name, oauthCredential("http://sso.test/token")
			e.Credential.MaxAge = time.Duration(time.Now().Unix()) // so that the reload replaces the credential
			g, err := m.Prepare(&config.Config{Credentials: map[string]*config.Credential{"monitor": e.Credential}, Endpoints: []*config.Endpoint{e}})
			if err != nil {
				t.Fatal(err)
			}
			g.Commit()
			return proberOf(t, g, e)
		}
		first := load("first")
		if r := mustProbe(t, first); r.State != sessionapi.Timeout {
			t.Errorf("%s, want %s: %s", r.State, sessionapi.Timeout, r.Diagnosis)
		}
		time.Sleep(time.Minute)
		for _, p := range []*Prober{sibling(first), load("second")} {
			if r := mustProbe(t, p); r.State != sessionapi.RateLimited || r.Attempted {
				t.Errorf("%s, want %s: %s", r.State, sessionapi.RateLimited, r.Diagnosis)
			}
		}
		if _, requests := server.counts(); requests != 1 {
			t.Errorf("%d requests, want 1", requests)
		}
	})
}
