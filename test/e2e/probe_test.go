package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// probeTarget requests a probe of a target and returns the status and body.
func (x *exporter) probeTarget(t *testing.T, module, target string) (status int, body string) {
	t.Helper()
	response, err := http.Get(x.url + "/probe?" + url.Values{"module": {module}, "target": {target}}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	checkOutput(t, "/probe", string(text))
	return response.StatusCode, string(text)
}

// TestForeignTarget: a request for /probe?module=M&target=https://attacker.example. Nothing is
// sent to a host that the credential's origins do not allow, whatever the authentication.
func TestForeignTarget(t *testing.T) {
	t.Parallel()
	evil := newAttacker(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
	allowed := newHCX(t, withAccount(password))
	x := serve(t, fmt.Sprintf(`
credentials:
  account: {username: %[1]s, password_file: %[2]q, origins: [%[3]q]}
  stranger: {username: %[1]s, password_file: %[2]q}
  token: {token_file: %[2]q, origins: [%[3]q]}
modules:
  login: {api: hcx, credential: account, tls_config: {ca_file: %[4]q}}
  basic: {api: hcx, credential: account, auth: basic, tls_config: {ca_file: %[4]q}}
  token: {api: dr, credential: token, http_headers: {X-Key: {secrets: [%[5]q]}}}
  bearer: {api: hcx, credential: token, auth: bearer}
  stranger: {api: hcx, credential: stranger, tls_config: {ca_file: %[4]q}}
`, user, secretFile(t, password), allowed.url, caFile, canary+"header"))
	for _, module := range []string{"login", "basic", "token", "bearer"} {
		for _, target := range []string{
			"https://" + evil.address(),
			"http://" + evil.address(),
			"http://" + evil.address() + "/api/rest/srm/v2",
		} {
			if status, body := x.probeTarget(t, module, target); status != http.StatusForbidden {
				t.Errorf("%s to %s: status %d, body %s", module, target, status, body)
			}
		}
		if status, body := x.probeTarget(t, module, allowed.url+"@"+evil.address()); status != http.StatusBadRequest {
			t.Errorf("%s, with the allowed host as the username of a URL: status %d, body %s", module, status, body)
		}
	}
	if status, body := x.probeTarget(t, "stranger", allowed.url); status != http.StatusForbidden {
		t.Errorf("a credential without origins: status %d, body %s", status, body)
	}
	evil.checkUnused(t)
	if stats := allowed.Stats(); stats.Requests != 0 {
		t.Errorf("the appliance has seen %+v", stats)
	}
}

// TestTarget: a target of /probe has a session that is kept between requests and logged out
// at the end, a guard, and the metrics of an endpoint.
func TestTarget(t *testing.T) {
	t.Parallel()
	a, refusing := newHCX(t, withAccount(password)), newHCX(t, withAccount("another"))
	x := serve(t, fmt.Sprintf(`
credentials:
  a: {username: %[1]s, password_file: %[2]q, origins: [%[3]q]}
  b: {username: %[1]s, password_file: %[2]q, origins: [%[4]q]}
modules:
  a: {api: hcx, credential: a, tls_config: {ca_file: %[5]q}}
  b: {api: hcx, credential: b, tls_config: {ca_file: %[5]q}}
`, user, secretFile(t, password), a.url, refusing.url, caFile))
	for range 5 {
		status, body := x.probeTarget(t, "a", a.url)
		if status != http.StatusOK {
			t.Fatalf("status %d, body %s", status, body)
		}
		parse(t, body).check(t, want{"session_up": 1, "probe_success": 1, "session_logins_total": 1, fmt.Sprintf("session_up{endpoint=%q}", a.url): 1})
	}
	x.scrape(t).check(t, want{"session_exporter_sessions_held": 1, "session_exporter_endpoints": 0, "session_up": absent})
	states := map[string]int{}
	for range 10 {
		_, body := x.probeTarget(t, "b", refusing.url)
		for _, state := range []string{"credentials_rejected", "login_suspended"} {
			states[state] += int(parse(t, body).sum(fmt.Sprintf("session_state{state=%q}", state)))
		}
	}
	if stats := refusing.Stats(); states["credentials_rejected"] != 1 || states["login_suspended"] != 9 || stats.Refusals != 1 {
		t.Errorf("the states were %v, and the appliance has seen %+v", states, stats)
	}
	if code := x.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if stats := a.Stats(); stats.Logins != 1 || stats.Logouts != 1 || stats.Checks != 5 {
		t.Errorf("the appliance has seen %+v", stats)
	}
}

// TestDiscovery: two real Prometheus servers split the endpoints of /sd by hashmod. Each
// endpoint is probed for exactly one of them.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	x := listening(t, "demo", "--web.listen-address=127.0.0.1:0")
	endpoints := int(x.scrape(t).sum("session_exporter_endpoints"))
	shards := []prometheus{shard(t, x, 0), shard(t, x, 1)}
	eventually(t, func() error {
		seen := map[string]int{}
		for _, p := range shards {
			names, err := p.values(`probe_success and on (instance) up{site!=""}`, "endpoint")
			if err != nil {
				return err
			}
			for _, name := range names {
				seen[name]++
			}
		}
		if len(seen) != endpoints {
			return fmt.Errorf("%d endpoints are probed, want %d", len(seen), endpoints)
		}
		for name, times := range seen {
			if times != 1 {
				t.Errorf("%s is probed for %d servers", name, times)
			}
		}
		return nil
	})
}

// shard runs a Prometheus that discovers the endpoints and requests probes of about half of
// them: n is 0 or 1.
func shard(t *testing.T, x *exporter, n int) prometheus {
	t.Helper()
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "prometheus.yml"), fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: sessions
    metrics_path: /probe
    honor_labels: true
    http_sd_configs: [{url: "%[1]s/sd", refresh_interval: 1s}]
    relabel_configs:
      - {source_labels: [__address__], modulus: 2, target_label: __tmp_hash, action: hashmod}
      - {source_labels: [__tmp_hash], regex: "%[2]d", action: keep}
      - {source_labels: [__address__], target_label: __param_endpoint}
      - {source_labels: [__address__], target_label: instance}
      - {source_labels: [__address__], target_label: endpoint}
      - {target_label: __address__, replacement: "%[3]s"}
`, x.url, n, strings.TrimPrefix(x.url, "http://")))
	server := launch(t, tool(t, "prometheus"), "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address=127.0.0.1:0", "--log.format=logfmt")
	return prometheus("http://" + server.address(t))
}
