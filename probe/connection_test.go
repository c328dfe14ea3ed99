package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	promconfig "github.com/prometheus/common/config"

	"session_exporter/config"
	"session_exporter/secret"
	"session_exporter/sessionapi"
	"session_exporter/simulator"
)

// A connection is kept between probes, and a fresh one is made at least every
// connection_max_age.
func TestConnectionMaxAge(t *testing.T) {
	const m = time.Minute
	for _, c := range []struct {
		name          string
		auth          sessionapi.Auth
		interval, age time.Duration
		faults        []simulator.Fault
		least, most   int // connections made in an hour
	}{
		{"default", sessionapi.AuthToken, m, 10 * m, nil, 6, 7},
		{"default with a login", sessionapi.AuthLogin, m, 10 * m, nil, 6, 8},
		{"slow appliance", sessionapi.AuthToken, m, 10 * m, []simulator.Fault{{Delay: 5 * time.Second}}, 6, 7},
		{"short interval", sessionapi.AuthToken, 10 * time.Second, 10 * m, nil, 6, 7},
		{"zero", sessionapi.AuthToken, m, 0, nil, 60, 60},
		{"as long as the interval", sessionapi.AuthToken, m, m, nil, 60, 60},
		{"zero, login fails", sessionapi.AuthLogin, m, 0, []simulator.Fault{{On: simulator.Login, Status: 503}}, 31, 31},
		{"a day", sessionapi.AuthToken, m, 24 * time.Hour, nil, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				loginFails := c.auth == sessionapi.AuthLogin && c.faults != nil
				s := alice()
				s.Faults = c.faults
				a := simulator.NewHCX(s)
				e := endpointFor("hcx", c.auth)
				e.Interval, e.ConnectionMaxAge = c.interval, c.age
				if c.auth == sessionapi.AuthToken {
					e.Credential.Secret.Inline = secret.New(a.Issue("alice"))
				}
				p := newProber(t, e)
				server := newPipeServer(t, a)
				directly(p).DialContext = server.dial
				for _, r := range probesFor(t, p, time.Hour) {
					if !loginFails && r.State != sessionapi.Valid {
						t.Fatalf("%s: %s", r.State, r.Diagnosis)
					}
				}
				dials := server.dialed()
				if n := len(dials); n < c.least || n > c.most {
					t.Errorf("%d connections, want %d to %d", n, c.least, c.most)
				}
				for i := range dials[1:] {
					if gap := dials[i+1].Sub(dials[i]); gap > max(c.age, c.interval) && !loginFails {
						t.Errorf("connection %d came %s after the one before, want at most %s", i+1, gap, max(c.age, c.interval))
					}
				}
			})
		})
	}
}

// On a kept connection, no time is spent on name resolution, connecting or TLS.
func TestPhases(t *testing.T) {
	ca := newCA(t)
	u := serveTLS(t, ca, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reply{status: 200, body: hcxOK}.ServeHTTP(w, r)
	}), simulator.ServerOptions{})
	u.Host = "localhost:" + u.Port()
	p := overTLS(t, u, ca)
	fresh := mustProbe(t, p).Steps[0]
	if f := fresh.Phases; f.Resolve <= 0 || f.Connect <= 0 || f.TLS <= 0 || f.Processing <= 0 || f.Transfer < 0 {
		t.Errorf("fresh: %+v", f)
	}
	kept := mustProbe(t, p).Steps[0]
	if f := kept.Phases; f.Resolve != 0 || f.Connect != 0 || f.TLS != 0 || f.Processing <= 0 {
		t.Errorf("kept: %+v", f)
	}
	for _, s := range []StepResult{fresh, kept} {
		f := s.Phases
		if sum := f.Resolve + f.Connect + f.TLS + f.Processing + f.Transfer; sum > s.Duration {
			t.Errorf("phases take %s of %s", sum, s.Duration)
		}
	}
}

// Endpoints with the same connection settings share a client, and those of one credential
// share its guard.
func TestSharing(t *testing.T) {
	first, second, third := endpointFor("hcx", sessionapi.AuthLogin), endpointFor("hcx", sessionapi.AuthLogin), endpointFor("dr", sessionapi.AuthLogin)
	second.Credential.Name = "another"
	second.HTTP, third.Credential = first.HTTP, first.Credential
	generation := generationOf(t, first, second)
	a, b, c := proberOf(t, generation, first), proberOf(t, generation, second), proberOf(t, generation, third)
	if a.client != b.client || a.client == c.client {
		t.Error("endpoints share a client although their settings differ, or do not although they are the same")
	}
	if a.credential == b.credential || a.credential != c.credential {
		t.Error("endpoints share a guard although their credentials differ, or do not although they are the same")
	}
}

