package simulator

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// A testRequest is a request as a row of a table.
type testRequest struct {
	method string
	path   string
	header map[string]string
	basic  [2]string // username and password; empty: none
	body   string
}

func (q testRequest) build(url string) *http.Request {
	r := httptest.NewRequest(q.method, url+q.path, strings.NewReader(q.body))
	r.RequestURI = "" // http.Client requires it
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	if q.basic != [2]string{} {
		r.SetBasicAuth(q.basic[0], q.basic[1])
	}
	return r
}

// do sends a request to an appliance without a network.
func do(a http.Handler, q testRequest) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	a.ServeHTTP(w, q.build("http://appliance.test"))
	return w
}

// An exchange is a request with the expected response.
type exchange struct {
	name     string
	settings func(*Settings)
	request  testRequest
	status   int
	body     string // random parts are masked
	header   map[string]string
}

// run sends the request to a new appliance. "{token}" in the request stands for the token
// of a live session of alice.
func (e exchange) run(t *testing.T, a *Appliance) {
	t.Helper()
	token := a.Issue("alice")
	if e.settings != nil {
		a.Change(e.settings)
	}
	for name, value := range e.request.header {
		e.request.header[name] = strings.ReplaceAll(value, "{token}", token)
	}
	w := do(a, e.request)
	if w.Code != e.status {
		t.Errorf("status %d, want %d", w.Code, e.status)
	}
	if got := mask(w.Body.String()); got != e.body {
		t.Errorf("body:\n%s\nwant:\n%s", got, e.body)
	}
	for name, value := range e.header {
		if got := mask(w.Header().Get(name)); got != value {
			t.Errorf("header %s is %q, want %q", name, got, value)
		}
	}
}

// mask replaces the random parts of a response.
func mask(s string) string {
	s = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`).ReplaceAllString(s, "{uuid}")
	return regexp.MustCompile(`[A-Z2-7]{26}`).ReplaceAllString(s, "{random}")
}

func alice() Settings {
	return Settings{
		Accounts: map[string]Account{"alice": {
			Password:      "right",
			Roles:         []string{"System Administrator", "Appliance Administrator"},
			Organizations: []string{"DEFAULT"},
			Enterprise:    "HybridityAdmin",
		}},
		Bearers: map[string]string{"sso-token": "alice"},
	}
}
