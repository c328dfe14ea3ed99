package web

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

func TestEndpointPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		s := &site{credentials: []probe.CredentialStatus{{Name: "account", Suspended: true}}}
		e := s.add("a", &probe.Result{
			State: sessionapi.LoginSuspended, HeldCredential: "account", Diagnosis: "No login was sent.", Advice: "Put the right secret there.",
			Identity:      &sessionapi.Identity{Username: "monitor", Roles: []string{"one", "bad", "other"}},
			RolesExpected: map[string]bool{"one": true, "two": false}, ResumeAt: now.Add(19*time.Minute + 30*time.Second),
			CertificateExpiry: now.Add(36 * time.Hour), CredentialExpiries: map[string]time.Time{"config": now.Add(-time.Hour), "oauth2": now.Add(time.Hour), "api": now.Add(72 * time.Hour)}, ExpiryOf: "root at esx-1",
			NegativeControl: &probe.NegativeControl{Time: now.Add(-3 * time.Hour)},
			Established:     now.Add(-90 * time.Second), Expirations: 1, Lifetime: 2 * time.Hour,
			Steps: []probe.StepResult{{
				Step: sessionapi.Login, Method: "POST", URL: "https://a.test/login", Status: 401, Code: "BAD", Duration: 20 * time.Millisecond,
				Trace: &probe.Trace{Request: []string{"Authorization: <not shown>"}, Body: `{"error": "no"}`},
			}},
		})
		e.NegativeControl = 24 * time.Hour
		e.Expect.Roles, e.Expect.ForbidRoles = []string{"one", "two"}, []string{"bad"}
		handler := s.handler(t)
		page := openPage(t, handler, "/endpoints/a")
		text := page.text()
		for _, want := range []string{
			"login_suspended for 0 s", "No login was sent.", "What to do: Put the right secret there.",
			"Lockout guard : logins with credential account are held back; the next one is permitted in 19 min", "Consecutive failures 1",
			"one expected, present", "two expected, missing", "bad present, forbidden", "other present",
			"Certificate in 1 d 12 h", "Credential, as configured 1 h ago", "Credential, from the API root at esx-1 in 3 d",
			"Impossible token accepted 3 h ago", "Negative control every 1d",
			"Logged in 1 min 30 s ago", "Lifetime of the last terminated session 2 h",
			"Valid, last hour –", "login_suspended for 0 s 401 BAD", "now 401 BAD 0.00 ms",
			"login POST https://a.test/login", `> Authorization: <not shown>`, `{"error": "no"}`,
		} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in %s", want, text)
			}
		}
		overview := openPage(t, handler, "/").text()
		for _, want := range []string{"certificate expires in 1 d 12 h", "credential expired 1 h ago", "password rejected · logins with account held back for another 19 min", "The credential is used by 1 endpoint . "} {
			if !strings.Contains(overview, want) {
				t.Errorf("no %q in %s", want, overview)
			}
		}
	})
}

