package probe

import (
	"context"
	"errors"
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
)

// proberOver returns a prober of an endpoint whose connections are counted.
func proberOver(t *testing.T, e *config.Endpoint, dial DialFunc) (*Factory, *Prober) {
	t.Helper()
	factory := NewFactoryOver(dial)
	b, err := factory.Prepare(&config.Config{
		Credentials: map[string]*config.Credential{e.Credential.Name: e.Credential},
		Endpoints:   []*config.Endpoint{e},
	})
	if err != nil {
		t.Fatal(err)
	}
	return factory, proberOf(t, b, e)
}

func expectFiles(t *testing.T, f *Factory, when string, probes, want int) {
	t.Helper()
	if got := f.Files(probes); got != want {
		t.Errorf("%s: %d probes may come to take %d files, want %d", when, probes, got, want)
	}
}

// A probe under way takes two files, whatever it is at, and what is left of one as
// many as there are connections. That is 0 where an appliance hangs: a place of its
// own for each kept connection would keep files from those who need them.
func TestFiles(t *testing.T) {
	ok := reply{status: 200, body: hcxOK}
	for name, c := range map[string]struct {
		appliance http.Handler
		dial      DialFunc // in place of one that connects to the appliance
		scheme    string
		first     int // files that are left of the first probe
		second    int // and of the next
	}{
		"answers":        {appliance: ok, first: 1, second: 1},
		"closes":         {appliance: reply{status: 200, body: hcxOK, header: map[string]string{"Connection": "close"}}},
		"hangs":          {appliance: http.HandlerFunc(silent)},
		"hangs later":    {appliance: &handwritten{get: []http.Handler{ok, http.HandlerFunc(silent)}}, first: 1},
		"does not exist": {dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("refused") }},
		"is not reached": {dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}},
		"hangs in the handshake": {dial: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, theirs) }()
			return ours, nil
		}, scheme: "https"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := endpointFor("hcx", config.AuthToken)
				if c.scheme != "" {
					e.URL.Scheme = c.scheme
				}
				if c.dial == nil {
					c.dial = newPipeServer(t, c.appliance).dial
				}
				factory, p := proberOver(t, e, c.dial)
				expectFiles(t, factory, "before", 3, 6)
				for _, want := range []int{c.first, c.second} {
					probed := make(chan struct{})
					go func() {
						defer close(probed)
						if _, err := p.Probe(t.Context()); err != nil {
							t.Error(err)
						}
					}()
					synctest.Wait()
					select {
					case <-probed:
					default:
						expectFiles(t, factory, "while it probes", 0, 2)
						expectFiles(t, factory, "while it probes and another is about to", 2, 4)
					}
					<-probed
					synctest.Wait()
					expectFiles(t, factory, "behind it", 0, want)
					expectFiles(t, factory, "behind it, with another", 1, want+2)
				}
				p.client.transport.CloseIdleConnections()
				expectFiles(t, factory, "at the end", 0, 0)
			})
		})
	}
}

// A login that is awaited longer than its probe takes has a file of its own until
// then, beside those of the next probe.
func TestFilesOfALateAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := endpointFor("hcx", config.AuthLogin)
		late := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			pass(r, 20*time.Second)
			reply{status: 503}.ServeHTTP(w, r)
		})
		factory, p := proberOver(t, e, newPipeServer(t, &handwritten{post: []http.Handler{late}}).dial)
		mustProbe(t, p)
		expectFiles(t, factory, "while the answer is awaited", 1, 3)
		time.Sleep(time.Minute)
		p.client.transport.CloseIdleConnections()
		expectFiles(t, factory, "behind it", 1, 2)
	})
}

// Two endpoints at one host use each other's connections, and net/http's transport
// has others than ours. Each is counted once.
func TestFilesOfSharedConnections(t *testing.T) {
	for _, proxy := range []string{"", "http://proxy.test"} {
		synctest.Test(t, func(t *testing.T) {
			e := endpointFor("hcx", config.AuthToken)
			if proxy != "" {
				u, err := url.Parse(proxy)
				if err != nil {
					t.Fatal(err)
				}
				e.HTTP.Proxy.ProxyURL = promconfig.URL{URL: u}
			}
			slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				pass(r, time.Second)
				reply{status: 200, body: hcxOK}.ServeHTTP(w, r)
			})
			factory := NewFactoryOver(newPipeServer(t, slow).dial)
			other := *e
			other.Name = "site-b"
			b, err := factory.Prepare(&config.Config{
				Credentials: map[string]*config.Credential{e.Credential.Name: e.Credential},
				Endpoints:   []*config.Endpoint{e, &other},
			})
			if err != nil {
				t.Fatal(err)
			}
			one, two := proberOf(t, b, e), proberOf(t, b, &other)
			mustProbe(t, one)
			synctest.Wait()
			expectFiles(t, factory, "behind the first", 0, 1)
			mustProbe(t, two)
			synctest.Wait()
			expectFiles(t, factory, "behind the second, on the same connection", 0, 1)
			var probing sync.WaitGroup
			for _, p := range []*Prober{one, two} {
				probing.Go(func() {
					if _, err := p.Probe(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			time.Sleep(time.Second / 2)
			expectFiles(t, factory, "while both probe", 0, 4)
			probing.Wait()
			synctest.Wait()
			expectFiles(t, factory, "behind both", 0, 2)
			one.client.transport.CloseIdleConnections()
			synctest.Wait()
			expectFiles(t, factory, "at the end", 0, 0)
		})
	}
}
