package simulator

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

const hcxPath = "/api/admin/v1/sessions"

// Bodies in the format of the vendor's pages. Their time is that at which a synctest bubble
// starts, 2000-01-01.
const (
	hcxUserBody = `"user":{"enterprise":"HybridityAdmin","organization":["DEFAULT"],"currentOrganization":"DEFAULT",` +
		`"roles":["System Administrator","Appliance Administrator"],"username":"alice","transactionId":"{uuid}"}`
	hcxOKBody        = `{"success":true,"completed":true,"time":946684800000,"version":"1.0","data":{` + hcxUserBody + `}}`
	hcxLoginBody     = `{"success":true,"completed":true,"time":946684800000,"version":"1.0","data":{` + hcxUserBody + `,"cloud":{"name":"simulated","type":"VC"},"organizations":[{"name":"DEFAULT","id":"default"}]}}`
	hcxLogoutBody    = `{"success":true,"completed":true,"time":946684800000,"version":"1.0"}`
	hcxNoSessionBody = `{"success":false,"completed":false,"time":946684800000,"version":"1.0","errorCode":"INVALID_SESSION_TOKEN","error":"UserContext not found in SecurityContext"}`
	hcxRefusedBody   = `{"success":false,"completed":false,"time":946684800000,"version":"1.0","errorCode":"INVALID_CREDENTIALS","error":"Invalid username or password"}`
)

func hcxMalformed(detail string) string {
	return `{"success":false,"completed":false,"time":946684800000,"version":"1.0","errorCode":"BAD_REQUEST","error":"` + detail + `"}`
}

