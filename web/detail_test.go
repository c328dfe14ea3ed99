package web

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/probe"
)

// What the page of an endpoint says.
func TestEndpointPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		s := &site{credentials: []probe.CredentialStatus{{Name: "account", Suspended: true}}}
		e := s.add("a", &probe.Result{
			State: probe.LoginSuspended, Diagnosis: "No login was sent.", Advice: "Put the right secret there.",
			Identity:      &probe.Identity{Username: "monitor", Roles: []string{"one", "bad", "other"}},
			RolesExpected: map[string]bool{"one": true, "two": false}, ResumeAt: now.Add(19*time.Minute + 30*time.Second),
			CertificateExpiry: now.Add(36 * time.Hour), CredentialExpiries: map[string]time.Time{"config": now.Add(-time.Hour), "oauth2": now.Add(time.Hour)},
			Established: now.Add(-90 * time.Second), Expirations: 1, Lifetime: 2 * time.Hour,
			Steps: []probe.StepResult{{
				Step: probe.Login, Method: "POST", URL: "https://a.test/login", Status: 401, Code: "BAD", Duration: 20 * time.Millisecond,
				Trace: &probe.Trace{Request: []string{"Authorization: <not shown>"}, Body: `{"error": "no"}`},
			}},
		})
		e.Expect.Roles, e.Expect.ForbidRoles = []string{"one", "two"}, []string{"bad"}
		handler := s.handler(t)
		page := open(t, handler, "/endpoints/a")
		text := page.text()
		for _, want := range []string{
			"login_suspended for 0 s", "No login was sent.", "What to do: Put the right secret there.",
			"is suspended everywhere; the next try is in 19 min", "Failures in a row 1",
			"one expected, present", "two expected, missing", "bad present, forbidden", "other present",
			"Certificate 2000-01-02 12:00:00 UTC ( in 1 d 12 h )", "Credential, as configured 1999-12-31 23:00:00 UTC ( 1 h ago )",
			"Logged in 1999-12-31 23:58:30 UTC ( 1 min 30 s ago )", "Last one ended by the appliance lived 2 h",
			"2000-01-01 00:00:00 login_suspended 401 BAD",
			"login POST https://a.test/login", `> Authorization: <not shown>`, `{"error": "no"}`,
		} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in %s", want, text)
			}
		}
		overview := open(t, handler, "/").text()
		for _, want := range []string{"certificate ends in 1 d 12 h", "credential ended 1 h ago", "Logins with account are suspended; the next try is in 19 min", "It is used by 1 endpoint. "} {
			if !strings.Contains(overview, want) {
				t.Errorf("no %q in %s", want, overview)
			}
		}
	})
}

// Where nothing was ever sent there is no chart, and a whole page all the same.
func TestEndpointPageWithoutChart(t *testing.T) {
	s := &site{}
	s.add("a", &probe.Result{State: probe.CredentialMissing})
	var captions []string
	for _, p := range open(t, s.handler(t), "/endpoints/a").all("p", "class") {
		if class, _ := p.attribute("class"); class == "caption" {
			captions = append(captions, p.text())
		}
	}
	if len(captions) == 0 || captions[0] != "0 of 1 valid." {
		t.Errorf("captions %q", captions)
	}
}
