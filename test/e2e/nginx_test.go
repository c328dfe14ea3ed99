package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// proxied is nginx's configuration: a single process, with all its files in a directory of the
// test.
const proxied = `
daemon off;
master_process off;
pid %[1]s/pid;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  server {
    listen %[2]s;
    location /monitoring/ {
      %[3]s
    }
  }
}
`

// startNginx serves /monitoring/ at an address with the given directives.
func startNginx(t *testing.T, address, directives string) {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		// Debian's location, which is not in every PATH.
		if program, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			t.Fatalf("nginx not found: install the package nginx-light, as `make test` does: %v", err)
		}
	}
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "nginx.conf"), fmt.Sprintf(proxied, dir, address, directives))
	p := launch(t, program, "-c", file, "-p", dir, "-e", "stderr")
	eventually(t, func() error {
		if p.hasEnded() {
			t.Fatalf("nginx exited:\n%s", &p.stderr)
		}
		response, err := http.Get("http://" + address + "/")
		if err != nil {
			return err
		}
		return response.Body.Close()
	})
}

// freeAddress returns an address with a free port.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// TestNginx: pages, files, forms and links work behind a proxy, whether the proxy or the
// exporter strips the path.
func TestNginx(t *testing.T) {
	t.Parallel()
	needsTheMachine(t)
	for _, c := range []struct {
		name     string
		flags    []string // EXTERNAL stands for the proxy's address
		location string   // EXPORTER stands for the exporter's address
	}{
		{"external URL", []string{"--web.external-url=http://EXTERNAL/monitoring/"}, "proxy_pass http://EXPORTER;"},
		{"external URL, path stripped", []string{"--web.external-url=http://EXTERNAL/monitoring/", "--web.route-prefix=/"}, "proxy_pass http://EXPORTER/;"},
		{"route prefix other than the proxy's path", []string{"--web.route-prefix=/in/here"}, "proxy_pass http://EXPORTER/in/here/; proxy_set_header Host $http_host;"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newHCX(t, withAccount(newPassword))
			address := freeAddress(t)
			flags := make([]string, len(c.flags))
			for i, flag := range c.flags {
				flags[i] = strings.ReplaceAll(flag, "EXTERNAL", address)
			}
			x := serve(t, fmt.Sprintf(prelude+`
credentials:
  the account: {username: %s, password_file: %q, lockout_guard: {max_refusals: 1}}
endpoints:
  - {name: plain, url: %s, module: hcx, credential: the account}
  - {name: "a/b c?&", url: %[4]s, module: hcx, credential: the account}
`, caFile, user, secretFile(t, password), a.url), flags...)
			startNginx(t, address, strings.ReplaceAll(c.location, "EXPORTER", strings.TrimPrefix(x.url, "http://")))
			site := "http://" + address + "/monitoring"
			inBrowser(t, site, a)
			throughProxy(t, site)
			crossOrigin(t, site, "http://"+address) // after inBrowser has corrected the password: wrong ones would lock the account
		})
	}
}

// inBrowser uses the site as a user would, and corrects the appliance's password.
func inBrowser(t *testing.T, site string, a *appliance) {
	t.Helper()
	b := newTab(t, site)
	eventually(t, func() error {
		if text := body(t, site+"/?state=login_suspended"); strings.Count(text, `class="row"`) != 2 {
			return fmt.Errorf("the page does not have two suspended endpoints:\n%s", text)
		}
		return nil
	})
	for _, page := range []string{"/", "/?sort=name", "/endpoints/plain", "/endpoints/?name=a%2Fb+c%3F%26", "/endpoints/none"} {
		if page == "/endpoints/none" {
			b.muteConsole() // it reports the 404
		}
		b.open(t, page)
		b.await(t, `getComputedStyle(document.querySelector(".bar")).display === "flex"`) // the style sheet
		b.await(t, `document.getElementById("refresh").hidden === !Number(document.body.dataset.refresh)`)
		for _, link := range evaluate[[]string](t, b, `Array.from(document.querySelectorAll("a:not(.skip), link, script"), e => e.href || e.src)`) {
			if !strings.HasPrefix(link, site+"/") {
				t.Errorf("%s: %s leads away from the proxy's path", page, link)
				continue
			}
			body(t, link)
		}
	}
	b.open(t, "/")
	b.click(t, "#q")
	b.press(t, "a/b")
	b.await(t, rows+" === 1 && location.href === "+fmt.Sprintf("%q", site+"/?q=a%2Fb"))
	b.click(t, "a.name")
	b.awaitText(t, "h1", "a/b c?&")
	a.setPassword(password)
	b.click(t, "#resume")
	b.awaitText(t, "#notice", "Logins resume")
	b.awaitText(t, "h1", "a/b c?&")
	b.awaitText(t, "#now", "valid")
	b.click(t, "#probe-now")
	b.awaitText(t, "#notice", "Probed just now: ")
	b.click(t, ".crumbs a")
	b.await(t, fmt.Sprintf("location.href === %q && ", site+"/")+rows+" === 2")
}

