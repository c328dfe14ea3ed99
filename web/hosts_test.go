package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestHosts(t *testing.T) {
	for name, tc := range map[string]struct {
		flags []string
		host  string
		want  int
	}{
		"without the flag":           {nil, "evil.test", 200},
		"listed":                     {[]string{"exporter.test"}, "exporter.test:10987", 200},
		"in capitals":                {[]string{"Exporter.test"}, "EXPORTER.TEST.", 200},
		"one of a list":              {[]string{"a.test, b.test", "c.test"}, "b.test", 200},
		"of another flag":            {[]string{"a.test,b.test", "c.test"}, "c.test", 200},
		"not listed":                 {[]string{"exporter.test"}, "evil.test:10987", 421},
		"subdomain of a listed name": {[]string{"exporter.test"}, "evil.exporter.test", 421},
		"ends with a listed name":    {[]string{"exporter.test"}, "evilexporter.test", 421},
		"starts like an address":     {[]string{"exporter.test"}, "127.0.0.1.evil.test", 421},
		"an address with a zone":     {[]string{"exporter.test"}, "[fe80::1%25.evil.test]", 421},
		"an address":                 {[]string{"exporter.test"}, "10.0.0.1:10987", 200},
		"an IPv6 address":            {[]string{"exporter.test"}, "[2001:db8::1]:10987", 200},
		"localhost":                  {[]string{"exporter.test"}, "localhost:10987", 200},
		"none, as in HTTP/1.0":       {[]string{"exporter.test"}, "", 200},
		"the external URL":           {[]string{"exporter.test"}, "proxy.test", 200},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOptions()
			o.Hosts, o.ExternalURL = tc.flags, &url.URL{Scheme: "https", Host: "proxy.test", Path: "/x"}
			handler := newHandler(t, o)
			for _, path := range []string{"/config", "/metrics", "/", "/-/healthy"} {
				if response := sendTo(handler, tc.host, path); response.Code != tc.want {
					t.Errorf("%s: status %d, want %d", path, response.Code, tc.want)
				} else if tc.want == 421 && !strings.Contains(response.Body.String(), "--web.hosts") {
					t.Errorf("response %q", response.Body)
				}
			}
		})
	}
	for _, wrong := range []string{"", "https://exporter.test", "exporter.test:10987", "a.test,,b.test", "a.test/x", "*.test"} {
		o := newOptions()
		o.Hosts = []string{wrong}
		if _, err := NewHandler(o); err == nil || !strings.Contains(err.Error(), "--web.hosts") {
			t.Errorf("%q: error %v", wrong, err)
		}
	}
}

func sendTo(handler http.Handler, host, path string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodGet, path, http.NoBody)
	request.Host = host
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder
}
