package web

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"session_exporter/probe"
	"session_exporter/sessionapi"
	"session_exporter/web/page"
	"session_exporter/web/runbooks"
)

// awkwardNames are valid names of endpoints: a name may have any printable character.
var awkwardNames = []string{"plain", "a/b", "/", "..", ".", "a b", "a?b=c&d#e", "100%", "%2F", `back\slash`, "a:b", "//x", "größe", "a;b", "a+b", `"quoted"`, "<b>"}

func TestEndpointLink(t *testing.T) {
	for _, name := range awkwardNames {
		link, err := url.Parse(page.EndpointLink(name))
		if err != nil || !slices.Contains([]string{"endpoints/" + name, "endpoints/"}, link.Path) {
			t.Errorf("%q: %q (%v)", name, page.EndpointLink(name), err)
		}
	}
}

// A page's links, forms and files resolve under every prefix and proxy path.
func TestLinksResolve(t *testing.T) {
	s := &site{credentials: []probe.CredentialStatus{{Name: "account", Suspended: true}}}
	for _, name := range awkwardNames {
		s.add(name, &probe.Result{State: sessionapi.LoginSuspended}).Labels = map[string]string{"site": "a&b=c"}
	}
	for _, tc := range []struct{ name, prefix, telemetry, outside string }{
		{"no prefix", "", "/metrics", ""},
		{"prefix", "/exporter", "/metrics", ""},
		{"long prefix that ends in a slash", "/a/b/", "/prom/metrics.txt", ""},
		{"a proxy that strips its path", "", "/metrics", "/outside/path"},
		{"a proxy that strips its path, and a prefix", "/in", "/metrics", "/out"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s.prefix, s.telemetry = tc.prefix, tc.telemetry
			o := s.options(t)
			o.Lifecycle = lifecycle{}
			handler := http.StripPrefix(tc.outside, newHandler(t, o))
			root := tc.outside + strings.TrimRight(tc.prefix, "/") + "/"
			visited := map[string]bool{}
			crawl(t, handler, root, root, visited)
			for _, name := range awkwardNames {
				link, err := url.Parse(root + page.EndpointLink(name))
				if err != nil || !visited[link.String()] {
					t.Errorf("the page of %q was not visited (%v)", name, err)
				}
			}
			for _, path := range []string{tc.telemetry[1:], "config", "sd", "api/v1/endpoints", "-/healthy", "-/ready", "runbooks/", "runbooks/SessionLoginSuspended", "runbooks/SessionFlapping"} {
				if !visited[root+path] {
					t.Errorf("nothing leads to %s", path)
				}
			}
		})
	}
}

// crawl requests a page as a browser would, and follows its links, except those of a filtered
// overview.
func crawl(t *testing.T, handler http.Handler, root, target string, visited map[string]bool) {
	t.Helper()
	if visited[target] {
		return
	}
	visited[target] = true
	response := send(handler, http.MethodGet, target, "Accept", "text/html")
	if response.Code != http.StatusOK {
		t.Errorf("GET %s: status %d", target, response.Code)
		return
	}
	if !strings.HasPrefix(response.Header().Get("Content-Type"), "text/html") || strings.HasPrefix(target, root+"?") {
		return
	}
	page, base := openPage(t, handler, target), &url.URL{}
	base, err := base.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	for _, attribute := range []string{"href", "src", "action"} {
		for _, element := range page.all("", attribute) {
			link, _ := element.attribute(attribute)
			if strings.HasPrefix(link, "#") {
				if page.withID(link[1:]).Data == "" {
					t.Errorf("%s: nothing has the id of %s", target, link)
				}
				continue
			}
			if strings.HasPrefix(link, "https://") && strings.Contains(target, runbooks.Path) {
				continue // vendors' pages
			}
			if strings.HasPrefix(link, "/") || strings.Contains(link, "://") {
				t.Errorf("%s: the link %s is not relative", target, link)
				continue
			}
			to, err := base.Parse(link)
			if err != nil {
				t.Errorf("%s: %v", target, err)
				continue
			}
			to.Fragment = "" // browsers do not send it
			if method, _ := element.attribute("method"); method != "post" {
				crawl(t, handler, root, to.String(), visited)
			} else if !strings.HasPrefix(to.Path, root+"-/") {
				t.Errorf("%s: the form leads to %s", target, to)
			}
		}
	}
}

