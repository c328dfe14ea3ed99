package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"session_exporter/probe"
)

// Errors are pages for browsers, with a link back that works at every depth and under
// every prefix, and plain text for scripts.
func TestErrorPages(t *testing.T) {
	crossSite := []string{"Sec-Fetch-Site", "cross-site"}
	for _, tc := range []struct {
		name, method, path string
		status             int
		page, plain        string
		header             []string
	}{
		{"no such page", "GET", "/none", 404, "The exporter has no page at this address.", "404 page not found", nil},
		{"deep", "GET", "/a/b/c", 404, "The exporter has no page at this address.", "404 page not found", nil},
		{"method", "GET", "/-/reload", 405, "This address accepts POST only, not GET.", "Method Not Allowed", nil},
		{"several methods", "DELETE", "/metrics", 405, "This address accepts GET, HEAD only, not DELETE.", "Method Not Allowed", nil},
		{"another site", "POST", "/-/resume?credential=known", 403, "Requests from pages of other sites are refused.", "Requests from pages of other sites are refused.", crossSite},
		{"missing parameter", "POST", "/-/resume", 400, "Missing parameter", "Missing parameter", nil},
		{"probe without a name", "GET", "/probe", 400, "Name an endpoint or a target", "name an endpoint or a target", nil},
		{"probe of an unknown endpoint", "GET", "/probe?endpoint=none", 404, "ndpoint", "ndpoint", nil},
		{"resumed too often", "POST", "/-/resume?credential=resumed+too+often", 429, "resumed too often", "resumed too often", nil},
	} {
		for _, prefix := range []string{"", "/in/side"} {
			t.Run(tc.name+" below "+prefix, func(t *testing.T) {
				o := newOptions()
				o.RoutePrefix = prefix
				handler := newHandler(t, o)
				plain := send(handler, tc.method, prefix+tc.path, tc.header...)
				if body := plain.Body.String(); plain.Code != tc.status || !strings.Contains(body, tc.plain) || strings.Contains(body, "<") {
					t.Errorf("to a script: status %d, %s", plain.Code, body)
				}
				response := send(handler, tc.method, prefix+tc.path, append([]string{"Accept", "text/html,*/*;q=0.8"}, tc.header...)...)
				if kind := response.Header().Get("Content-Type"); response.Code != tc.status || kind != "text/html; charset=utf-8" {
					t.Fatalf("status %d, %s", response.Code, kind)
				}
				if allow := plain.Header().Get("Allow"); response.Header().Get("Allow") != allow {
					t.Errorf("Allow %q, want %q", response.Header().Get("Allow"), allow)
				}
				page := parsePage(t, response.Body)
				if text := page.withID("main").text(); !strings.HasPrefix(text, http.StatusText(tc.status)+" ") || !strings.Contains(text, tc.page) {
					t.Errorf("the page says %q", text)
				}
				if got := target(t, prefix+tc.path, page.withID("main").all("a", "href")[0]); got != prefix+"/" {
					t.Errorf("the link leads to %s", got)
				}
			})
		}
	}
}

// target returns the path to which a link of a page leads.
func target(t *testing.T, page string, link document) string {
	t.Helper()
	href, _ := link.attribute("href")
	base, err := url.Parse(page)
	to, err2 := base.Parse(href)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return to.Path
}

// The error page for a path outside the prefix links to the prefix.
func TestErrorPageOutsideThePrefix(t *testing.T) {
	s := &site{prefix: "/in"}
	for _, path := range []string{"/", "/none", "/a/b"} {
		response := send(s.handler(t), http.MethodGet, path, "Accept", "text/html")
		if response.Code != http.StatusNotFound {
			t.Fatalf("%s: status %d", path, response.Code)
		}
		if got := target(t, path, parsePage(t, response.Body).withID("main").all("a", "href")[0]); got != "/in/" {
			t.Errorf("%s leads to %s", path, got)
		}
	}
	if response := send(s.handler(t), http.MethodOptions, "*", "Accept", "text/html"); response.Code != http.StatusBadRequest {
		t.Errorf("OPTIONS *: status %d", response.Code)
	}
}

// The page that refuses a host name has its style, and reveals nothing about the exporter.
func TestRefusedHostPage(t *testing.T) {
	s := &site{credentials: []probe.CredentialStatus{{Name: "account"}}}
	o := s.options(t)
	o.Hosts = []string{"exporter.test"}
	handler := newHandler(t, o)
	get := func(path string) (int, string) {
		response := send(handler, http.MethodGet, "http://evil.test"+path, "Accept", "text/html")
		return response.Code, response.Body.String()
	}
	status, body := get("/-/ready")
	page := parsePage(t, strings.NewReader(body))
	if status != http.StatusMisdirectedRequest || !strings.Contains(page.text(), "add it to --web.hosts") {
		t.Errorf("status %d, %s", status, page.text())
	}
	for _, link := range page.all("a", "href") {
		if href, _ := link.attribute("href"); href != "#main" {
			t.Errorf("a link to %s", href)
		}
	}
	if strings.Contains(body, `class="version"`) {
		t.Error("the page has the version")
	}
	sheet, _ := page.all("link", "href")[1].attribute("href")
	if status, _ := get("/" + strings.TrimPrefix(sheet, "../")); status != http.StatusOK {
		t.Errorf("%s: status %d", sheet, status)
	}
	if status, _ := get("/config"); status != http.StatusMisdirectedRequest {
		t.Errorf("/config: status %d", status)
	}
}
