package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/probe"
)

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

// After a form the browser goes back to where it was, and nowhere else.
func TestForms(t *testing.T) {
	s := &site{prefix: "/in"}
	s.add("a", &probe.Result{State: probe.Valid})
	s.add("a/b", &probe.Result{State: probe.Valid})
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
		{"resume, nonsense", "/-/resume?credential=known", url.Values{"back": {"%zz;"}}, "../?done=resumed"},
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
				t.Errorf("leads to %s (%v)", to, err)
			}
		})
	}
	for target, want := range map[string]int{"/-/resume": 400, "/-/resume?credential=x": 404, "/-/probe": 400, "/-/probe?endpoint=x": 404} {
		response := submit(handler, "/in"+target, nil)
		if body := response.Body.String(); response.Code != want || !strings.HasPrefix(body, "<!DOCTYPE html>") || !strings.Contains(body, `href="../"`) {
			t.Errorf("%s: status %d, %s", target, response.Code, body)
		}
	}
}

// What was done is said on the page, and nothing that a link makes up.
func TestNotices(t *testing.T) {
	s := &site{}
	s.add("a", &probe.Result{State: probe.Valid})
	handler := s.handler(t)
	for _, tc := range []struct{ target, want string }{
		{"/?done=resumed", "Logins resume: the secret is tried again now."},
		{"/endpoints/a?done=probed", "Probed just now."},
		{"/?done=Send+your+password+to+us", ""},
		{"/", ""},
	} {
		if got := open(t, handler, tc.target).withID("notice"); got.FirstChild == nil && tc.want != "" || got.FirstChild != nil && got.text() != tc.want {
			t.Errorf("%s: not %q", tc.target, tc.want)
		}
	}
}

func TestProbeNowInWords(t *testing.T) {
	s := &site{}
	s.add("a", &probe.Result{State: probe.CredentialsRejected, Diagnosis: "The password was refused.", Advice: "Correct it."})
	response := ask(s.handler(t), http.MethodPost, "/-/probe?endpoint=a", "Accept", "*/*")
	if want := "credentials_rejected\n  The password was refused.\n  What to do: Correct it.\n"; response.Code != http.StatusOK || response.Body.String() != want {
		t.Errorf("status %d, %q, want %q", response.Code, response.Body, want)
	}
}

// Nobody has to look at a page that loads for longer than this.
func TestProbeNowThatTakesLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := threeEndpoints()
		settings.Endpoints[2].Timeout = time.Hour
		handler := newWatching(t, &config.Config{Endpoints: settings.Endpoints})
		ending := time.Now()
		go ask(handler, http.MethodGet, "/probe?endpoint=slow", scrapeTimeout, "100") // what hangs must end
		synctest.Wait()
		response := submit(handler, "/-/probe?endpoint=slow", nil)
		if took := time.Since(ending); took != maxWait || response.Header().Get("Location") != "../endpoints/slow?done=waiting" {
			t.Errorf("after %s: status %d, %v", took, response.Code, response.Header())
		}
		time.Sleep(2 * time.Minute)
		again := time.Now()
		response = ask(handler, http.MethodPost, "/-/probe?endpoint=slow")
		if took := time.Since(again); took != maxWait || response.Code != http.StatusAccepted || !strings.HasPrefix(response.Body.String(), "The probe takes long. ") {
			t.Errorf("a script, after %s: status %d, %s", took, response.Code, response.Body)
		}
		time.Sleep(2 * time.Minute)
	})
}

// Behind a proxy that changes the host, a browser's origin is the external URL's.
func TestExternalOrigin(t *testing.T) {
	o := newOptions()
	o.ExternalURL = &url.URL{Scheme: "http", Host: "outside.test:8080", Path: "/sessions"}
	handler := newHandler(t, o)
	for origin, want := range map[string]int{"http://outside.test:8080": 200, "http://outside.test": 403, "https://outside.test:8080": 403, "null": 403, "http://attacker.example": 403} {
		if response := ask(handler, http.MethodPost, "/-/resume?credential=known", "Origin", origin); response.Code != want {
			t.Errorf("%s: status %d, want %d", origin, response.Code, want)
		}
	}
}
