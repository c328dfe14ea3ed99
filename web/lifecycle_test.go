package web

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestReloadThatFails(t *testing.T) {
	o := newOptions()
	o.Lifecycle = lifecycle{err: errors.New("session_exporter.yml:3: endpoints[0].module: there is no module")}
	response := ask(newHandler(t, o), http.MethodPost, "/-/reload")
	if response.Code != http.StatusInternalServerError || !strings.Contains(response.Body.String(), "session_exporter.yml:3: ") {
		t.Errorf("status %d, body %q", response.Code, response.Body)
	}
}

// What changes something may be asked by a browser only from our own pages.
func TestCrossSiteRequests(t *testing.T) {
	for _, tc := range []struct {
		name   string
		header []string
		want   int
	}{
		{"no browser", nil, http.StatusOK},
		{"our page", []string{"Sec-Fetch-Site", "same-origin"}, http.StatusOK},
		{"another site", []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		{"a sibling host", []string{"Sec-Fetch-Site", "same-site"}, http.StatusForbidden},
		{"an old browser on another site", []string{"Origin", "https://attacker.example"}, http.StatusForbidden},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, target := range []string{"/-/reload", "/-/resume?credential=known"} {
				if response := ask(newHandler(t, newOptions()), http.MethodPost, target, tc.header...); response.Code != tc.want {
					t.Errorf("POST %s: status %d, want %d", target, response.Code, tc.want)
				}
			}
		})
	}
}