// The slashes of a name may arrive unescaped, if a user types them or a proxy decodes them.
func TestSlashesInAName(t *testing.T) {
	s := &site{prefix: "/in"}
	s.add("a/b/c", nil)
	handler := s.handler(t)
	for path, root := range map[string]string{"/in/endpoints/a/b/c": "../../../", "/in/endpoints/a%2Fb%2Fc": "../", "/in/endpoints/?name=a%2Fb%2Fc": "../"} {
		page := openPage(t, handler, path)
		if home, _ := page.all("a", "href")[1].attribute("href"); home != root {
			t.Errorf("%s: the link to the overview is %q, want %q", path, home, root)
		}
	}
}

// The security headers permit only our own script, and the pages comply.
func TestPolicy(t *testing.T) {
	s := &site{}
	s.add("a", &probe.Result{State: sessionapi.Valid, Duration: time.Millisecond, Steps: []probe.StepResult{{Step: sessionapi.Check, Status: 200}}})
	handler := s.handler(t)
	for _, target := range []string{"/", "/endpoints/a", "/endpoints/none", "/?state=none", "/config", "/api/v1/endpoints", "/-/healthy", "/none", "/metrics", "/probe"} {
		header := send(handler, http.MethodGet, target).Header()
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
			"X-Content-Type-Options":  "nosniff",
			"X-Frame-Options":         "DENY",
			"Referrer-Policy":         "same-origin",
			"Cache-Control":           "no-store",
		} {
			if got := header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", target, name, got, want)
			}
		}
	}
	for _, target := range []string{"/", "/endpoints/a"} {
		page := openPage(t, handler, target)
		for _, element := range page.all("", "") {
			for _, a := range element.Attr {
				if a.Key == "style" || strings.HasPrefix(a.Key, "on") || strings.HasPrefix(strings.ToLower(a.Val), "javascript:") {
					t.Errorf("%s: %s has %s=%q", target, element.Data, a.Key, a.Val)
				}
			}
			if element.Data == "style" || (element.Data == "script" && element.FirstChild != nil) {
				t.Errorf("%s: inline %s", target, element.Data)
			}
		}
	}
}

// Static files are served under a path with their hash and may be cached indefinitely.
func TestStaticFiles(t *testing.T) {
	handler := newHandler(t, newOptions())
	page := openPage(t, handler, "/")
	kinds := make(map[string]bool)
	for _, element := range slices.Concat(page.all("link", "href"), page.all("script", "src")) {
		for _, a := range element.Attr {
			if a.Key != "href" && a.Key != "src" {
				continue
			}
			response := send(handler, http.MethodGet, strings.TrimPrefix(a.Val, "."))
			header := response.Header()
			if response.Code != http.StatusOK || header.Get("Cache-Control") != "max-age=31536000, immutable" {
				t.Errorf("%s: status %d, %v", a.Val, response.Code, header)
			}
			kind, _, _ := strings.Cut(header.Get("Content-Type"), ";")
			kinds[kind] = true
		}
	}
	if want := map[string]bool{"text/css": true, "text/javascript": true, "image/svg+xml": true}; !maps.Equal(kinds, want) {
		t.Errorf("served %v, want %v", kinds, want)
	}
}

