package e2e

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// limitedServe runs the exporter with an open-file limit.
func limitedServe(t *testing.T, files int, configuration string, flags ...string) *exporter {
	t.Helper()
	args := []string{
		"-c", fmt.Sprintf(`ulimit -n %d && exec "$@"`, files), "sh",
		binary, "--config.file=" + configFile(t, configuration), "--web.listen-address=127.0.0.1:0",
	}
	p := launch(t, "/bin/sh", append(args, flags...)...)
	return &exporter{p, "http://" + p.address(t)}
}

// TestHostileSockets: at an exporter with an open-file limit of 128, 125 clients each hold a
// connection (silent, idle, or stopped within a request's header, before its body, or within
// a TLS handshake), and open another when it is closed. Scrapes, probes and logouts still
// work.
func TestHostileSockets(t *testing.T) {
	t.Parallel()
	const (
		webPassword = canary + "web"
		hash        = "$2a$04$ogfThlbJ/wXcqO6SwWnYZenbwV8dfXCohyyWPZcKUkvJRzyKlytUK"
		head        = "GET /metrics HTTP/1.1\r\nHost: x\r\n"
	)
	certificate, key := selfSigned(t)
	dir := t.TempDir()
	protected := write(t, filepath.Join(dir, "web.yml"), fmt.Sprintf("tls_server_config: {cert_file: %q, key_file: %q}\nbasic_auth_users: {prometheus: %s}\n",
		write(t, filepath.Join(dir, "cert.pem"), certificate), write(t, filepath.Join(dir, "key.pem"), key), hash))
	for name, flags := range map[string][]string{"plain": nil, "TLS and password": {"--web.config.file=" + protected}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newHCX(t, withAccount(password))
			x := limitedServe(t, 128, fmt.Sprintf(prelude+`
credentials: {account: {username: %[2]s, password_file: %[3]q}}
endpoints: [{name: a, url: %[4]s, module: hcx, credential: account, interval: 10s, timeout: 10s, session_max_age: 3s, connection_max_age: 0}]
`, caFile, user, secretFile(t, password), a.url), flags...)
			client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
				DisableKeepAlives: true,
				TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
			}}
			address := strings.TrimPrefix(x.url, "http://")
			if flags != nil {
				x.url = "https://" + address
			}
			scrapeOnce := func() (metrics, error) {
				request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, x.url+"/metrics", http.NoBody)
				if err != nil {
					return nil, err
				}
				request.SetBasicAuth("prometheus", webPassword)
				response, err := client.Do(request)
				if err != nil {
					return nil, err
				}
				defer response.Body.Close()
				text, err := io.ReadAll(response.Body)
				if err != nil {
					return nil, err
				}
				if response.StatusCode != http.StatusOK {
					return nil, errors.New(response.Status)
				}
				return parse(t, string(text)), nil
			}

			// At its limit of connections, the server closes the oldest idle one for a new
			// one. On a busy machine that can be this client's, before its request is sent.
			scrape := func() (m metrics, err error) {
				for range 3 {
					if m, err = scrapeOnce(); err == nil {
						break
					}
				}
				return m, err
			}

			var hostile sync.WaitGroup
			stopped := make(chan struct{})
			var opened atomic.Int32
			for i := range 125 {
				sent := []string{"", head, head + "\r\n", head + "Content-Length: 10\r\n\r\n", "\x16\x03\x01"}[i%5]
				hostile.Go(func() {
					for {
						holdOpen(address, sent, flags != nil && i%5 != 4, stopped, &opened)
						select {
						case <-stopped:
							return
						case <-time.After(2 * time.Second):
						}
					}
				})
			}
			eventually(t, func() error {
				if n := opened.Load(); n < 50 {
					return fmt.Errorf("%d hostile connections were opened, want 50", n)
				}
				return nil
			})
			var first float64
			begun := time.Now()
			for ; time.Since(begun) < 30*time.Second; time.Sleep(time.Second) {
				m, err := scrape()
				if err != nil {
					t.Fatalf("a scrape fails: %v\n%s", err, x.lastLines())
				}
				if probes := m.sum("session_probes_total"); first == 0 {
					first = probes
				}
			}
			m, err := scrape()
			if err != nil {
				t.Fatal(err)
			}
			m.check(t, want{"session_up": 1, "session_probe_failures_total": 0})
			took := time.Since(begun)
			if made := m.sum("session_probes_total") - first; made < took.Seconds()/20 { // half of the probes due
				t.Errorf("%v probes in %s, want one every 10 s", made, took)
			}
			stopInTime(t, x, syscall.SIGTERM)
			close(stopped)
			hostile.Wait()
			if stats := a.Stats(); stats.Sessions > 0 || stats.Logouts != stats.Logins {
				t.Errorf("the appliance has seen %+v", stats)
			}
		})
	}
}

