package e2e

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"session_exporter/simulator"
)

// TestRateLimited: nothing is sent before Retry-After has passed.
func TestRateLimited(t *testing.T) {
	t.Parallel()
	limit := func(seconds string) simulator.Fault {
		return simulator.Fault{Times: 1, Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": seconds}}
	}
	long, short := newDR(t, withAccount(password)), newHCX(t, withAccount(password))
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
  - {name: long, url: %s, module: dr, credential: account}
  - {name: short, url: %s, module: hcx, credential: account}
`, user, secretFile(t, password), long.url, short.url)
	x.await(t, want{"session_up": 2})
	long.setFaults(limit("120"))
	short.setFaults(limit("7"))
	x.await(t, want{`session_state{endpoint="long",state="rate_limited"}`: 1, "session_auth_success": 2})
	requests := long.Stats().Requests
	var changes []change
	eventually(t, func() error {
		if changes = x.changes(t, "short"); len(changes) < 3 {
			return fmt.Errorf("the states are %v, want three", changes)
		}
		return nil
	})
	if changes[1].state != "rate_limited" || changes[2].state != "valid" {
		t.Errorf("states %v", changes)
	}
	// A line of the log may be late. Without Retry-After, the next probe would be after 4 s.
	if waited := changes[2].at.Sub(changes[1].at); waited < 5*time.Second || waited > (7+4)*time.Second+slack {
		t.Errorf("probed again after %s, want 7 s and at most an interval more", waited)
	}
	x.awaitProbes(t, "long", 3).check(t, want{
		`session_state{endpoint="long",state="rate_limited"}`: 1, `session_http_status_code{endpoint="long"}`: 0, `session_auth_success{endpoint="long"}`: 1,
	})
	if got := long.Stats().Requests; got != requests {
		t.Errorf("%d requests were sent before Retry-After had passed", got-requests)
	}
}

// TestUnreachable: an appliance is switched off and on.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	a := newHCX(t, withAccount(password))
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
  - {name: a, url: %s, module: hcx, credential: account}
`, user, secretFile(t, password), a.url)
	x.await(t, want{"session_up": 1, "session_auth_success": 1})
	a.server.Off()
	x.await(t, want{`session_state{state="unreachable"}`: 1, "session_up": 0, "session_http_status_code": 0})
	x.awaitProbes(t, "a", 2).check(t, want{"session_auth_success": 1, `session_state{state="unreachable"}`: 1})
	if err := a.server.On(); err != nil {
		t.Fatal(err)
	}
	x.await(t, want{"session_up": 1, "session_auth_success": 1})
}

