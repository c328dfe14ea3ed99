package simulator

import (
	"testing"
	"testing/synctest"
)

const (
	hybridityLoginPath = "/hybridity/api/sessions"
	hybridityCheckPath = "/hybridity/api/cloudConfigs"
)

func TestHCXHybridity(t *testing.T) {
	login := func(body string) testRequest {
		return testRequest{method: "POST", path: hybridityLoginPath, body: body}
	}
	check := func(token string) testRequest {
		return testRequest{method: "GET", path: hybridityCheckPath, header: map[string]string{hcxToken: token}}
	}
	const xmlHeader = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	for _, e := range []exchange{
		{name: "login", request: login(`{"username":"alice","password":"right"}`), status: 200, header: map[string]string{hcxToken: "{random}"}},
		{name: "login with the documented authType", request: login(`{"username":"alice","password":"right","authType":"password"}`), status: 200},
		{name: "login with the authType of the other API", request: login(`{"username":"alice","password":"right","authType":"vsphere"}`), status: 400},
		{name: "login with malformed JSON", request: login(`{`), status: 400},
		{name: "login with a wrong password", request: login(`{"username":"alice","password":"wrong"}`), status: 401},
		{
			name: "login without a slot", request: login(`{"username":"alice","password":"right"}`), status: 503,
			settings: func(s *Settings) { s.MaxSessions = 1 },
			body:     xmlHeader + "<entries><entry><string>Maximum number of sessions reached</string></entry></entries>",
			header:   map[string]string{"Content-Type": "application/xml"},
		},
		{
			name: "login with a fault", request: login(`{}`), status: 500,
			settings: func(s *Settings) { s.Faults = []Fault{{On: Login, Code: "X"}} },
			body:     xmlHeader + "<entries><entry><string>Simulated failure</string></entry></entries>",
		},
		{name: "check", request: check("{token}"), status: 200, body: `{"data":{"items":[]}}`},
		{name: "check with an unknown session", request: check("other"), status: 401},
		{name: "check with HTTP Basic", request: testRequest{method: "GET", path: hybridityCheckPath, basic: [2]string{"alice", "right"}}, status: 401},
		{
			name: "check, forbidden", request: check("{token}"), settings: forbid, status: 403,
			body: xmlHeader + "<entries><entry><string>User is not allowed to perform this operation</string></entry></entries>",
		},
		{name: "no logout", request: testRequest{method: "DELETE", path: hybridityLoginPath}, status: 405, header: map[string]string{"Allow": "POST"}},
		{name: "wrong path", request: testRequest{method: "GET", path: hcxPath}, status: 404},
	} {
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { e.run(t, NewHCXHybridity(alice())) })
		})
	}
}