// The exporter fetches the bearer tokens of OAuth 2.0 itself.
func TestEndpointPageWithOAuth(t *testing.T) {
	s := new(site)
	e := s.add("a", &probe.Result{State: sessionapi.Valid, Identity: &sessionapi.Identity{Username: "monitor"}})
	e.Auth, e.Credential.OAuth2 = sessionapi.AuthBearer, &config.OAuth2{GrantType: config.GrantVCFAPIToken}
	text := openPage(t, s.handler(t), "/endpoints/a").text()
	for _, want := range []string{"none: every probe presents a bearer token from the authorization server", "Grant vcf_api_token"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
}

// Parts without content have their elements in the page, too, because the script replaces
// only existing elements.
func TestElementsOfEmptyParts(t *testing.T) {
	s := &site{credentials: []probe.CredentialStatus{{Name: "account", Suspended: true}}}
	s.add("new", nil)
	s.add("failed", &probe.Result{State: sessionapi.Timeout, Steps: []probe.StepResult{{Step: sessionapi.Check}}})
	handler := s.handler(t)
	for before, after := range map[string]string{"/endpoints/new": "/endpoints/failed", "/?q=none": "/"} {
		if got, want := liveIDs(openPage(t, handler, before)), liveIDs(openPage(t, handler, after)); !slices.Equal(got, want) {
			t.Errorf("%s has the elements %q, %s has %q", before, got, after, want)
		}
	}
	// The style sheet hides empty parts.
	page := openPage(t, handler, "/endpoints/new")
	if page.withID("failure").FirstChild != nil || len(page.withID("history").all("td", "")) > 0 {
		t.Error("results are shown before the first probe")
	}
}

// liveIDs returns the ids of the elements that the script replaces.
func liveIDs(page document) (ids []string) {
	for _, part := range page.all("", "data-live") {
		id, _ := part.attribute("id")
		ids = append(ids, id)
	}
	return ids
}

// If nothing was ever sent, the page is complete but has no chart.
func TestEndpointPageWithoutChart(t *testing.T) {
	s := &site{}
	s.add("a", &probe.Result{State: sessionapi.LoginSuspended, Duration: 5 * time.Second}) // it waited for its permit
	var captions []string
	page := openPage(t, s.handler(t), "/endpoints/a")
	if history := page.withID("history").text(); strings.Contains(history, "Duration") || !strings.HasSuffix(history, "The login was held back; the secret was not sent.") {
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

// The resume form and its text name the credential that is held back: the local site's
// or the remote one's.
func TestResumePairing(t *testing.T) {
	const why, otherwise = "No login was sent.", "The secret was refused"
	for _, tc := range []struct {
		name      string
		result    probe.Result
		suspended string // credential whose status is suspended
		resumed   string // credential of the endpoint's form
		text      string // of the form
		banner    string
	}{
		{"local, suspended", probe.Result{State: sessionapi.LoginSuspended, HeldCredential: "local"}, "local", "local", "credential local are held back", why},
		{"local, not suspended", probe.Result{State: sessionapi.LoginSuspended, HeldCredential: "local"}, "", "local", "are held back", ""},
		{"local, not suspended, while the remote one is", probe.Result{State: sessionapi.LoginSuspended, HeldCredential: "local"}, "remote", "local", "credential local are held back", otherwise},
		{"remote, suspended", probe.Result{State: sessionapi.LoginSuspended, HeldCredential: "remote"}, "remote", "remote", "credential remote are held back", why},
		{"remote, not suspended", probe.Result{State: sessionapi.LoginSuspended, HeldCredential: "remote"}, "", "remote", "are held back", ""},
		{"local, with a session that is held", probe.Result{State: sessionapi.Valid}, "local", "local", "credential local are held back", otherwise},
		{"neither: the local session was refused", probe.Result{State: sessionapi.LoginSuspended}, "", "", "", ""},
		{"another endpoint's", probe.Result{State: sessionapi.Valid}, "account", "", "", otherwise},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.result.Diagnosis = why
			s := &site{}
			e := s.add("a", &tc.result)
			e.Credential = &config.Credential{Name: "remote"}
			e.Pairing = &config.Pairing{ID: "p-1", Local: &config.Credential{Name: "local"}}
			s.add("b", &probe.Result{State: sessionapi.Valid})
			for _, name := range []string{"account", "local", "remote"} {
				s.credentials = append(s.credentials, probe.CredentialStatus{Name: name, Suspended: name == tc.suspended})
			}
			handler := s.handler(t)
			now := openPage(t, handler, "/endpoints/a").withID("now")
			action := ""
			for _, form := range now.all("form", "action") {
				action, _ = form.attribute("action")
			}
			want := ""
			if tc.resumed != "" {
				want = "../-/resume?credential=" + tc.resumed
			}
			if action != want || !strings.Contains(now.text(), tc.text) {
				t.Errorf("the form's action is %q, want %q, with %q in %s", action, want, tc.text, now.text())
			}
			banner := openPage(t, handler, "/").withID("suspended").text()
			if (banner == "") != (tc.banner == "") || !strings.Contains(banner, tc.banner) || banner != "" && !strings.Contains(banner, "The credential is used by 1 endpoint . ") {
				t.Errorf("no %q of 1 endpoint in %q", tc.banner, banner)
			}
		})
	}
}

// A trace distinguishes a request that was not sent from one without a response.
func TestTraceOfRequestNotSent(t *testing.T) {
	for _, tc := range []struct {
		notSent bool
		want    string
	}{
		{true, "login POST https://a.test/login not sent No connection in 2.00 ms ! connection refused"},
		{false, "login POST https://a.test/login No response in 2.00 ms ! connection refused"},
	} {
		s := &site{}
		s.add("a", &probe.Result{State: sessionapi.Unreachable, Steps: []probe.StepResult{{
			Step: sessionapi.Login, Method: "POST", URL: "https://a.test/login", NotSent: tc.notSent, Duration: 2 * time.Millisecond,
			Trace: &probe.Trace{Failure: "connection refused"},
		}}})
		if got := openPage(t, s.handler(t), "/endpoints/a").withID("failure").text(); !strings.HasSuffix(got, tc.want) {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}

// The page has the shares of valid time, the changes of state with their reasons, and the
// results of each.
func TestEndpointPageHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{}
		handler := s.flapping(t, "a",
			&probe.Result{State: sessionapi.Valid, Steps: []probe.StepResult{{Step: sessionapi.Check, Status: 200, OpID: "0b9ec1f5-8bc7-4a3c-9d83-7d3c1b1d9a55"}}},
			&probe.Result{State: sessionapi.CredentialsRejected, Steps: []probe.StepResult{{Step: sessionapi.Login, Status: 401, Code: "INVALID_CREDENTIALS"}}},
			&probe.Result{State: sessionapi.LoginSuspended, HeldCredential: "account"},
			&probe.Result{State: sessionapi.LoginSuspended, HeldCredential: "account"},
		)
		page := openPage(t, handler, "/endpoints/a")
		if got, want := page.withID("glance").text(), "Valid, last hour 25.0 % over 40 min since start Valid, last 24 hours 25.0 % over 40 min since start"; !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
		var lines []string
		for _, line := range page.withID("history").all("", "") {
			if class, _ := line.attribute("class"); class == "line" || line.Data == "summary" {
				lines = append(lines, line.text())
			}
		}
		want := []string{
			"login_suspended ×2 for 20 min The login was held back; the secret was not sent.",
			"credentials_rejected for 10 min , until 20 min ago 401 INVALID_CREDENTIALS",
			"valid for 10 min , until 30 min ago",
		}
		if !slices.Equal(lines, want) {
			t.Errorf("%q\nwant %q", lines, want)
		}
		if text := page.withID("history").text(); strings.Count(text, "Operation ID") != 2 || !strings.Contains(text, "0b9ec1f5-8bc7-4a3c-9d83-7d3c1b1d9a55") {
			t.Errorf("the results are %q", text)
		}
	})
}