// TestSilence: an appliance hangs, resets or drops connections, or never begins TLS, or its
// name is not found.
func TestSilence(t *testing.T) {
	t.Parallel()
	hangs, resets, mute := newHCX(t, withAccount(password)), newHCX(t, withAccount(password)), listen(t)
	hangs.mayLeak, resets.mayLeak = true, true
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
  - {name: hangs, url: %s, module: hcx, credential: account}
  - {name: resets, url: %s, module: hcx, credential: account}
  - {name: name-gone, url: "https://%s.example.com", module: hcx, credential: account}
  - {name: dropped, url: "https://%s", module: hcx, credential: account}
  - {name: mute, url: "https://%s", module: hcx, credential: account}
`, user, secretFile(t, password), hangs.url, resets.url,
		strings.Repeat("x", 64), // longer than any valid label: no resolver finds it
		blackHole(t), mute)
	x.await(t, want{"session_up": 2, "session_auth_success": 2})
	hangs.setFaults(simulator.Fault{Hang: true})
	resets.setFaults(simulator.Fault{Reset: true})
	silent := want{"session_up": 0, "session_auth_success": 2, "session_http_status_code": 0, "session_login_failures_total{endpoint=\"hangs\"}": 0}
	for endpoint, state := range map[string]string{
		"hangs": "timeout", "resets": "unreachable", "name-gone": "unreachable", "dropped": "timeout", "mute": "timeout",
	} {
		silent[fmt.Sprintf("session_state{endpoint=%q,state=%q}", endpoint, state)] = 1
	}
	x.await(t, silent).check(t, want{`session_auth_success{endpoint="dropped"}`: absent})
	hangs.setFaults()
	resets.setFaults()
	x.await(t, want{"session_up": 2})
}

// listen returns an address at which the kernel accepts connections, and nothing is sent.
func listen(t *testing.T) net.Addr {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr()
}

// blackHole returns an address whose packets the kernel drops: a socket with a full
// accept queue.
func blackHole(t *testing.T) string {
	t.Helper()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(socket) })
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(socket, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(socket)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for range 16 {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return address
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	t.Fatal("the kernel still accepts connections")
	return ""
}

// TestCertificates: certificates that are expired, untrusted or for another host.
func TestCertificates(t *testing.T) {
	t.Parallel()
	soon := time.Now().Add(30 * 24 * time.Hour).Truncate(time.Second)
	past := time.Now().Add(-24 * time.Hour).Truncate(time.Second)
	stranger, err := simulator.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	serve := func(by *simulator.CA, options simulator.ServerOptions) (*simulator.Appliance, string) {
		a := simulator.NewHCX(withAccount(password))
		server, err := by.Serve(a, "127.0.0.1:0", options)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Close)
		return a, server.URL()
	}
	_, good := serve(ca, simulator.ServerOptions{NotAfter: soon})
	expired, expiredURL := serve(ca, simulator.ServerOptions{NotAfter: past})
	unknown, unknownURL := serve(stranger, simulator.ServerOptions{NotAfter: soon})
	other, otherURL := serve(ca, simulator.ServerOptions{NotAfter: soon, Hosts: []string{"appliance.example.com"}})
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
  - {name: good, url: %s, module: hcx, credential: account}
  - {name: expired, url: %s, module: hcx, credential: account}
  - {name: unknown, url: %s, module: hcx, credential: account}
  - {name: other, url: %s, module: hcx, credential: account}
`, user, secretFile(t, password), good, expiredURL, unknownURL, otherURL)
	m := x.await(t, want{"session_up": 1, `session_up{endpoint="good"}`: 1, `session_state{state="tls_failed"}`: 3, "session_auth_success": 1})
	m.check(t, want{
		`session_tls_certificate_expiry_timestamp_seconds{endpoint="good"}`:    unix(soon),
		`session_tls_certificate_expiry_timestamp_seconds{endpoint="expired"}`: unix(past),
		`session_tls_certificate_expiry_timestamp_seconds{endpoint="unknown"}`: unix(soon),
		`session_tls_certificate_expiry_timestamp_seconds{endpoint="other"}`:   unix(soon),
		`session_auth_success{endpoint="expired"}`:                             absent,
	})
	for _, a := range []*simulator.Appliance{expired, unknown, other} {
		if stats := a.Stats(); stats.Requests > 0 {
			t.Errorf("an appliance that was not trusted has seen %+v", stats)
		}
	}
}

// TestUnexpectedResponses: a page, a redirect or unexpected JSON, in response to a login and
// to a check.
func TestUnexpectedResponses(t *testing.T) {
	t.Parallel()
	var strayed atomic.Int64
	sso, err := ca.Serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed.Add(1) }), "127.0.0.1:0", simulator.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sso.Close)
	html := map[string]string{"Content-Type": "text/html"}
	cases := map[string]struct {
		fault simulator.Fault
		state string
	}{
		"bad-gateway":     {simulator.Fault{Status: 502, Header: html, Body: "<html><h1>502 Bad Gateway</h1></html>"}, "server_error"},
		"login-page":      {simulator.Fault{Status: 200, Header: html, Body: "<!DOCTYPE html><title>Sign in</title>"}, "invalid_response"},
		"not-found":       {simulator.Fault{Status: 404, Header: html, Body: "<html>404</html>"}, "invalid_response"},
		"found":           {simulator.Fault{Status: 302, Header: map[string]string{"Location": sso.URL() + "/login"}}, "invalid_response"},
		"temporary":       {simulator.Fault{Status: 307, Header: map[string]string{"Location": sso.URL() + "/login"}}, "invalid_response"},
		"permanent":       {simulator.Fault{Status: 308, Header: map[string]string{"Location": sso.URL() + "/login"}}, "invalid_response"},
		"json-list":       {simulator.Fault{Status: 200, Body: "[]"}, "invalid_response"},
		"wrong-types":     {simulator.Fault{Status: 200, Body: `{"success":true,"time":"now","data":{"user":{"username":"monitor","roles":"admin"}}}`}, "invalid_response"},
		"cut-off":         {simulator.Fault{Status: 200, Body: `{"success":true,"data":{"user":{"usern`}, "invalid_response"},
		"without-success": {simulator.Fault{Status: 200, Body: `{"data":{"user":{"username":"monitor"}}}`}, "invalid_response"},
	}
	var endpoints strings.Builder
	wanted := want{"session_up": 0, "session_auth_success": absent, "session_expirations_total": 0}
	for name, c := range cases {
		a := newHCX(t, with(withAccount(password), c.fault))
		for _, credential := range []string{"account", "script"} {
			fmt.Fprintf(&endpoints, "  - {name: %s-%s, url: %s, module: hcx, credential: %[2]s}\n", name, credential, a.url)
			wanted[fmt.Sprintf(`session_state{endpoint="%s-%s",state=%q}`, name, credential, c.state)] = 1
			wanted[fmt.Sprintf(`session_http_status_code{endpoint="%s-script"}`, name)] = float64(c.fault.Status)
		}
	}
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
  script: {token_file: %q}
