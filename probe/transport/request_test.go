package transport

import (
	"net/url"
	"testing"
)

// The Host header omits the default port of the scheme.
func TestHostHeader(t *testing.T) {
	for in, want := range map[string]string{
		"https://h:443/a": "h", "https://h/a": "h", "https://[::1]:443": "[::1]", "https://h:9443": "h:9443",
		"https://h:80": "h:80", "http://h:80": "h", "http://h:443": "h:443", "https://h:1443": "h:1443",
	} {
		u, err := url.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := hostHeader(u); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
