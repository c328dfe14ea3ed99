package web

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

func TestReloadThatFails(t *testing.T) {
	o := newOptions()
	o.Lifecycle = lifecycle{err: errors.New("session_exporter.yml:3: endpoints[0].module: unknown module")}
	response := send(newHandler(t, o), http.MethodPost, "/-/reload")
	if response.Code != http.StatusInternalServerError || !strings.Contains(response.Body.String(), "session_exporter.yml:3: ") {
		t.Errorf("status %d, body %q", response.Code, response.Body)
	}
}

// A browser may send requests that change state only from our own pages.
func TestCrossSiteRequests(t *testing.T) {
	for _, tc := range []struct {
		name   string
		header []string
		want   int
	}{
		{"not a browser", nil, http.StatusOK},
		{"our page", []string{"Sec-Fetch-Site", "same-origin"}, http.StatusOK},
		{"another site", []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		{"a sibling host", []string{"Sec-Fetch-Site", "same-site"}, http.StatusForbidden},
		{"an old browser on another site", []string{"Origin", "https://attacker.example"}, http.StatusForbidden},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, target := range []string{"/-/reload", "/-/resume?credential=known"} {
				if response := send(newHandler(t, newOptions()), http.MethodPost, target, tc.header...); response.Code != tc.want {
					t.Errorf("POST %s: status %d, want %d", target, response.Code, tc.want)
				}
			}
		})
	}
}

// With --no-web.enable-lifecycle, no path changes anything, and pages have no buttons.
func TestReadOnly(t *testing.T) {
	s := &site{credentials: []probe.CredentialStatus{{Name: "account", Suspended: true}}}
	s.add("a", &probe.Result{State: sessionapi.LoginSuspended, HeldCredential: "account"})
	for readOnly, want := range map[bool]int{false: 3, true: 0} {
		o := s.options(t)
		o.ReadOnly = readOnly
		handler := newHandler(t, o)
		buttons := 0
		for _, path := range []string{"/", "/endpoints/a"} {
			for _, button := range openPage(t, handler, path).all("button", "type") {
				if text := button.text(); strings.HasPrefix(text, "Resume") || text == "Probe now" {
					buttons++
				}
			}
		}
		if buttons != want {
			t.Errorf("read-only %t: %d buttons, want %d", readOnly, buttons, want)
		}
		if !readOnly {
			continue
		}
		for _, target := range []string{"/-/reload", "/-/resume?credential=known", "/-/probe?endpoint=a"} {
			for _, accept := range []string{"*/*", "text/html"} {
				response := send(handler, http.MethodPost, target, "Accept", accept)
				if response.Code != http.StatusForbidden || !strings.Contains(response.Body.String(), "--no-web.enable-lifecycle") {
					t.Errorf("POST %s: status %d, body %q", target, response.Code, response.Body)
				}
			}
		}
		if got := send(handler, http.MethodGet, "/probe?endpoint=a").Code; got != http.StatusOK {
			t.Errorf("/probe: status %d", got)
		}
	}
}

// submit sends a form as a browser does.
func submit(handler http.Handler, target string, fields url.Values) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodPost, target, strings.NewReader(fields.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder
}

// After submitting a form the browser is redirected to the form's page, never to
// another site.
func TestForms(t *testing.T) {
	s := &site{prefix: "/in"}
	s.add("a", &probe.Result{State: sessionapi.Valid, Attempted: true})
	s.add("a/b", &probe.Result{State: sessionapi.Valid, Attempted: true})
	handler := s.handler(t)
	for _, tc := range []struct {
		name, target string
		fields       url.Values
		want         string
	}{
		{"resume", "/-/resume?credential=known", nil, "../?done=resumed"},
		{"resume, filtered", "/-/resume?credential=known", url.Values{"back": {"q=a&state=valid"}}, "../?done=resumed&q=a&state=valid"},
		{"resume, at an endpoint", "/-/resume?credential=known", url.Values{"endpoint": {"a"}}, "../endpoints/a?done=resumed"},
		{"resume, to elsewhere", "/-/resume?credential=known", url.Values{"back": {"//attacker.example/\r\nX: y"}}, "../?%2F%2Fattacker.example%2F%0D%0AX%3A+y=&done=resumed"},
		{"resume, at an endpoint elsewhere", "/-/resume?credential=known", url.Values{"endpoint": {"//attacker.example"}}, "../endpoints/?name=%2F%2Fattacker.example&done=resumed"},
		{"resume, malformed", "/-/resume?credential=known", url.Values{"back": {"%zz;"}}, "../?done=resumed"},
		{"probe", "/-/probe?endpoint=a", nil, "../endpoints/a?done=probed"},
		{"probe, a slash", "/-/probe?endpoint=a%2Fb", nil, "../endpoints/?name=a%2Fb&done=probed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			response := submit(handler, "/in"+tc.target, tc.fields)
			location := response.Header().Get("Location")
			if response.Code != http.StatusSeeOther || location != tc.want {
				t.Fatalf("status %d to %q, want %q", response.Code, location, tc.want)
			}
			base := &url.URL{Scheme: "https", Host: "us.test", Path: "/out/in/-/probe"}
			if to, err := base.Parse(location); err != nil || to.Host != "us.test" || !strings.HasPrefix(to.Path, "/out/in/") {
				t.Errorf("the location leads to %s (%v)", to, err)
			}
		})
	}
	for target, want := range map[string]int{"/-/resume": 400, "/-/resume?credential=x": 404, "/-/resume?credential=resumed%20too%20often": 429, "/-/probe": 400, "/-/probe?endpoint=x": 404} {
		response := submit(handler, "/in"+target, nil)
		if body := response.Body.String(); response.Code != want || !strings.HasPrefix(body, "<!DOCTYPE html>") || !strings.Contains(body, `href="../"`) {
			t.Errorf("%s: status %d, %s", target, response.Code, body)
		}
	}
}

