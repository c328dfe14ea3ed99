package simulator

import (
	"encoding/json"
	"net/http"
	"testing"
	"testing/synctest"
)

const (
	drBase = "/api/rest/srm/v2"
	drPath = drBase + "/session"
)

func TestDR(t *testing.T) {
	check := func(token string) testRequest {
		return testRequest{method: "GET", path: drPath, header: map[string]string{drToken: token}}
	}
	logout := func(token string) testRequest {
		return testRequest{method: "DELETE", path: drPath, header: map[string]string{drToken: token}}
	}
	login := func(username, password string) testRequest {
		return testRequest{method: "POST", path: drPath, basic: [2]string{username, password}}
	}
	withoutSession := func(status int, body string) func(*Settings) {
		return func(s *Settings) { s.NoSession = Response{status, body} }
	}
	for _, e := range []exchange{
		{
			name: "check", request: check("{token}"), status: 200, body: `{"username":"alice"}`,
			header: map[string]string{"Content-Type": "application/json", "Date": "Sat, 01 Jan 2000 00:00:00 GMT"},
		},
		{name: "check without credentials", request: testRequest{method: "GET", path: drPath}, status: 401, header: map[string]string{"Content-Type": ""}},
		{name: "check with an unknown session", request: check("other"), status: 401},
		{name: "check with HTTP Basic", request: testRequest{method: "GET", path: drPath, basic: [2]string{"alice", "right"}}, status: 401},
		{name: "check without a session, 200", request: check("other"), settings: withoutSession(200, "{}"), status: 200, body: "{}"},
		{name: "check without a session, 204", request: check("other"), settings: withoutSession(204, ""), status: 204},
		{name: "check with a session, 200 without one", request: check("{token}"), settings: withoutSession(200, "{}"), status: 200, body: `{"username":"alice"}`},
		{
			name: "check, forbidden", request: check("{token}"), settings: forbid, status: 403,
			body: `{"error_code":"FORBIDDEN","message":"The user has no permission for this operation.","op_id":"{uuid}"}`,
		},
		{name: "login", request: login("alice", "right"), status: 200, body: `{"session_id":"{random}"}`},
		{name: "login with a wrong password", request: login("alice", "wrong"), status: 401},
		{name: "login without credentials", request: testRequest{method: "POST", path: drPath}, status: 401},
		{
			name: "login without a slot", request: login("alice", "right"), status: 503,
			settings: func(s *Settings) { s.MaxSessions = 1 },
			body:     `{"error_code":"TOO_MANY_SESSIONS","message":"The maximum number of sessions is reached.","op_id":"{uuid}"}`,
		},
		{name: "logout", request: logout("{token}"), status: 204},
		{name: "logout of an unknown session", request: logout("other"), status: 401},
		{name: "logout without a session, 200", request: logout("other"), settings: withoutSession(200, "{}"), status: 401},
		{name: "wrong method", request: testRequest{method: "PATCH", path: drPath}, status: 405},
		{name: "without the base path", request: testRequest{method: "GET", path: "/session"}, status: 404},
	} {
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { e.run(t, NewDR(drBase, alice())) })
		})
	}
}

func TestDRSession(t *testing.T) {
	a := NewDR("", alice())
	var login struct {
		SessionID string `json:"session_id"`
	}
	w := do(a, testRequest{method: "POST", path: "/session", basic: [2]string{"alice", "right"}})
	if err := json.Unmarshal(w.Body.Bytes(), &login); err != nil {
		t.Fatal(err)
	}
	session := map[string]string{drToken: login.SessionID}
	for i, step := range []struct {
		method string
		status int
	}{
		{"GET", http.StatusOK},
		{"DELETE", http.StatusNoContent},
		{"GET", http.StatusUnauthorized},
		{"DELETE", http.StatusUnauthorized},
	} {
		if w := do(a, testRequest{method: step.method, path: "/session", header: session}); w.Code != step.status {
			t.Errorf("step %d, %s: status %d, want %d", i, step.method, w.Code, step.status)
		}
	}
}
