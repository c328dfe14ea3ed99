package probe

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"session_exporter/sessionapi"
)

const (
	vcenterOK                 = `{"user": "alice", "created_time": "2026-01-01T08:00:00.123Z", "last_accessed_time": "2026-01-01T09:00:00.456Z"}`
	vcenterUnauthenticated    = `{"error_type": "UNAUTHENTICATED", "messages": [{"args": [], "default_message": "Authentication required.", "id": "vapi.security.authentication.invalid"}]}`
	vcenterOldUnauthenticated = `{"type": "com.vmware.vapi.std.errors.unauthenticated", "value": {"messages": [{"args": [], "default_message": "Authentication required.", "id": "x"}]}}`
)

// Each documented response of both paths, and each response of a server in front of the API, has
// its state and a diagnosis.
func TestVCenterResponses(t *testing.T) {
	given, givenOld := reply{status: 201, body: `"` + canaryToken + `"`}, json200(`{"value": "`+canaryToken+`"}`)
	for _, c := range []struct {
		name         string
		login, check reply
		state        sessionapi.State
		why, methods string
	}{
		{"valid", given, json200(vcenterOK), sessionapi.Valid, `"alice"`, "POST GET DELETE"},
		{"valid, older", givenOld, json200(`{"value": ` + vcenterOK + `}`), sessionapi.Valid, `"alice"`, "POST GET DELETE"},
		{"no times", given, json200(`{"user": "alice", "created_time": "yesterday"}`), sessionapi.Valid, "", "POST GET DELETE"},
		{"more fields", given, json200(`{"user": "alice", "and": {"more": [1]}}`), sessionapi.Valid, "", "POST GET DELETE"},
		{"session refused", given, reply{401, nil, vcenterUnauthenticated}, sessionapi.SessionExpired, "UNAUTHENTICATED", "POST GET DELETE POST GET DELETE"},
		{"session refused, older", givenOld, reply{401, nil, vcenterOldUnauthenticated}, sessionapi.SessionExpired, `401 UNAUTHENTICATED, "Authentication required."`, "POST GET DELETE POST GET DELETE"},
		{"session refused without words", given, reply{status: 401}, sessionapi.SessionExpired, "401", "POST GET DELETE POST GET DELETE"},
		{"no user", given, json200(`{"user": null}`), sessionapi.SessionExpired, "(200)", "POST GET DELETE POST GET DELETE"},
		{"no user, older", givenOld, json200(`{"value": null}`), sessionapi.SessionExpired, "(200)", "POST GET DELETE POST GET DELETE"},
		{"nothing", given, reply{status: 204}, sessionapi.SessionExpired, "(204)", "POST GET DELETE POST GET DELETE"},
		{"forbidden", given, reply{403, nil, `{"error_type": "UNAUTHORIZED", "messages": [{"default_message": "Permission denied."}]}`}, sessionapi.Forbidden, "Permission denied.", "POST GET DELETE"},
		{"forbidden, older", givenOld, reply{403, nil, `{"type": "com.vmware.vapi.std.errors.unauthorized", "value": {"messages": []}}`}, sessionapi.Forbidden, "403 UNAUTHORIZED", "POST GET DELETE"},
		{"malformed", given, reply{400, nil, `{"error_type": "INVALID_REQUEST", "messages": []}`}, sessionapi.BadRequest, "", "POST GET DELETE"},
		{"check is text", given, json200(`"alice"`), sessionapi.InvalidResponse, "JSON string", "POST GET DELETE"},
		{"wrong type", given, json200(`{"user": {"name": "alice"}}`), sessionapi.InvalidResponse, "field `user`", "POST GET DELETE"},
		{"wrong type, older", givenOld, json200(`{"value": 7}`), sessionapi.InvalidResponse, "JSON number", "POST GET DELETE"},
		{"other error", given, json200(`{"user": "alice", "error_type": "NOT_FOUND"}`), sessionapi.ServerError, "does not document", "POST GET DELETE"},
		{"busy", reply{503, nil, `{"error_type": "SERVICE_UNAVAILABLE", "messages": []}`}, given, sessionapi.ServerError, "", "POST"},
		{"wrong password", reply{401, nil, vcenterUnauthenticated}, given, sessionapi.CredentialsRejected, "401 UNAUTHENTICATED", "POST"},
		{"wrong password, older", reply{401, nil, vcenterOldUnauthenticated}, given, sessionapi.CredentialsRejected, "", "POST"},
		{"login is HTML", json200(`<html>`), given, sessionapi.InvalidResponse, "HTML", "POST"},
		{"login is an object", json200(`{"session": "x"}`), given, sessionapi.InvalidResponse, "not a session ID", "POST"},
		{"login is empty", reply{status: 201}, given, sessionapi.InvalidResponse, "not a session ID", "POST"},
		{"login gives an empty token", json200(`""`), given, sessionapi.InvalidResponse, "not a session ID", "POST"},
		{"login gives a token that no header can carry", json200(`"a\u0000b"`), given, sessionapi.InvalidResponse, "no HTTP header", "POST"},
		{"too old", reply{404, nil, ""}, given, sessionapi.InvalidResponse, vcenterOldPath, "POST"},
	} {
		t.Run(c.name, func(t *testing.T) {
			appliance := &handwritten{post: []http.Handler{c.login}, get: []http.Handler{c.check}, del: []http.Handler{reply{status: 204}}}
			p := piped(t, endpointFor("vcenter", sessionapi.AuthLogin), appliance)
			r := mustProbe(t, p)
			closeProber(t, p)
			if got := appliance.methods(); r.State != c.state || !strings.Contains(r.Diagnosis, c.why) || got != c.methods {
				t.Errorf("%s after %s: %s\nwant %s after %s: … %s …", r.State, got, r.Diagnosis, c.state, c.methods, c.why)
			}
		})
	}
}