// counted is a connection that reports when it is closed.
type counted struct {
	net.Conn
	closed func()
}

func (c *counted) Close() error {
	c.closed()
	return c.Conn.Close()
}

// A probe leaves no connection open, whatever its outcome. TestMain checks that no
// goroutine remains.
func TestNothingLeaks(t *testing.T) {
	ca := newCA(t)
	var open sync.WaitGroup
	t.Run("faults", func(t *testing.T) {
		for name, fault := range map[string]simulator.Fault{
			"none":     {},
			"reset":    {Reset: true},
			"hang":     {Hang: true},
			"status":   {Status: 503},
			"size":     {Size: 8 << 20},
			"drip":     {Drip: time.Millisecond},
			"redirect": {Status: 302, Header: map[string]string{"Location": "https://sso.test/"}},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel() // two of them wait for the timeout
				probeAndClose(t, ca, fault, &open)
			})
		}
	})
	done := make(chan struct{})
	go func() {
		open.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Error("connections are still open")
	}
}

// probeAndClose probes a healthy appliance, probes it again with a fault, and closes the
// prober. It counts the open connections in open.
func probeAndClose(t *testing.T, ca *simulator.CA, fault simulator.Fault, open *sync.WaitGroup) {
	t.Helper()
	a := simulator.NewHCX(alice())
	server, err := ca.Serve(a, "127.0.0.1:0", simulator.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	e := endpointFor("hcx", sessionapi.AuthLogin)
	e.Timeout = 3 * time.Second // enough for a login on a busy machine
	e.HTTP.TLS.CA = ca.PEM()
	if e.URL, err = e.URL.Parse(server.URL()); err != nil {
		t.Fatal(err)
	}
	p, err := generationOf(t, e).NewProber(e)
	if err != nil {
		t.Fatal(err)
	}
	dial := directly(p).DialContext
	directly(p).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		open.Add(1)
		return &counted{conn, sync.OnceFunc(open.Done)}, nil
	}
	mustProbe(t, p)
	a.Change(func(s *simulator.Settings) { s.Faults = []simulator.Fault{fault} })
	mustProbe(t, p)
	a.Change(func(s *simulator.Settings) { s.Faults = nil })
	closeProber(t, p)
	if n := a.Stats().Sessions; n != 0 {
		t.Errorf("%d sessions left", n)
	}
	p.client.Transport.CloseIdleConnections()
}

