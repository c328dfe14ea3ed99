package simulator

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestFaultCounts(t *testing.T) {
	check, login := testRequest{method: "GET", path: "/session"}, testRequest{method: "POST", path: "/session"}
	for _, tc := range []struct {
		name     string
		faults   []Fault
		requests []testRequest
		want     []int
	}{
		{"every request", []Fault{{Status: 500}}, []testRequest{check, login, check}, []int{500, 500, 500}},
		{"other paths too", []Fault{{Status: 500}}, []testRequest{{method: "GET", path: "/"}, {method: "PUT", path: "/session"}}, []int{500, 500}},
		{"one operation", []Fault{{On: Login, Status: 500}}, []testRequest{check, login, check}, []int{401, 500, 401}},
		{"twice", []Fault{{Times: 2, Status: 500}}, []testRequest{check, check, check}, []int{500, 500, 401}},
		{"after two", []Fault{{Skip: 2, Status: 500}}, []testRequest{check, check, check}, []int{401, 401, 500}},
		{"each once", []Fault{{Times: 1, Status: 500}, {Times: 1, Status: 502}}, []testRequest{check, check, check}, []int{500, 502, 401}},
		{"the second while the first skips", []Fault{{Skip: 1, Status: 500}, {Status: 502}}, []testRequest{check, check}, []int{502, 500}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			settings := alice()
			settings.Faults = tc.faults
			a := NewDR("", settings)
			var got []int
			for _, r := range tc.requests {
				got = append(got, do(a, r).Code)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("statuses %v, want %v", got, tc.want)
			}
		})
	}
}

func TestFaultResponses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		fault  Fault
		hcx    bool
		status int
		body   string
		header map[string]string
	}{
		{name: "status", fault: Fault{Status: 502}, status: 502, header: map[string]string{"Content-Type": ""}},
		{name: "body", fault: Fault{Body: "{}"}, status: 200, body: "{}", header: map[string]string{"Content-Type": "application/json"}},
		{
			name: "HTML", status: 200, body: "<p>", header: map[string]string{"Content-Type": "text/html"},
			fault: Fault{Body: "<p>", Header: map[string]string{"Content-Type": "text/html"}},
		},
		{
			name: "header on the regular response", status: 200, body: `{"username":"alice"}`, header: map[string]string{"Date": "never"},
			fault: Fault{Header: map[string]string{"Date": "never"}},
		},
		{name: "size of the regular response", fault: Fault{Size: 24}, status: 200, body: `{"username":"alice"}    `},
		{name: "size of a body", fault: Fault{Body: "[]", Size: 4}, status: 200, body: "[]  "},
		{name: "size below the body's", fault: Fault{Body: "[ ]", Size: 1}, status: 200, body: "[ ]"},
		{name: "dr code", fault: Fault{Code: "C"}, status: 500, body: `{"error_code":"C","message":"Simulated failure","op_id":"{uuid}"}`},
		{name: "dr random code", fault: Fault{RandomCode: true, Status: 400}, status: 400, body: `{"error_code":"E_{random}","message":"Simulated failure","op_id":"{uuid}"}`},
		{
			name: "hcx code", hcx: true, fault: Fault{Code: "C", Status: 200}, status: 200,
			body: `{"success":false,"completed":false,"time":946684800000,"version":"1.0","errorCode":"C","error":"Simulated failure"}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path, a := "/session", NewDR("", alice())
				if tc.hcx {
					path, a = hcxPath, NewHCX(alice())
				}
				exchange{
					settings: func(s *Settings) { s.Faults = []Fault{tc.fault} },
					request:  testRequest{method: "GET", path: path, header: map[string]string{drToken: "{token}"}},
					status:   tc.status,
					body:     tc.body,
					header:   tc.header,
				}.run(t, a)
			})
		})
	}
}

func TestFaultsOnLogin(t *testing.T) {
	for _, tc := range []struct {
		name     string
		fault    Fault
		status   int
		token    bool // in the response
		logins   int
		sessions int
	}{
		{name: "none", status: 200, token: true, logins: 1, sessions: 1},
		{name: "in place of the appliance", fault: Fault{Status: 500}, status: 500},
		{name: "after it", fault: Fault{Status: 500, After: true}, status: 500, logins: 1, sessions: 1},
		{name: "no token", fault: Fault{DropToken: true}, status: 200, logins: 1, sessions: 1},
		{name: "dead token", fault: Fault{DeadToken: true}, status: 200, token: true, logins: 1},
		{name: "late", fault: Fault{Delay: time.Second}, status: 200, token: true, logins: 1, sessions: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				settings := alice()
				settings.Faults = []Fault{tc.fault}
				a := NewHCX(settings)
				start := time.Now()
				w := do(a, testRequest{method: "POST", path: hcxPath, body: `{"username":"alice","password":"right"}`})
				if got := time.Since(start); got != tc.fault.Delay {
					t.Errorf("response after %v, want %v", got, tc.fault.Delay)
				}
				if w.Code != tc.status {
					t.Errorf("status %d, want %d", w.Code, tc.status)
				}
				if got := w.Header().Get(hcxToken) != ""; got != tc.token {
					t.Errorf("token in the response: %t, want %t", got, tc.token)
				}
				want := Stats{Requests: 1, Attempts: 1, Logins: tc.logins, Sessions: tc.sessions}
				if got := a.Stats(); got != want {
					t.Errorf("stats %+v, want %+v", got, want)
				}
			})
		})
	}
}