// A page shows the notice for a submitted form, but never text from its URL.
func TestNotices(t *testing.T) {
	s := &site{}
	s.add("a", &probe.Result{State: sessionapi.Valid, Steps: []probe.StepResult{{Step: sessionapi.Check, Status: 200}}})
	s.add("held", &probe.Result{State: sessionapi.LoginSuspended})
	s.add("new", nil)
	handler := s.handler(t)
	for _, tc := range []struct{ target, want string }{
		{"/?done=resumed", "Logins resumed: the secret is tried again immediately."},
		{"/endpoints/a?done=probed", "Probed just now: valid (0.00 ms)."},
		{"/endpoints/held?done=probed", "Probed just now: login_suspended."},
		{"/endpoints/new?done=probed", ""},
		{"/?done=probed", ""},
		{"/?done=Send+your+password+to+us", ""},
		{"/", ""},
	} {
		if got := openPage(t, handler, tc.target).withID("notice"); got.FirstChild == nil && tc.want != "" || got.FirstChild != nil && got.text() != tc.want {
			t.Errorf("%s: not %q", tc.target, tc.want)
		}
	}
}

func TestProbeNowText(t *testing.T) {
	s := &site{}
	s.add("a", &probe.Result{State: sessionapi.CredentialsRejected, Attempted: true, Diagnosis: "The password was refused.", Advice: "Correct it."})
	response := send(s.handler(t), http.MethodPost, "/-/probe?endpoint=a", "Accept", "*/*")
	if want := "credentials_rejected\n  The password was refused.\n  What to do: Correct it.\n"; response.Code != http.StatusOK || response.Body.String() != want {
		t.Errorf("status %d, %q, want %q", response.Code, response.Body, want)
	}
}

// A request for a slow probe returns after maxWait.
func TestSlowProbeNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := threeEndpoints()
		settings.Endpoints[2].Timeout = time.Hour
		handler := newProbingHandler(t, &config.Config{Endpoints: settings.Endpoints})
		start := time.Now()
		go send(handler, http.MethodGet, "/probe?endpoint=slow", scrapeTimeoutHeader, "100") // starts the slow probe
		synctest.Wait()
		response := submit(handler, "/-/probe?endpoint=slow", nil)
		if took := time.Since(start); took != maxWait || response.Header().Get("Location") != "../endpoints/slow?done=waiting" {
			t.Errorf("after %s: status %d, %v", took, response.Code, response.Header())
		}
		time.Sleep(2 * time.Minute)
		again := time.Now()
		response = send(handler, http.MethodPost, "/-/probe?endpoint=slow")
		if took := time.Since(again); took != maxWait || response.Code != http.StatusAccepted || !strings.HasPrefix(response.Body.String(), "The probe is still running. ") {
			t.Errorf("a script, after %s: status %d, %s", took, response.Code, response.Body)
		}
		time.Sleep(2 * time.Minute)
	})
}

// With a proxy that changes the Host header, a browser's origin is the external URL's.
func TestExternalOrigin(t *testing.T) {
	o := newOptions()
	o.ExternalURL = &url.URL{Scheme: "http", Host: "outside.test:8080", Path: "/sessions"}
	handler := newHandler(t, o)
	for origin, want := range map[string]int{"http://outside.test:8080": 200, "http://outside.test": 403, "https://outside.test:8080": 403, "null": 403, "http://attacker.example": 403} {
		if response := send(handler, http.MethodPost, "/-/resume?credential=known", "Origin", origin); response.Code != want {
			t.Errorf("%s: status %d, want %d", origin, response.Code, want)
		}
	}
}
