package probe

import (
	"net/http"
	"testing"

	"session_exporter/config"
	"session_exporter/probe/transport/mask"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// A password that is part of a configured name is shown in that name; in other names it
// is masked.
func TestConfiguredNamesAreNotHidden(t *testing.T) {
	const password = "Administrator"
	e := endpointFor("hcx", sessionapi.AuthLogin)
	e.Credential.Secret.Inline = secret.New(password)
	e.Expect = config.Expect{Username: `LAB\Administrator`, Roles: []string{"System Administrator"}, Organizations: []string{"Administrators"}, ForbidRoles: []string{"No Administrator"}}
	body := func(role string) http.Handler {
		return reply{status: 200, body: hcxUser(`{"username": "LAB\\Administrator", "roles": ["System Administrator", "` + role + `"], "organization": ["Administrators"]}`)}
	}
	appliance := &handwritten{
		post: []http.Handler{way{"hcx", sessionapi.AuthLogin}.login()},
		get:  []http.Handler{body("Auditor"), body("No Administrator"), body("Some Administrator")},
	}
	p := piped(t, e, appliance)
	for _, want := range []struct {
		state sessionapi.State
		role  string
	}{{sessionapi.Valid, "Auditor"}, {sessionapi.Unexpected, "No Administrator"}, {sessionapi.Valid, mask.Withheld}} {
		if r := mustProbe(t, p); r.State != want.state || r.Identity.Roles[1] != want.role {
			t.Errorf("%s, roles %q, want %+v: %s", r.State, r.Identity.Roles, want, r.Diagnosis)
		}
	}
}
