package probe

import (
	"crypto/tls"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"

	"session_exporter/config"
	"session_exporter/simulator"
)

// handshakes is an appliance that notes of each request whether its connection
// resumed a TLS session.
type handshakes struct {
	closing bool // it closes each connection behind the answer

	mu      sync.Mutex // guards resumed
	resumed []bool
}

func (h *handshakes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.resumed = append(h.resumed, r.TLS.DidResume)
	h.mu.Unlock()
	if h.closing {
		w.Header().Set("Connection", "close")
	}
	reply{status: 200, body: hcxOK}.ServeHTTP(w, r)
}

// undisturbed is a phase with which no term of ten minutes ends now, nor has in the
// last eight.
func undisturbed() int64 {
	return (time.Now().UnixNano() - int64(8*time.Minute+20*time.Second)) % int64(10*time.Minute)
}

// Where an appliance closes connections, TLS sessions are resumed, but not beyond
// the age at which it is to show its certificate again.
func TestResumption(t *testing.T) {
	ca := newCA(t)
	for _, c := range []struct {
		name    string
		age     time.Duration
		closing bool
		adjust  func(*config.Endpoint)
		want    []bool // of each probe's connection
	}{
		{"the appliance closes", 10 * time.Minute, true, nil, []bool{false, true, true, false, true}},
		{"the appliance keeps", 10 * time.Minute, false, nil, []bool{false, false, false, false, false}},
		{"every probe on a fresh one", 0, true, nil, []bool{false, false, false, false, false}},
		{"one name for all", 10 * time.Minute, true, func(e *config.Endpoint) {
			e.HTTP.TLS.ServerName = "localhost"
		}, []bool{false, false, false, false, false}},
		{"a proxy for others", 10 * time.Minute, true, func(e *config.Endpoint) {
			e.HTTP.Proxy = promconfig.ProxyConfig{ProxyFromEnvironment: true}
		}, []bool{false, false, false, false, false}},
	} {
		t.Run(c.name, func(t *testing.T) {
			appliance := &handshakes{closing: c.closing}
			e := endpointFor("hcx", config.AuthToken)
			e.URL = serveTLS(t, ca, appliance, simulator.ServerOptions{})
			e.Interval, e.ConnectionMaxAge = time.Minute, c.age
			e.HTTP.TLS = promconfig.TLSConfig{CA: ca.PEM()}
			if c.adjust != nil {
				c.adjust(e)
			}
			p := newProber(t, e)
			p.phase = undisturbed()
			for i := range c.want {
				if i == 3 { // nine minutes have passed
					p.certified = p.certified.Add(-9 * time.Minute)
				}
				r := mustProbe(t, p)
				if r.State != Valid || r.CertificateExpiry.IsZero() {
					t.Fatalf("%s: %s, certificate until %s", r.State, r.Diagnosis, r.CertificateExpiry)
				}
			}
			if !slices.Equal(appliance.resumed, c.want) {
				t.Errorf("resumed were %t, want %t", appliance.resumed, c.want)
			}
		})
	}
}

// Where there is no room to keep a connection, TLS sessions are resumed, but not
// beyond the age at which the appliance is to show its certificate again.
func TestResumptionWithoutRoom(t *testing.T) {
	ca := newCA(t)
	appliance := new(handshakes)
	p := overTLS(t, serveTLS(t, ca, appliance, simulator.ServerOptions{}), ca)
	p.endpoint.Interval, p.endpoint.ConnectionMaxAge = time.Minute, 10*time.Minute
	p.phase = undisturbed()
	p.open.most.Store(1)
	p.open.open.Store(1) // somebody else's
	for i := range 5 {
		if i == 3 { // nine minutes have passed
			p.certified = p.certified.Add(-9 * time.Minute)
		}
		mustProbe(t, p)
		if p.kept {
			t.Error("the connection is kept")
		}
	}
	if want := []bool{false, true, true, false, true}; !slices.Equal(appliance.resumed, want) {
		t.Errorf("resumed were %t, want %t", appliance.resumed, want)
	}
}

// A session that descends from an older one is as old as that: an appliance that
// always closes shows its certificate every connection_max_age.
func TestResumptionInheritsItsAge(t *testing.T) {
	ca := newCA(t)
	appliance := &handshakes{closing: true}
	p := overTLS(t, serveTLS(t, ca, appliance, simulator.ServerOptions{}), ca)
	p.endpoint.Interval, p.endpoint.ConnectionMaxAge = time.Minute, 10*time.Minute
	p.phase = undisturbed()
	for range 4 {
		mustProbe(t, p)
		for host, s := range p.client.sessions.byHost { // three minutes pass
			s.verified = s.verified.Add(-3 * time.Minute)
			p.client.sessions.byHost[host] = s
		}
		p.certified = p.certified.Add(-3 * time.Minute)
	}
	if want := []bool{false, true, true, false}; !slices.Equal(appliance.resumed, want) {
		t.Errorf("resumed were %t, want %t", appliance.resumed, want)
	}
}

func TestSessionsAreBounded(t *testing.T) {
	var s tlsSessions
	for i := range maxSessions + 10 {
		s.Put(strconv.Itoa(i), new(tls.ClientSessionState))
	}
	if n := len(s.byHost); n != 10 {
		t.Errorf("%d sessions are kept", n)
	}
	s.Put("::1", new(tls.ClientSessionState))
	s.forget("::1")
	if _, ok := s.Get("::1"); ok {
		t.Error("a session outlives that it was forgotten")
	}
	s.Put("xn--bcher-kva.example", new(tls.ClientSessionState))
	if _, ok := s.Get("xn--bcher-kva.example"); ok {
		t.Error("a session is kept that may not be forgotten")
	}
}

// No more connections are kept than there is room for; those that are, stay.
func TestKeptConnectionsAreBounded(t *testing.T) {
	ca := newCA(t)
	appliance := new(handshakes)
	const most = 3
	var endpoints []*config.Endpoint
	connection := &config.HTTP{TLS: promconfig.TLSConfig{CA: ca.PEM()}}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		e := endpointFor("hcx", config.AuthToken)
		e.Name, e.URL, e.ConnectionMaxAge, e.HTTP = name, serveTLS(t, ca, appliance, simulator.ServerOptions{}), time.Hour, connection
		endpoints = append(endpoints, e)
	}
	b := batchOf(t, endpoints...)
	b.factory.Keep(most)
	var probers []*Prober
	for _, e := range endpoints {
		p := proberOf(t, b, e)
		p.phase = time.Now().UnixNano() // its term of an hour has just begun
		probers = append(probers, p)
	}
	for range 3 {
		kept := 0
		for _, p := range probers {
			if r := mustProbe(t, p); r.State != Valid {
				t.Fatal(r.Diagnosis)
			}
			if p.kept {
				kept++
			}
		}
		if kept != most {
			t.Errorf("%d connections are kept, want %d", kept, most)
		}
	}
}
