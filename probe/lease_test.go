package probe

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	promconfig "github.com/prometheus/common/config"

	"session_exporter/config"
	"session_exporter/sessionapi"
	"session_exporter/simulator"
)

// balanced puts a load balancer between a prober and nodes that do not know each other's
// sessions. It distributes the connections in turn. dialed counts them.
func balanced(t *testing.T, p *Prober, nodes ...http.Handler) (dialed *atomic.Int64) {
	t.Helper()
	servers := make([]*pipeServer, len(nodes))
	for i, node := range nodes {
		servers[i] = newPipeServer(t, node)
	}
	dialed = new(atomic.Int64)
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		n := dialed.Add(1)
		return servers[(n-1)%int64(len(servers))].dial(ctx, network, address)
	}
	if standard, ok := p.client.Transport.(*http.Transport); ok {
		standard.DialContext = dial
	} else {
		directly(p).DialContext = dial
	}
	return dialed
}

// A login, its check and the logout before it share a connection: behind a load balancer,
// another connection may lead to a node that does not know the session.
func TestProbeHasOneConnection(t *testing.T) {
	for _, c := range []struct {
		name                string
		connection, session time.Duration // maximum ages
		nodes               int
		proxy               bool
		onePerProbe         bool // else at most two connections per probe
	}{
		{"two nodes, each probe logs in", 0, time.Second, 2, false, true},
		{"one node, each probe logs in", 0, time.Second, 1, false, true},
		{"two nodes, a session is held", 0, 30 * time.Minute, 2, false, true},
		{"three nodes, a session is held", 0, 30 * time.Minute, 3, false, true},
		{"an age between one and two intervals", 1400 * time.Millisecond, time.Second, 2, false, false},
		{"an age between one and two intervals, a session is held", 1400 * time.Millisecond, 30 * time.Minute, 2, false, false},
		{"an age of several intervals", 3 * time.Second, 2 * time.Second, 2, false, false},
		{"an age of several intervals, a session is held", 3 * time.Second, 30 * time.Minute, 2, false, false},
		{"a proxy, two nodes, each probe logs in", 0, time.Second, 2, true, true},
		{"a proxy, two nodes, a session is held", 0, 30 * time.Minute, 2, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			forEachLogin(t, alice, func(on trial) {
				const probes = 8
				e := endpointFor(on.p.endpoint.API, sessionapi.AuthLogin)
				e.Interval, e.Timeout = time.Second, time.Second
				e.ConnectionMaxAge, e.SessionMaxAge = c.connection, c.session
				if c.proxy {
					e.HTTP.Proxy = promconfig.ProxyConfig{ProxyFromEnvironment: true}
				}
				p := newProber(on.t, e)
				var nodes []http.Handler
				for range c.nodes {
					nodes = append(nodes, newAppliance(e.API, alice()))
				}
				dialed := balanced(on.t, p, nodes...)
				for i, r := range probesFor(on.t, p, probes*time.Second) {
					if r.State != sessionapi.Valid {
						on.t.Errorf("probe %d: %s: %s", i, r.State, r.Diagnosis)
					}
				}
				if n := dialed.Load(); c.onePerProbe && n != probes || n > 2*probes {
					on.t.Errorf("%d connections for %d probes, want one each: %t", n, probes, c.onePerProbe)
				}
				if c.connection == 0 {
					time.Sleep(time.Millisecond) // until the closed connections are counted
					if idle := p.connection.Counter.Count(); idle != 0 {
						on.t.Errorf("%d connections are idle, want none", idle)
					}
				}
				closeProber(on.t, p)
			})
		})
	}
}

// Probes of endpoints at one address do not take each other's connections.
func TestProbesDoNotSwapConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := endpointFor("hcx", sessionapi.AuthLogin)
		first.SessionMaxAge = time.Minute
		second := *first
		second.Name = "site-b"
		g := generationOf(t, first, &second)
		p, q := proberOf(t, g, first), proberOf(t, g, &second)
		slow := func() *simulator.Appliance {
			s := alice()
			s.Faults = []simulator.Fault{{Delay: time.Second}}
			return simulator.NewHCX(s)
		}
		balanced(t, p, slow(), slow())
		for range 5 {
			done := make(chan struct{})
			go func() {
				defer close(done)
				if r := mustProbe(t, q); r.State != sessionapi.Valid {
					t.Errorf("%s: %s", r.State, r.Diagnosis)
				}
			}()
			time.Sleep(time.Second / 2)
			if r := mustProbe(t, p); r.State != sessionapi.Valid {
				t.Errorf("%s: %s", r.State, r.Diagnosis)
			}
			<-done
			time.Sleep(2 * time.Minute)
		}
		closeProber(t, p)
		closeProber(t, q)
	})
}

// If an appliance closes the connection after the login, one more is made for the check, and no
// others.
func TestApplianceClosesEachConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := way{"dr", sessionapi.AuthLogin}
		closing := func(next http.Handler) http.Handler {
			return withHeader(map[string]string{"Connection": "close"}, next)
		}
		appliance := &handwritten{post: []http.Handler{closing(w.login())}, get: []http.Handler{closing(w.check())}, del: []http.Handler{w.logout()}}
		e := w.endpoint()
		e.ConnectionMaxAge = 0
		p := newProber(t, e)
		dialed := balanced(t, p, appliance)
		if r := mustProbe(t, p); r.State != sessionapi.Valid || dialed.Load() != 2 {
			t.Errorf("%s with %d connections, want valid with 2: %s", r.State, dialed.Load(), r.Diagnosis)
		}
		if r := mustProbe(t, p); r.State != sessionapi.Valid || dialed.Load() != 3 {
			t.Errorf("then %s with %d connections, want valid with 3: %s", r.State, dialed.Load(), r.Diagnosis)
		}
		closeProber(t, p)
		if got := appliance.methods(); strings.Count(got, "POST") != 1 || !strings.HasSuffix(got, "DELETE") {
			t.Errorf("sent %s, want one POST, and DELETE last", got)
		}
	})
}

// At the limit, no further connection is kept, and the kept ones stay.
func TestKeptConnectionsAreBounded(t *testing.T) {
	ca := newCA(t)
	const most = 3
	var endpoints []*config.Endpoint
	connection := &config.HTTP{TLS: promconfig.TLSConfig{CA: ca.PEM()}}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		e := endpointFor("hcx", sessionapi.AuthToken)
		e.Name, e.URL, e.ConnectionMaxAge, e.HTTP = name, serveTLS(t, ca, reply{status: 200, body: hcxOK}, simulator.ServerOptions{}), time.Hour, connection
		endpoints = append(endpoints, e)
	}
	g := generationOf(t, endpoints...)
	g.manager.SetMaxKept(most)
	var probers []*Prober
	for _, e := range endpoints {
		p := proberOf(t, g, e)
		p.connection.Offset = time.Duration(time.Now().UnixNano()) // its period of an hour has just begun
		probers = append(probers, p)
	}
	for range 3 {
		for _, p := range probers {
			if r := mustProbe(t, p); r.State != sessionapi.Valid {
				t.Fatalf("%s: %s", r.State, r.Diagnosis)
			}
		}
		if kept := g.manager.connections.Count(); kept != most {
			t.Errorf("%d connections are kept, want %d", kept, most)
		}
	}
}