// body fetches a page through the proxy.
func body(t *testing.T, address string) string {
	t.Helper()
	response, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("%s: %s (%v)", address, response.Status, err)
	}
	checkOutput(t, address, string(text))
	return string(text)
}

// throughProxy sends requests as programs do.
func throughProxy(t *testing.T, site string) {
	t.Helper()
	for path, wanted := range map[string]string{
		"/metrics": "session_up{", "/api/v1/endpoints?q=plain": `"selected":1`, "/config": "max_refusals: 1", "/sd": `"plain"`,
		"/-/healthy": "Healthy", "/-/ready": "Ready", "/probe?endpoint=plain&debug=true": "Metrics that would have been returned",
	} {
		if text := body(t, site+path); !strings.Contains(text, wanted) {
			t.Errorf("%s has no %q: %.500s", path, wanted, text)
		}
	}
}

// crossOrigin sends the forms' requests, as from the page itself and from other sites.
// Older browsers, and newer ones without TLS, send Origin but not Sec-Fetch-Site.
func crossOrigin(t *testing.T, site, origin string) {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, form := range []struct{ path, location string }{
		{"/-/resume?credential=the+account&endpoint=plain", "/endpoints/plain?done=resumed"},
		{"/-/resume?credential=the+account", "/?done=resumed"},
		{"/-/probe?endpoint=a%2Fb+c%3F%26", "/endpoints/?name=a%2Fb+c%3F%26&done=probed"},
	} {
		for _, from := range []struct {
			name    string
			headers map[string]string
			status  int
		}{
			{"the page", map[string]string{"Origin": origin}, http.StatusSeeOther},
			{"the page, in a new browser", map[string]string{"Origin": origin, "Sec-Fetch-Site": "same-origin"}, http.StatusSeeOther},
			{"elsewhere", map[string]string{"Origin": "http://evil.example"}, http.StatusForbidden},
			{"elsewhere, in a new browser", map[string]string{"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}, http.StatusForbidden},
			{"another port of the host", map[string]string{"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"}, http.StatusForbidden},
		} {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, site+form.path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Accept", "text/html")
			for name, value := range from.headers {
				request.Header.Set(name, value)
			}
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			soon := strings.HasPrefix(form.path, "/-/probe") && response.StatusCode == http.StatusConflict // probed within the last 10 s
			if response.StatusCode != from.status && (from.status != http.StatusSeeOther || !soon) {
				t.Errorf("POST %s from %s: %s, want %d", form.path, from.name, response.Status, from.status)
			}
			if response.StatusCode != http.StatusSeeOther {
				continue
			}
			got, err := url.Parse(response.Header.Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			// The order of query parameters does not matter.
			want, _ := url.Parse(site + form.location)
			to := response.Request.URL.ResolveReference(got)
			if to.Host != want.Host || to.Path != want.Path || to.Query().Encode() != want.Query().Encode() {
				t.Errorf("POST %s from %s leads to %s, want %s", form.path, from.name, to, want)
			}
		}
	}
}