endpoints:
%s`, user, secretFile(t, password), secretFile(t, canary+"token"), &endpoints)
	x.await(t, wanted)
	x.awaitProbes(t, "found-script", 1)
	if n := strayed.Load(); n > 0 {
		t.Errorf("the SSO host has received %d requests", n)
	}
}

// TestMonstrousBodies: huge, highly compressed and slow responses take little memory.
func TestMonstrousBodies(t *testing.T) {
	t.Parallel()
	x := watch(t, `
credentials:
  script: {token_file: %q}
endpoints:
  - {name: huge, url: %s, module: hcx, credential: script, interval: 4s, timeout: 4s}
  - {name: bomb, url: %s, module: hcx, credential: script, interval: 4s, timeout: 4s}
  - {name: drip, url: %s, module: hcx, credential: script}
`, secretFile(t, canary+"token"),
		newHCX(t, with(withAccount(password), simulator.Fault{Status: 200, Body: "{}", Size: 100 << 20})).url,
		newHCX(t, with(withAccount(password), simulator.Fault{Status: 200, Body: "{}", Size: 1 << 40, Gzip: true})).url,
		newHCX(t, with(withAccount(password), simulator.Fault{Status: 200, Body: "{}", Drip: 10 * time.Millisecond})).url)
	idle := x.scrape(t).sum("process_resident_memory_bytes")
	x.await(t, want{
		`session_state{endpoint="huge",state="invalid_response"}`: 1,
		`session_state{endpoint="bomb",state="invalid_response"}`: 1,
		`session_state{endpoint="drip",state="timeout"}`:          1,
		"session_auth_success":                                    absent,
	})
	for range 3 {
		m := x.awaitProbes(t, "drip", 1)
		// Either body in memory would exceed this.
		if got := m.sum("process_resident_memory_bytes"); got > idle+80<<20 {
			t.Errorf("the process uses %.0f MiB, and used %.0f MiB before", got/(1<<20), idle/(1<<20))
		}
	}
}

// TestRandomErrorCodes: however many error codes an appliance invents, an endpoint has series
// for 20 codes and `other`.
func TestRandomErrorCodes(t *testing.T) {
	t.Parallel()
	a := newDR(t, with(withAccount(password), simulator.Fault{RandomCode: true}))
	b := newHCX(t, with(withAccount(password), simulator.Fault{RandomCode: true}))
	x := watch(t, `
credentials:
  script: {token_file: %q}
endpoints:
  - {name: dr, url: %s, module: dr, credential: script, interval: 400ms}
  - {name: hcx, url: %s, module: hcx, credential: script, interval: 400ms}