// The login option `path` is the path of every step.
func TestVCenterRequests(t *testing.T) {
	for option, path := range map[string]string{"": vcenterPath, vcenterPath: vcenterPath, vcenterOldPath: vcenterOldPath} {
		t.Run(option, func(t *testing.T) {
			e := endpointFor("vcenter", sessionapi.AuthLogin)
			if option != "" {
				e.Login = map[string]string{"path": option}
			}
			server := &published{responses: map[string]reply{
				"POST " + path: {201, nil, `"` + canaryToken + `"`}, "GET " + path: json200(vcenterOK), "DELETE " + path: {status: 204},
			}}
			p := piped(t, e, server)
			r := mustProbe(t, p)
			closeProber(t, p)
			if want := []string{"POST " + path, "GET " + path, "DELETE " + path}; r.State != sessionapi.Valid || !slices.Equal(server.got, want) {
				t.Fatalf("%s: %s\nsent %q, want %q", r.State, r.Diagnosis, server.got, want)
			}
			created, used := time.Date(2026, 1, 1, 8, 0, 0, 123e6, time.UTC), time.Date(2026, 1, 1, 9, 0, 0, 456e6, time.UTC)
			if id := r.Identity; !id.Created.Equal(created) || !id.LastAccessed.Equal(used) {
				t.Errorf("created at %s, last accessed at %s, want %s and %s", id.Created, id.LastAccessed, created, used)
			}
		})
	}
}

// The built-in API interprets responses as the catalogue's definitions do.
func TestVCenterInterpretsAsDescribed(t *testing.T) {
	for _, c := range catalogue {
		if !strings.HasPrefix(c.api, "vcenter") {
			continue
		}
		t.Run(c.api+"/"+c.name, func(t *testing.T) {
			e := endpointFor("vcenter", c.auth)
			if c.api == "vcenter-rest" {
				e.Login = map[string]string{"path": vcenterOldPath}
			}
			p := piped(t, e, &published{responses: c.responses})
			if r := mustProbe(t, p); r.State != c.state || !strings.Contains(r.Diagnosis, c.why) {
				t.Errorf("%s: %s\nwant %s: … %s …", r.State, r.Diagnosis, c.state, c.why)
			}
			closeProber(t, p)
		})
	}
}

func FuzzVCenter(f *testing.F) {
	for _, seed := range []string{vcenterOK, `{"value": ` + vcenterOK + `}`, vcenterUnauthenticated, vcenterOldUnauthenticated, `"token"`, `{"value": "token"}`, `{"value": null}`, `null`, ``, `<html>`, `{"user": " "}`} {
		for _, status := range []int{200, 204, 401, 500} {
			f.Add(status, []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		fuzzResponse(t, builtIn["vcenter"], sessionapi.Response{Status: status, Body: body})
	})
}
