package web

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/probe"
)

// What the page of an endpoint says.
func TestEndpointPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		s := &site{credentials: []probe.CredentialStatus{{Name: "account", Suspended: true}}}
		e := s.add("a", &probe.Result{
			State: probe.LoginSuspended, Withheld: "account", Diagnosis: "No login was sent.", Advice: "Put the right secret there.",
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

// What is not there yet has its place in the page, for the script fills only places
// that there are.
func TestPlacesOfWhatIsNotThereYet(t *testing.T) {
	s := &site{credentials: []probe.CredentialStatus{{Name: "account", Suspended: true}}}
	s.add("new", nil)
	s.add("failed", &probe.Result{State: probe.Timeout, Steps: []probe.StepResult{{Step: probe.Check}}})
	handler := s.handler(t)
	for before, after := range map[string]string{"/endpoints/new": "/endpoints/failed", "/?q=none": "/"} {
		if got, want := places(open(t, handler, before)), places(open(t, handler, after)); !slices.Equal(got, want) {
			t.Errorf("%s has places for %q, %s for %q", before, got, after, want)
		}
	}
	// What has nothing in it is not shown, by the style sheet.
	page := open(t, handler, "/endpoints/new")
	if page.withID("failure").FirstChild != nil || len(page.withID("history").all("td", "")) > 0 {
		t.Error("there is something before the first probe")
	}
}

// places are the ids of what the script takes over.
func places(page document) (ids []string) {
	for _, part := range page.all("", "data-live") {
		id, _ := part.attribute("id")
		ids = append(ids, id)
	}
	return ids
}

// Where nothing was ever sent there is no chart, and a whole page all the same.
func TestEndpointPageWithoutChart(t *testing.T) {
	s := &site{}
	s.add("a", &probe.Result{State: probe.LoginSuspended, Duration: 5 * time.Second}) // it waited
	var captions []string
	page := open(t, s.handler(t), "/endpoints/a")
	if history := page.withID("history").text(); !strings.HasSuffix(history, "login_suspended nothing was sent") {
		t.Errorf("history %q", history)
	}
	for _, p := range page.all("p", "class") {
		if class, _ := p.attribute("class"); class == "caption" {
			captions = append(captions, p.text())
		}
	}
	if len(captions) == 0 || captions[0] != "0 of 1 valid." {
		t.Errorf("captions %q", captions)
	}
}

// What is offered, and said, is of the credential that is withheld, be it that of
// the local site or that of the other one.
func TestResumePairing(t *testing.T) {
	const why, otherwise = "No login was sent.", "Its secret was refused"
	for _, tc := range []struct {
		name      string
		found     probe.Result
		suspended string // everywhere
		resumed   string // by the endpoint's form
		words     string // beside it
		banner    string
	}{
		{"local, everywhere", probe.Result{State: probe.LoginSuspended, Withheld: "local"}, "local", "local", "is suspended everywhere", why},
		{"local, here alone", probe.Result{State: probe.LoginSuspended, Withheld: "local"}, "", "local", "is withheld here", ""},
		{"local, here alone, while the remote one is suspended", probe.Result{State: probe.LoginSuspended, Withheld: "local"}, "remote", "local", "is withheld here", otherwise},
		{"remote, everywhere", probe.Result{State: probe.LoginSuspended, Withheld: "remote"}, "remote", "remote", "is suspended everywhere", why},
		{"remote, here alone", probe.Result{State: probe.LoginSuspended, Withheld: "remote"}, "", "remote", "is withheld here", ""},
		{"local, with a session that is held", probe.Result{State: probe.Valid}, "local", "local", "is suspended everywhere", otherwise},
		{"neither: the local session was refused", probe.Result{State: probe.LoginSuspended}, "", "", "", ""},
		{"another endpoint's", probe.Result{State: probe.Valid}, "account", "", "", otherwise},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.found.Diagnosis = why
			s := &site{}
			e := s.add("a", &tc.found)
			e.Credential = &config.Credential{Name: "remote"}
			e.Pairing = &config.Pairing{ID: "p-1", Local: &config.Credential{Name: "local"}}
			s.add("b", &probe.Result{State: probe.Valid})
			for _, name := range []string{"account", "local", "remote"} {
				s.credentials = append(s.credentials, probe.CredentialStatus{Name: name, Suspended: name == tc.suspended})
			}
			handler := s.handler(t)
			now := open(t, handler, "/endpoints/a").withID("now")
			action := ""
			for _, form := range now.all("form", "action") {
				action, _ = form.attribute("action")
			}
			want := ""
			if tc.resumed != "" {
				want = "../-/resume?credential=" + tc.resumed
			}
			if action != want || !strings.Contains(now.text(), tc.words) {
				t.Errorf("the form leads to %q, want %q, with %q in %s", action, want, tc.words, now.text())
			}
			banner := open(t, handler, "/").withID("suspended").text()
			if (banner == "") != (tc.banner == "") || !strings.Contains(banner, tc.banner) || banner != "" && !strings.Contains(banner, "It is used by 1 endpoint. ") {
				t.Errorf("no %q of 1 endpoint in %q", tc.banner, banner)
			}
		})
	}
}
