package probe

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/sessionapi"
	"session_exporter/simulator"
)

const (
	hybridityOK  = `{"data": {"items": []}}`
	hybridityXML = `<?xml version="1.0" encoding="UTF-8"?><entries><entry><string>SSO is not configured</string></entry></entries>`
)

// Each documented response, and each response of a server in front of the API, has its state
// and a diagnosis.
func TestHCXHybridityResponses(t *testing.T) {
	given := reply{status: 200, header: map[string]string{hcxTokenHeader: canaryToken}}
	accepted := given
	accepted.status, accepted.body = 202, "not documented"
	for _, c := range []struct {
		name         string
		login, check reply
		state        sessionapi.State
		why, methods string
		unanswered   int
	}{
		{"valid", given, json200(hybridityOK), sessionapi.Valid, "has no logout", "POST GET", 0},
		{"valid with 202", accepted, json200(hybridityOK), sessionapi.Valid, "", "POST GET", 0},
		{"wrong password", reply{status: 401}, given, sessionapi.CredentialsRejected, "401, and HCX sends 401 for a wrong password, for a locked, disabled or expired account, and when single sign-on fails", "POST", 0},
		{"SSO fails", reply{401, nil, hybridityXML}, given, sessionapi.CredentialsRejected, `401, "SSO is not configured", and HCX sends 401 for`, "POST", 0},
		{"locked in words", reply{401, nil, strings.Replace(hybridityXML, "SSO is not configured", "User is locked", 1)}, given, sessionapi.CredentialsRejected, `(401, "User is locked")`, "POST", 0},
		{"400", reply{status: 400}, given, sessionapi.BadRequest, "400", "POST", 0},
		{"400 in words", reply{400, nil, strings.Replace(hybridityXML, "SSO is not configured", "Invalid password", 1)}, given, sessionapi.CredentialsRejected, `"Invalid password"`, "POST", 0},
		{"no token", reply{status: 200}, given, sessionapi.InvalidResponse, "x-hm-authorization", "POST", 1},
		{"503", reply{503, nil, hybridityXML}, given, sessionapi.ServerError, `"SSO is not configured"`, "POST", 0},
		{"503 without a body", reply{status: 503}, given, sessionapi.ServerError, "503", "POST", 0},
		{"a page", reply{200, nil, htmlPage}, given, sessionapi.InvalidResponse, "HTML", "POST", 0},
		{"XML in a 200", reply{200, nil, hybridityXML}, given, sessionapi.ServerError, `"SSO is not configured"`, "POST", 0},
		{"a refusal in a 200", json200(`{"error": "Invalid password"}`), given, sessionapi.CredentialsRejected, `200, "Invalid password", and its body reports an error`, "POST", 0},
		{"session refused", given, reply{status: 401}, sessionapi.SessionExpired, "then refuses the new session (401)", "POST GET POST GET", 0},
		{"forbidden", given, reply{403, nil, hybridityXML}, sessionapi.Forbidden, `403, "SSO is not configured"`, "POST GET", 0},
		{"check is a page", given, json200(htmlPage), sessionapi.InvalidResponse, "HTML", "POST GET", 0},
		{"check is 503", given, reply{503, nil, hybridityXML}, sessionapi.ServerError, `"SSO is not configured"`, "POST GET", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			appliance := &handwritten{post: []http.Handler{c.login}, get: []http.Handler{c.check}}
			p := piped(t, endpointFor("hcx-hybridity", sessionapi.AuthLogin), appliance)
			r := mustProbe(t, p)
			if got := appliance.methods(); r.State != c.state || !strings.Contains(r.Diagnosis, c.why) || got != c.methods || r.Unanswered != c.unanswered {
				t.Errorf("%s after %s, %d unanswered: %s\nwant %s after %s, %d unanswered: … %s …", r.State, got, r.Unanswered, r.Diagnosis, c.state, c.methods, c.unanswered, c.why)
			}
			closeProber(t, p)
			if want := `{"username":"alice","password":"` + canaryPassword + `"}`; appliance.body[0] != want || appliance.got[0].URL.Path != "/hybridity/api/sessions" {
				t.Errorf("sent %s to %s", appliance.body[0], appliance.got[0].URL)
			}
		})
	}
}