// Strings from an appliance or the configuration are shown as text, never as HTML.
func TestHostileTexts(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>' onmouseover='x javascript:alert(3) {{.}} </title></textarea><!--`
	result := &probe.Result{
		State: sessionapi.Unexpected, Diagnosis: evil, Advice: evil, Duration: time.Millisecond,
		Identity:      &sessionapi.Identity{Username: evil, Organization: evil, Enterprise: evil, Version: evil, Roles: []string{evil}, Organizations: []string{evil}},
		RolesExpected: map[string]bool{evil: false}, CredentialExpiries: map[string]time.Time{evil: time.Now()},
		Steps: []probe.StepResult{{
			Step: evil, Method: evil, URL: evil, Status: 200, Code: evil, OpID: evil[:60],
			Trace: &probe.Trace{Request: []string{evil}, Response: []string{evil}, Body: evil, Failure: evil},
		}},
	}
	s := &site{credentials: []probe.CredentialStatus{{Name: evil, Suspended: true}}}
	e := s.add(evil, result)
	e.Labels = map[string]string{"site": evil}
	e.Module, e.Credential.Name, e.Expect.Roles = evil, evil, []string{evil}
	handler := s.handler(t)
	query := "?" + url.Values{"q": {evil[:3]}, "label": {"site=" + evil}, "done": {evil}}.Encode()
	for _, target := range []string{"/", "/" + query, "/" + page.EndpointLink(evil), "/" + page.EndpointLink(evil) + "&done=" + url.QueryEscape(evil)} {
		page := openPage(t, handler, target)
		if scripts := page.all("script", ""); len(scripts) != 1 {
			t.Errorf("%s: %d scripts", target, len(scripts))
		}
		if images := page.all("img", ""); len(images) != 0 {
			t.Errorf("%s: an image", target)
		}
		for _, element := range page.all("", "") {
			for _, a := range element.Attr {
				if strings.HasPrefix(a.Key, "on") {
					t.Errorf("%s: %s has %s", target, element.Data, a.Key)
				}
			}
		}
		if want := strings.Join(strings.Fields(evil), " "); !strings.Contains(page.text(), want) {
			t.Errorf("%s: the text is not shown verbatim", target)
		}
	}
}

// The markup has the labels, landmarks and scopes that assistive technology needs.
func TestAccessibleMarkup(t *testing.T) {
	s := &site{credentials: []probe.CredentialStatus{{Name: "account", Suspended: true}}}
	s.add("a", &probe.Result{State: sessionapi.LoginSuspended}).Labels = map[string]string{"site": "a"}
	handler := s.handler(t)
	for _, target := range []string{"/", "/endpoints/a"} {
		page := openPage(t, handler, target)
		if language, _ := page.all("html", "")[0].attribute("lang"); language != "en" {
			t.Errorf("%s: language %q", target, language)
		}
		for element, want := range map[string]int{"main": 1, "header": 1, "footer": 1, "h1": 1, "title": 1} {
			if got := len(page.all(element, "")); got != want {
				t.Errorf("%s: %d %s", target, got, element)
			}
		}
		var labeled []string
		for _, label := range page.all("label", "for") {
			id, _ := label.attribute("for")
			labeled = append(labeled, id)
		}
		for _, input := range slices.Concat(page.all("input", ""), page.all("select", "")) {
			id, _ := input.attribute("id")
			if kind, _ := input.attribute("type"); kind != "hidden" && !slices.Contains(labeled, id) {
				t.Errorf("%s: %q has no label", target, id)
			}
		}
		for _, header := range page.all("th", "") {
			if _, ok := header.attribute("scope"); !ok {
				t.Errorf("%s: the header %q has no scope", target, header.text())
			}
		}
		ids := make(map[string]bool)
		for _, element := range page.all("", "id") {
			id, _ := element.attribute("id")
			if ids[id] {
				t.Errorf("%s: two elements have the id %s", target, id)
			}
			ids[id] = true
		}
		for _, drawing := range page.all("svg", "") {
			_, hidden := drawing.attribute("aria-hidden")
			if label, _ := drawing.attribute("aria-label"); !hidden && label == "" {
				t.Errorf("%s: a drawing without a label", target)
			}
		}
	}
}
