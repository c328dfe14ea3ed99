package probe

import (
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"session_exporter/config"
	"session_exporter/sessionapi"
)

func TestRolesExpected(t *testing.T) {
	for _, c := range []struct {
		name   string
		expect config.Expect
		has    []string
		want   map[string]bool
	}{
		{"one present, one missing", config.Expect{Roles: []string{"a", "b"}}, []string{"a", "c"}, map[string]bool{"a": true, "b": false}},
		{"none at all", config.Expect{Roles: []string{"a"}}, []string{}, map[string]bool{"a": false}},
		{"none reported", config.Expect{Roles: []string{"a"}}, nil, nil},
		{"a forbidden one is not missing", config.Expect{Roles: []string{"a"}, ForbidRoles: []string{"root"}}, []string{"a"}, map[string]bool{"a": true}},
		{"only forbidden ones", config.Expect{ForbidRoles: []string{"root"}}, []string{"root"}, nil},
	} {
		if got := rolesExpected(c.expect, &sessionapi.Identity{Roles: c.has}); !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// Expectations are compared with the names as the API sends them: after truncating,
// cleaning or masking, different names may look the same.
func TestExpectIsComparedWithWholeNames(t *testing.T) {
	long := "CN=" + strings.Repeat("x", 150)
	for _, c := range []struct {
		name   string
		expect config.Expect
		user   string // of the response, without its username
		state  sessionapi.State
		why    string
	}{
		{"a long role that is forbidden", config.Expect{ForbidRoles: []string{long}}, `"roles": ["` + long + `"]`, sessionapi.Unexpected, `xxx…" is present but forbidden`},
		{"a long role, exactly", config.Expect{Roles: []string{long}, RolesExact: true}, `"roles": ["` + long + `"]`, sessionapi.Valid, ""},
		{"a long role with the beginning of a forbidden one", config.Expect{ForbidRoles: []string{long + "a"}}, `"roles": ["` + long + `b"]`, sessionapi.Valid, ""},
		{"the shown part of a long role", config.Expect{Roles: []string{long[:128] + "…"}}, `"roles": ["` + long + `"]`, sessionapi.Unexpected, "is missing"},
		{"an invisible character", config.Expect{Roles: []string{"Admin"}}, `"roles": ["Ad\u200bmin"]`, sessionapi.Unexpected, `role "Admin" is missing (the session has a name that differs only in invisible characters)`},
		{"an invisible character, exactly", config.Expect{Roles: []string{"Admin"}, RolesExact: true}, `"roles": ["Admin", "Ad\u200bmin"]`, sessionapi.Unexpected, `role "Ad\u200bmin" is present but not expected`},
		{"a role that differs from a forbidden one in an invisible character", config.Expect{ForbidRoles: []string{"Admin"}}, `"roles": ["Ad\u200bmin"]`, sessionapi.Valid, ""},
		{"a space at the end", config.Expect{Roles: []string{"Admin"}}, `"roles": ["Admin "]`, sessionapi.Unexpected, `role "Admin" is missing`},
		{"a long organization", config.Expect{Organizations: []string{long}}, `"organization": ["` + long + `"]`, sessionapi.Valid, ""},
		{"another long organization", config.Expect{Organizations: []string{long + "a"}}, `"organization": ["` + long + `b"]`, sessionapi.Unexpected, "is missing"},
		{"a control character in an organization", config.Expect{Organizations: []string{"a b"}}, `"organization": ["a\tb"]`, sessionapi.Unexpected, `organization "a b" is missing (the session has a name`},
		{"a secret in an expected role", config.Expect{Roles: []string{"x " + canaryToken}, RolesExact: true}, `"roles": ["x ` + canaryToken + `"]`, sessionapi.Valid, ""},
		{"a secret in another role", config.Expect{Roles: []string{"Admin"}, RolesExact: true}, `"roles": ["Admin", "x ` + canaryToken + `"]`, sessionapi.Unexpected, `role "x <secret>" is present`},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := endpointFor("hcx", sessionapi.AuthToken)
			e.Expect = c.expect
			p := piped(t, e, reply{status: 200, body: hcxUser(`{"username": "u", ` + c.user + `}`)})
			r, err := p.Probe(t.Context(), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if r.State != c.state || !strings.Contains(r.Diagnosis, c.why) {
				t.Errorf("%s: %s\nwant %s: … %s …", r.State, r.Diagnosis, c.state, c.why)
			}
			for _, role := range c.expect.Roles {
				if r.RolesExpected[role] != (r.State == sessionapi.Valid || c.expect.RolesExact) {
					t.Errorf("RolesExpected is %v", r.RolesExpected)
				}
			}
			for _, role := range r.Identity.Roles {
				if sessionapi.CleanText(role, sessionapi.MaxName) != role {
					t.Errorf("role %q is not clean", role)
				}
			}
		})
	}
}

// The user's full name is compared, although the identity has only its first 128 characters.
func TestExpectedUserIsComparedWhole(t *testing.T) {
	long := strings.Repeat("u", 200)
	for _, c := range []struct {
		has, expected string
		state         sessionapi.State
		why           string
	}{
		{long, long, sessionapi.Valid, ""},
		{long + "a", long + "b", sessionapi.Unexpected, "and not"},
		{"al\u200bice", "alice", sessionapi.Unexpected, `the user is "al\u200bice" and not "alice"`},
		{"alice\n", "alice", sessionapi.Unexpected, `the user is "alice\n" and not "alice"`},
	} {
		e := endpointFor("hcx", sessionapi.AuthToken)
		e.Expect.Username = c.expected
		r := mustProbe(t, piped(t, e, reply{status: 200, body: hcxUser(`{"username": ` + strconv.QuoteToASCII(c.has) + `}`)}))
		if r.State != c.state || !strings.Contains(r.Diagnosis, c.why) {
			t.Errorf("user %q, expected %q: %s: %s\nwant %s: … %s …", c.has, c.expected, r.State, r.Diagnosis, c.state, c.why)
		}
		if got := r.Identity.Username; got != sessionapi.CleanText(c.has, sessionapi.MaxName) {
			t.Errorf("%q is shown as %q, want it clean and cut", c.has, got)
		}
	}
}

// The error codes and rules of described APIs match full values, although only part of
// a code is shown.
func TestCustomLongCodes(t *testing.T) {
	long := strings.Repeat("c", 300)
	e := endpointOf(t, `
    session: [{from: header, name: x-token}]
    check: {path: /me}
    body: {user: text, code: text}
    error_codes: {`+long+`: rate_limited}
    answer: {username: body.user, error_code: body.code}
    states:
      - {when: 'error_code.endsWith("Locked")', state: server_error}
      - {when: 'username.endsWith("@guests")', state: forbidden}`, sessionapi.AuthToken)
	appliance := &handwritten{get: []http.Handler{
		reply{200, nil, `{"code": "` + long + `"}`},
		reply{400, nil, `{"code": "` + long + `Locked"}`},
		reply{200, nil, `{"user": "` + long + `@guests"}`},
		reply{200, nil, `{"user": "` + long + `", "code": "` + long + `d"}`},
	}}
	p := piped(t, e, appliance)
	for i, want := range []sessionapi.State{sessionapi.RateLimited, sessionapi.ServerError, sessionapi.Forbidden, sessionapi.Valid} {
		p.backoff = new(endpointBackoff)
		if r := mustProbe(t, p); r.State != want {
			t.Errorf("probe %d: %s, want %s: %s", i, r.State, want, r.Diagnosis)
		}
	}
}