// If an API has no logout, checks keep the session alive, and each session that is dropped is
// counted, because it stays on the appliance.
func TestSessionsWithoutALogoutAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := simulator.Settings{
			Accounts:    map[string]simulator.Account{"alice": {Password: canaryPassword}},
			IdleTimeout: 15 * time.Minute,
		}
		appliance := simulator.NewHCXHybridity(settings)
		e := endpointFor("hcx-hybridity", sessionapi.AuthLogin)
		e.SessionMaxAge = builtIn["hcx-hybridity"].Spec().SessionMaxAge
		p := piped(t, e, appliance)
		var logins, left, expired int
		for _, r := range probesFor(t, p, 12*time.Hour) {
			if r.State != sessionapi.Valid {
				t.Fatalf("%s: %s", r.State, r.Diagnosis)
			}
			logins, left, expired = logins+r.Logins, left+r.LogoutFailures, expired+r.Expirations
		}
		if logins != 3 || left != 2 || expired != 0 {
			t.Errorf("%d logins, %d sessions left, %d expired in 12 hours, want 3, 2 and 0", logins, left, expired)
		}
		if got := appliance.Stats(); got.Sessions != 1 || got.Logins != logins {
			t.Errorf("the appliance has %+v, want 1 session and %d logins", got, logins)
		}
		if did := closeProber(t, p); did.LogoutFailures != 1 {
			t.Errorf("%d sessions left at the end, want 1", did.LogoutFailures)
		}
	})
}

// A session is counted too if the response to its login comes after the probe.
func TestLateSessionWithoutALogoutIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		appliance := simulator.NewHCXHybridity(simulator.Settings{
			Accounts: map[string]simulator.Account{"alice": {Password: canaryPassword}},
			Faults:   []simulator.Fault{{On: simulator.Login, Times: 1, Delay: 15 * time.Second, After: true}},
		})
		p := piped(t, endpointFor("hcx-hybridity", sessionapi.AuthLogin), appliance)
		left := 0
		for _, r := range append(probesFor(t, p, 5*time.Minute), *closeProber(t, p)) {
			left += r.LogoutFailures
		}
		if got := appliance.Stats(); left != got.Logins || left < 2 {
			t.Errorf("%d sessions counted as left after %d logins, want all, and at least 2", left, got.Logins)
		}
	})
}

// A token is sent without a scheme in the configured header, and nowhere else.
func TestTokenHeader(t *testing.T) {
	for _, api := range []string{"hcx", "dr", "vcenter", "hcx-hybridity", "couchdb"} {
		body := map[string]string{"hcx": hcxOK, "dr": drOK, "vcenter": `{"user": "alice"}`, "hcx-hybridity": hybridityOK, "couchdb": `{"userCtx": {"name": "alice", "roles": []}}`}[api]
		t.Run(api, func(t *testing.T) {
			e := describedEndpoint(way{api, sessionapi.AuthToken})
			e.TokenHeader = "Authorization"
			appliance := &handwritten{get: []http.Handler{reply{status: 200, body: body}}}
			r, err := piped(t, e, appliance).Probe(t.Context(), Options{Trace: true})
			if err != nil || r.State != sessionapi.Valid {
				t.Fatalf("%v, %+v", err, r)
			}
			checkResult(t, *r)
			got := appliance.got[0].Header
			if got.Get("Authorization") != canaryToken {
				t.Errorf("Authorization is %q", got.Get("Authorization"))
			}
			got.Del("Authorization")
			for name, values := range got {
				if strings.Contains(strings.Join(values, ""), canaryToken) {
					t.Errorf("the header %s has the token: %q", name, values)
				}
			}
			if trace := strings.Join(r.Steps[0].Trace.Request, "\n"); !strings.Contains(trace, "Authorization: <not shown>") {
				t.Errorf("the trace is\n%s", trace)
			}
		})
	}
}