// A reload keeps idle connections, except those that are no longer needed. A reload that
// is not committed changes nothing.
func TestConnectionsOutliveReload(t *testing.T) {
	for name, c := range map[string]struct {
		module string // has the connection settings; empty: the endpoint has them
		change func(*config.Endpoint)
		keeps  bool // the idle connection
	}{
		"expect of the endpoint": {"", func(e *config.Endpoint) { e.Expect.Roles = []string{"admin"} }, true},
		"the endpoint's name":    {"", func(e *config.Endpoint) { e.Name = "another" }, false},
		"the name, in a module":  {"m", func(e *config.Endpoint) { e.Name = "another" }, true},
		"interval":               {"m", func(e *config.Endpoint) { e.Interval = 2 * time.Minute }, true},
		"timeout":                {"m", func(e *config.Endpoint) { e.Timeout = time.Second }, false},
		"tls_config":             {"m", func(e *config.Endpoint) { e.HTTP.TLS.ServerName = "another" }, false},
		"a file of tls_config":   {"m", func(e *config.Endpoint) { e.HTTP.TLSFiles = "another" }, false},
		"a secret in http_headers": {"m", func(e *config.Endpoint) {
			e.HTTP.Headers = &promconfig.Headers{Headers: map[string]promconfig.Header{"X-Tenant": {Secrets: []promconfig.Secret{"a"}}}}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newPipeServer(t, reply{status: 200, body: hcxOK})
				manager := NewManagerWithDial(server.dial)
				prepared := func(change func(*config.Endpoint)) (*Generation, *Prober) {
					e := endpointFor("hcx", sessionapi.AuthToken)
					change(e)
					settings := &config.Config{
						Credentials: map[string]*config.Credential{e.Credential.Name: e.Credential},
						Endpoints:   []*config.Endpoint{e},
					}
					if c.module != "" {
						settings.Modules = map[string]config.Settings{c.module: e.Settings}
					}
					g, err := manager.Prepare(settings)
					if err != nil {
						t.Fatal(err)
					}
					return g, proberOf(t, g, e)
				}
				expect := func(when string, dialed int, open int64) {
					t.Helper()
					if made, opened := len(server.dialed()), manager.connections.Count(); made != dialed || opened != open {
						t.Errorf("%s: %d connections were made and %d are open, want %d and %d", when, made, opened, dialed, open)
					}
				}
				first, before := prepared(func(*config.Endpoint) {})
				first.Commit()
				mustProbe(t, before)
				prepared(c.change)
				time.Sleep(time.Minute)
				expect("a minute after a reload that was not committed", 1, 1)

				next, after := prepared(c.change)
				next.Commit()
				mustProbe(t, before) // as if it had been in progress during the reload
				mustProbe(t, after)
				if c.keeps {
					expect("immediately after the reload", 1, 1)
				} else {
					expect("immediately after the reload", 2, 2)
				}
				time.Sleep(time.Minute)
				mustProbe(t, after)
				if c.keeps {
					expect("a minute later", 1, 1)
				} else {
					expect("a minute later", 2, 1)
				}
			})
		})
	}
}

// A connection attempt ends with its probe, or soon afterwards if there is a proxy.
// Otherwise thousands would accumulate when a network starts to drop packets.
func TestPendingConnectionsEnd(t *testing.T) {
	for proxy, later := range map[string]time.Duration{"": 0, "https://proxy.test": time.Second} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			var took time.Duration
			manager := NewManagerWithDial(func(context.Context, string, string) (net.Conn, error) {
				ours, theirs := net.Pipe()
				go func() {
					_, _ = io.Copy(io.Discard, theirs)
					took = time.Since(start)
				}()
				return ours, nil
			})
			e := endpointFor("hcx", sessionapi.AuthToken)
			e.URL.Scheme = "https"
			if proxy != "" {
				u, err := url.Parse(proxy)
				if err != nil {
					t.Fatal(err)
				}
				e.HTTP.Proxy.ProxyURL = promconfig.URL{URL: u}
			}
			g, err := manager.Prepare(&config.Config{
				Credentials: map[string]*config.Credential{e.Credential.Name: e.Credential},
				Endpoints:   []*config.Endpoint{e},
			})
			if err != nil {
				t.Fatal(err)
			}
			if r := mustProbe(t, proberOf(t, g, e)); r.State != sessionapi.Timeout || r.Duration != e.Timeout {
				t.Errorf("%s after %s, want %s after %s", r.State, r.Duration, sessionapi.Timeout, e.Timeout)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if want := e.Timeout + later; took != want {
				t.Errorf("proxy %q: the connection lasted %s, want %s", proxy, took, want)
			}
			if open := manager.connections.Count(); open != 0 {
				t.Errorf("proxy %q: %d connections are open", proxy, open)
			}
		})
	}
}

// Endpoints that all connected when the exporter started do not all reconnect at the
// same time.
func TestConnectionsDoNotEndTogether(t *testing.T) {
	const n, age = 1000, 10 * time.Minute
	ends := make(map[int64]int) // number of connections, by the minutes until they end
	now := time.Now()
	e := endpointFor("hcx", sessionapi.AuthToken)
	e.Interval, e.ConnectionMaxAge = time.Minute, age
	g := generationOf(t, e)
	for i := range n {
		named := *e
		named.Name = fmt.Sprintf("hcx-%d", i)
		p := proberOf(t, g, &named)
		minute := int64(0)
		period := func(at time.Time) int64 { return at.Add(-p.connection.Offset).UnixNano() / int64(age) }
		for period(now.Add(time.Duration(minute)*time.Minute)) == period(now) {
			minute++
		}
		ends[minute]++
	}
	for minute, connections := range ends {
		if connections > n/5 {
			t.Errorf("%d of %d connections end in minute %d, want at most a fifth", connections, n, minute)
		}
	}
}
