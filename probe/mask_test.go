package probe

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/probe/transport/mask"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// A password that is part of a configured name is shown in that name. Another name with it is
// withheld, because the password is an ordinary word.
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

// An appliance may set more cookies than are remembered as secrets. The session is masked
// nevertheless.
func TestManyCookiesDoNotShowTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cookies []string
		for i := range 2000 {
			cookies = append(cookies, fmt.Sprintf("sid=%08d", i))
		}
		appliance := &handwritten{
			post: []http.Handler{reply{200, map[string]string{"Set-Cookie": "sid=" + canaryToken + "; Path=/"}, `{}`}},
			get:  []http.Handler{json200(`{"user": "alice"}`), settingCookies(reply{status: 502, body: "no session " + canaryToken}, cookies...)},
			del:  []http.Handler{reply{status: 204}},
		}
		p := piped(t, endpointOf(t, cookieAPI, sessionapi.AuthLogin), appliance)
		for _, want := range []string{"alice", "no session <secret>"} {
			if r := mustProbe(t, p); !strings.Contains(r.Diagnosis, want) {
				t.Errorf("%s: %s\nwant … %s …", r.State, r.Diagnosis, want)
			}
			time.Sleep(time.Minute)
		}
		closeProber(t, p)
	})
}