func TestHCX(t *testing.T) {
	get := func(header ...string) testRequest {
		q := testRequest{method: "GET", path: hcxPath, header: map[string]string{}}
		for i := 0; i < len(header); i += 2 {
			q.header[header[i]] = header[i+1]
		}
		return q
	}
	basic := func(username, password string) testRequest {
		return testRequest{method: "GET", path: hcxPath, basic: [2]string{username, password}}
	}
	login := func(body string) testRequest { return testRequest{method: "POST", path: hcxPath, body: body} }
	logout := func(token string) testRequest {
		return testRequest{method: "DELETE", path: hcxPath, header: map[string]string{hcxToken: token}}
	}
	for _, e := range []exchange{
		{
			name: "check with a session", request: get(hcxToken, "{token}"), status: 200, body: hcxOKBody,
			header: map[string]string{"Content-Type": "application/json", "Date": "Sat, 01 Jan 2000 00:00:00 GMT", hcxToken: ""},
		},
		{name: "check with HTTP Basic", request: basic("alice", "right"), status: 200, body: hcxOKBody},
		{name: "check with a bearer token", request: get("Authorization", "Bearer sso-token"), status: 200, body: hcxOKBody},
		{name: "check with a bare session token", request: get("Authorization", "{token}"), status: 200, body: hcxOKBody},
		{name: "check without credentials", request: get(), status: 401, body: hcxNoSessionBody},
		{name: "check with an unknown session", request: get(hcxToken, "other"), status: 401, body: hcxNoSessionBody},
		{name: "check with an unknown bearer token", request: get("Authorization", "Bearer other"), status: 401, body: hcxNoSessionBody},
		{name: "check with a wrong password", request: basic("alice", "wrong"), status: 401, body: hcxRefusedBody},
		{
			name: "check, forbidden", request: get(hcxToken, "{token}"), settings: forbid, status: 403,
			body: `{"success":false,"completed":false,"time":946684800000,"version":"1.0","errorCode":"NOT_ENOUGH_PRIVILEGES","error":"User is not allowed to perform this operation"}`,
		},
		{
			name: "check, account removed", request: get(hcxToken, "{token}"), status: 401, body: hcxNoSessionBody,
			settings: func(s *Settings) { delete(s.Accounts, "alice") },
		},
		{
			name: "check, no details", request: get(hcxToken, "{token}"), status: 200,
			settings: func(s *Settings) { s.Accounts["alice"] = Account{} },
			body:     `{"success":true,"completed":true,"time":946684800000,"version":"1.0","data":{"user":{"username":"alice","transactionId":"{uuid}"}}}`,
		},
		{
			name: "check, no roles", request: get(hcxToken, "{token}"), status: 200,
			settings: func(s *Settings) { s.Accounts["alice"] = Account{Roles: []string{}} },
			body:     `{"success":true,"completed":true,"time":946684800000,"version":"1.0","data":{"user":{"roles":[],"username":"alice","transactionId":"{uuid}"}}}`,
		},
		{
			name: "check, clock ahead", request: get(hcxToken, "{token}"), status: 200,
			settings: func(s *Settings) { s.ClockOffset = 10 * time.Minute; s.Accounts["alice"] = Account{} },
			body:     `{"success":true,"completed":true,"time":946685400000,"version":"1.0","data":{"user":{"username":"alice","transactionId":"{uuid}"}}}`,
			header:   map[string]string{"Date": "Sat, 01 Jan 2000 00:10:00 GMT"},
		},
		{
			name: "login", request: login(`{"username":"alice","password":"right"}`), status: 200, body: hcxLoginBody,
			header: map[string]string{hcxToken: "{random}"},
		},
		{name: "login with authType local", request: login(`{"username":"alice","password":"right","authType":"local"}`), status: 200, body: hcxLoginBody},
		{name: "login with authType vsphere", request: login(`{"username":"alice","password":"right","authType":"vsphere"}`), status: 200, body: hcxLoginBody},
		{name: "login with an unknown authType", request: login(`{"username":"alice","password":"right","authType":"ldap"}`), status: 400, body: hcxMalformed("unknown authType")},
		{name: "login with malformed JSON", request: login(`{"username"`), status: 400, body: hcxMalformed("malformed JSON")},
		{name: "login with a number as username", request: login(`{"username":1}`), status: 400, body: hcxMalformed("malformed JSON")},
		{name: "login without a body", request: login(""), status: 400, body: hcxMalformed("malformed JSON")},
		{name: "login without a username", request: login("{}"), status: 400, body: hcxMalformed("username is missing")},
		{name: "login with a wrong password", request: login(`{"username":"alice","password":"wrong"}`), status: 401, body: hcxRefusedBody},
		{name: "login as an unknown user", request: login(`{"username":"bob","password":"right"}`), status: 401, body: hcxRefusedBody},
		{
			name: "login without a slot", request: login(`{"username":"alice","password":"right"}`), status: 503,
			settings: func(s *Settings) { s.MaxSessions = 1 },
			body:     `{"success":false,"completed":false,"time":946684800000,"version":"1.0","error":"Maximum number of sessions reached"}`,
		},
		{
			name: "wrong password without a slot", request: login(`{"username":"alice","password":"wrong"}`), status: 401, body: hcxRefusedBody,
			settings: func(s *Settings) { s.MaxSessions = 1 },
		},
		{name: "logout", request: logout("{token}"), status: 200, body: hcxLogoutBody},
		{name: "logout of a forbidden account", request: logout("{token}"), settings: forbid, status: 200, body: hcxLogoutBody},
		{name: "logout of an unknown session", request: logout("other"), status: 401, body: hcxNoSessionBody},
		{name: "wrong method", request: testRequest{method: "PUT", path: hcxPath}, status: 405, header: map[string]string{"Allow": "DELETE, GET, POST"}},
		{name: "wrong path", request: testRequest{method: "GET", path: "/"}, status: 404},
	} {
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { e.run(t, NewHCX(alice())) })
		})
	}
}

func forbid(s *Settings) {
	account := s.Accounts["alice"]
	account.Forbidden = true
	s.Accounts["alice"] = account
}

func TestHCXSession(t *testing.T) {
	a := NewHCX(alice())
	w := do(a, testRequest{method: "POST", path: hcxPath, body: `{"username":"alice","password":"right"}`})
	session := map[string]string{hcxToken: w.Header().Get(hcxToken)}
	for i, step := range []struct {
		method string
		status int
	}{
		{"GET", http.StatusOK},
		{"GET", http.StatusOK},
		{"DELETE", http.StatusOK},
		{"GET", http.StatusUnauthorized},
		{"DELETE", http.StatusUnauthorized},
	} {
		if w := do(a, testRequest{method: step.method, path: hcxPath, header: session}); w.Code != step.status {
			t.Errorf("step %d, %s: status %d, want %d", i, step.method, w.Code, step.status)
		}
	}
	want := Stats{Requests: 6, Attempts: 1, Checks: 3, Logins: 1, Logouts: 1}
	if got := a.Stats(); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
}
