package collector

import (
	"net/url"
	"slices"
	"testing"
	"time"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// Labels have neither user information nor a query.
func TestEndpointInfo(t *testing.T) {
	e := newEndpoint("a")
	e.Auth, e.Module, e.Credential = sessionapi.AuthBearer, "sso", &config.Credential{Name: "c"}
	for text, want := range map[string]string{
		"https://a.test:9443":                        "https://a.test:9443",
		"https://user:pa%20ss@a.test/api/?token=t#f": "https://a.test/api/",
		"https://[::1]:443/a%2Fb/":                   "https://[::1]:443/a%2Fb/",
	} {
		var err error
		if e.URL, err = url.Parse(text); err != nil {
			t.Fatal(err)
		}
		if got := endpointInfo(e); !slices.Equal(got, []string{want, "sso", "c", "bearer"}) {
			t.Errorf("%s: %q", text, got)
		}
	}
}

// A reload that changes only the module's name changes the label too.
func TestEndpointInfoFollowsTheConfiguration(t *testing.T) {
	c := watch(t, newSettings(newEndpoint("a")), idle)
	write(t, c, textFormat)
	renamed := newEndpoint("a")
	renamed.Module = "renamed"
	if err := c.Apply(newSettings(renamed), func(*config.Endpoint) (Prober, error) { return &fake{}, nil }); err != nil {
		t.Fatal(err)
	}
	expose(t, c, textFormat)
	metric := gather(t, c)["session_endpoint_info"].GetMetric()[0]
	if got := valuesOf(metric)["module"]; got != "renamed" {
		t.Errorf("module %q", got)
	}
}

// The last request is kept while probes are held back. A logout is a request.
func TestLastRequest(t *testing.T) {
	s := newState(nil, "")
	sent := found(sessionapi.Valid)
	sent.LastRequest = minute(1)
	s.record(&sent)
	heldBack := found(sessionapi.LoginSuspended)
	s.record(&heldBack)
	if !s.LastRequest.Equal(minute(1)) {
		t.Errorf("last request at %s", s.LastRequest)
	}
	s.recordClose(&probe.Result{LastRequest: minute(2)})
	if !s.LastRequest.Equal(minute(2)) {
		t.Errorf("after a logout: last request at %s", s.LastRequest)
	}
	var never time.Time
	s.recordClose(&probe.Result{LastRequest: never})
	if !s.LastRequest.Equal(minute(2)) {
		t.Errorf("after nothing was sent: last request at %s", s.LastRequest)
	}
}