`, secretFile(t, canary+"token"), a.url, b.url)
	m := x.until(t, func(m metrics) error {
		for _, endpoint := range []string{"dr", "hcx"} {
			if other := fmt.Sprintf(`session_errors_total{endpoint=%q,code="other"}`, endpoint); !(m.sum(other) >= 3) {
				return fmt.Errorf("%s is %v", other, m.sum(other))
			}
		}
		return nil
	})
	for _, endpoint := range []string{"dr", "hcx"} {
		errors := fmt.Sprintf("session_errors_total{endpoint=%q}", endpoint)
		if n := len(m.series(errors)); n > 21 {
			t.Errorf("%s has %d codes, want 20 and other", endpoint, n)
		}
	}
}

// TestClockSkew: the clock of an appliance is ten minutes ahead.
func TestClockSkew(t *testing.T) {
	t.Parallel()
	const offset = 600
	settings := withAccount(password)
	settings.ClockOffset = offset * time.Second
	x := watch(t, `
credentials:
  account: {username: %s, password_file: %q}
endpoints:
  - {name: hcx, url: %s, module: hcx, credential: account}
  - {name: dr, url: %s, module: dr, credential: account}
`, user, secretFile(t, password), newHCX(t, settings).url, newDR(t, settings).url)
	m := x.await(t, want{"session_up": 2})
	for _, endpoint := range []string{"hcx", "dr"} {
		// The skew of dr is measured from the Date header, which has whole seconds, and a response
		// may take 4 s.
		if skew := m.sum(fmt.Sprintf("session_clock_skew_seconds{endpoint=%q}", endpoint)); !(skew > offset-5 && skew < offset+5) {
			t.Errorf("%s: the skew is %v s, want %v", endpoint, skew, offset)
		}
	}
}

// TestOneHangs: an appliance that hangs does not delay the others.
func TestOneHangs(t *testing.T) {
	t.Parallel()
	needsTheMachine(t)
	healthy := make([]*appliance, 5)
	for i := range healthy {
		healthy[i] = newHCX(t, withAccount(password))
	}
	hung := newHCX(t, with(withAccount(password), simulator.Fault{Hang: true}))
	var endpoints strings.Builder
	for i := range 100 {
		fmt.Fprintf(&endpoints, "  - {name: e%d, url: %s, module: hcx, credential: account}\n", i, healthy[i%len(healthy)].url)
	}
	x := serve(t, fmt.Sprintf(`
global:
  interval: 10s
  timeout: 8s
  metrics_deny: [session_(state|errors_total|probe_.*duration_seconds|login.*|last.*|auth.*)]
modules:
  hcx: {api: hcx, auth: basic, tls_config: {ca_file: %q}}
credentials:
  account: {username: %s, password_file: %q}
  other: {username: %[2]s, password_file: %[3]q}
endpoints:
  - {name: hangs, url: %s, module: hcx, credential: other}
%s`, caFile, user, secretFile(t, password), hung.url, &endpoints))
	before := x.await(t, want{"session_up": 100, `session_up{endpoint="hangs"}`: 0})
	began := time.Now()
	m := x.awaitProbes(t, "hangs", 2)
	intervals := time.Since(began).Seconds()/10 + 2 // a scrape is slow on a busy machine
	m.check(t, want{"session_up": 100, "session_exporter_probes_skipped_total": before.sum("session_exporter_probes_skipped_total")})
	others := func(m metrics) float64 {
		return m.sum("session_probe_failures_total") - m.sum(`session_probe_failures_total{endpoint="hangs"}`)
	}
	if failed := others(m) - others(before); failed != 0 {
		t.Errorf("%v probes of the other endpoints failed", failed)
	}
	if made := m.sum("session_probes_total") - before.sum("session_probes_total"); made < 100 || made > 101*intervals {
		t.Errorf("%v probes were made in %.1f intervals of 101 endpoints", made, intervals)
	}
	// Probes that waited for the endpoint that hangs would be 8 s late.
	if late := m.lateProbes(5) - before.lateProbes(5); late > 0 {
		t.Errorf("%d probes began more than 5 s late", late)
	}
}

// lateProbes counts the probes that began more than a number of seconds late, which must be
// a bound of the histogram.
func (m metrics) lateProbes(bound float64) uint64 {
	delay := m.series("session_exporter_probe_delay_seconds")[0].GetHistogram()
	for _, bucket := range delay.GetBucket() {
		if bucket.GetUpperBound() == bound {
			return delay.GetSampleCount() - bucket.GetCumulativeCount()
		}
	}
	panic("no such bucket")
}