// holdOpen opens a connection, counts it, sends a text, and waits until the other side closes
// the connection or stopped is closed.
func holdOpen(address, sent string, encrypted bool, stopped <-chan struct{}, opened *atomic.Int32) {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return
	}
	defer conn.Close()
	opened.Add(1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		peer := conn
		if encrypted {
			peer = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		}
		if _, err := io.WriteString(peer, sent); err == nil {
			_, _ = io.Copy(io.Discard, peer)
		}
	}()
	select {
	case <-done:
	case <-stopped:
	}
}

// TestProbesOfABlackHole: an exporter with an open-file limit of 256 gets concurrent requests for
// probes of 240 targets that hang. None is reported as unreachable, the configured endpoint is
// probed on time, and /metrics responds meanwhile.
func TestProbesOfABlackHole(t *testing.T) {
	t.Parallel()
	hole, err := net.Listen("tcp", "127.0.0.1:0") // its connections are never accepted
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hole.Close() })
	a := newHCX(t, withAccount(password))
	x := limitedServe(t, 256, fmt.Sprintf(prelude+`
  m: {api: hcx, credential: account}
credentials: {account: {username: %[2]s, password_file: %[3]q, origins: ["https://%[4]s"]}}
endpoints: [{name: a, url: %[5]s, module: hcx, credential: account, connection_max_age: 0}]
`, caFile, user, secretFile(t, password), hole.Addr(), a.url))
	m := x.await(t, want{"session_up": 1})
	before, begun := m.sum("session_probes_total"), time.Now()
	var requests sync.WaitGroup
	var timeouts, busy atomic.Int32
	for i := range 240 {
		requests.Go(func() {
			client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, x.url+"/probe?module=m&target="+url.QueryEscape(fmt.Sprintf("https://%s/n%d", hole.Addr(), i)), http.NoBody)
			if err != nil {
				t.Error(err)
				return
			}
			request.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "10")
			response, err := client.Do(request)
			if err != nil {
				busy.Add(1) // no connection became available in time
				return
			}
			defer response.Body.Close()
			text, err := io.ReadAll(response.Body)
			switch {
			case err == nil && response.StatusCode == http.StatusOK && strings.Contains(string(text), `state="timeout"} 1`):
				timeouts.Add(1)
			case response.StatusCode == http.StatusServiceUnavailable:
				busy.Add(1)
			default:
				t.Errorf("%s, %v:\n%.2000s", response.Status, err, text)
			}
		})
	}
	eventually(t, func() error {
		if busy.Load() == 0 {
			return errors.New("no request was refused")
		}
		return nil
	})
	scraped := time.Now()
	x.scrape(t)
	if took := time.Since(scraped); took > 5*time.Second {
		t.Errorf("a scrape took %s, want at most 5 s", took)
	}
	requests.Wait()
	took := time.Since(begun)
	m = x.scrape(t)
	m.check(t, want{"session_up": 1, "session_probe_failures_total": 0})
	if made := m.sum("session_probes_total") - before; made < took.Seconds()/4-2 {
		t.Errorf("%v probes of the configured endpoint in %s, want one every 4 s", made, took)
	}
	if timeouts.Load() < 16 { // half of the 32 connections that the server accepts
		t.Errorf("%d targets timed out, want at least 16; %d were not probed", timeouts.Load(), busy.Load())
	}
	t.Logf("%d targets timed out, and %d were not probed, in %s", timeouts.Load(), busy.Load(), took)
}
