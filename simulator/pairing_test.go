package simulator

import (
	"testing"
	"testing/synctest"
)

func TestPairing(t *testing.T) {
	const path = drBase + "/pairings/p-1/remote-session"
	paired := func(s *Settings) {
		s.Pairings = map[string]Pairing{"p-1": {Accounts: map[string]string{"bob": "there"}}}
	}
	check := func(path, token string) testRequest {
		return testRequest{method: "GET", path: path, header: map[string]string{drToken: token}}
	}
	login := func(path, token, password string) testRequest {
		return testRequest{method: "POST", path: path, header: map[string]string{drToken: token}, basic: [2]string{"bob", password}}
	}
	const noPairing = `{"error_code":"NOT_FOUND","message":"There is no such pairing.","op_id":"{uuid}"}`
	for _, e := range []exchange{
		{name: "check without a remote session", request: check(path, "{token}"), status: 401},
		{name: "check without a local session", request: check(path, "other"), status: 401},
		{name: "check of another pairing", request: check(drBase+"/pairings/p-2/remote-session", "{token}"), status: 404, body: noPairing},
		{name: "login", request: login(path, "{token}", "there"), status: 204},
		{name: "login with a wrong password", request: login(path, "{token}", "right"), status: 401},
		{name: "login without a local session", request: login(path, "other", "there"), status: 401},
		{name: "login in another pairing", request: login(drBase+"/pairings/p-2/remote-session", "{token}", "there"), status: 404, body: noPairing},
		{name: "logout", request: testRequest{method: "DELETE", path: path}, status: 405, header: map[string]string{"Allow": "GET, POST"}},
		{name: "no pairing", request: testRequest{method: "GET", path: drBase + "/pairings//remote-session"}, status: 404},
		{name: "fault", request: check(path, "{token}"), settings: func(s *Settings) { s.Faults = []Fault{{On: RemoteCheck, Status: 503}} }, status: 503},
		{name: "fault of another operation", request: check(path, "{token}"), settings: func(s *Settings) { s.Faults = []Fault{{On: Check, Status: 503}} }, status: 401},
	} {
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := NewDR(drBase, alice())
				a.Change(paired)
				e.run(t, a)
			})
		})
	}

	a := NewDR(drBase, alice())
	a.Change(paired)
	token := a.Issue("alice")
	do(a, login(path, token, "there"))
	for _, step := range []struct {
		before func()
		status int
	}{{func() {}, 200}, {func() { a.Issue("alice") }, 200}, {a.EndRemoteSessions, 401}, {func() { do(a, login(path, token, "there")) }, 200}, {a.EndSessions, 401}} {
		step.before()
		if w := do(a, check(path, token)); w.Code != step.status || w.Code == 200 && w.Body.String() != `{"username":"bob"}` {
			t.Errorf("status %d, want %d: %s", w.Code, step.status, w.Body)
		}
	}
	if stats := a.Stats(); stats.RemoteLogins != 2 || stats.RemoteRefusals != 0 || stats.Refusals != 0 {
		t.Errorf("%+v", stats)
	}
	if w := do(NewHCX(alice()), testRequest{method: "GET", path: "/pairings/p-1/remote-session"}); w.Code != 404 {
		t.Errorf("an hcx appliance has pairings: status %d", w.Code)
	}
}
