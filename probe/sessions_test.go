package probe

import (
	"crypto/tls"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
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
		{"another name", 10 * time.Minute, true, func(e *config.Endpoint) {
			e.HTTP.TLS.ServerName = "localhost"
		}, []bool{false, true, true, false, true}},
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
		for _, s := range p.client.sessions.byHost { // three minutes pass
			s.certified = s.certified.Add(-3 * time.Minute)
		}
		p.certified = p.certified.Add(-3 * time.Minute)
	}
	if want := []bool{false, true, true, false}; !slices.Equal(appliance.resumed, want) {
		t.Errorf("resumed were %t, want %t", appliance.resumed, want)
	}
}

// What is at two ports of a host may take each other's sessions, and has two
// certificates to show.
func TestResumptionAtAnotherPort(t *testing.T) {
	ca, appliance := newCA(t), &handshakes{closing: true}
	connection := &config.HTTP{TLS: promconfig.TLSConfig{CA: ca.PEM()}}
	ends := map[string]time.Time{
		"site-a": time.Now().AddDate(0, 1, 0).Truncate(time.Second),
		"site-b": time.Now().AddDate(0, 2, 0).Truncate(time.Second),
	}
	var endpoints []*config.Endpoint
	for _, name := range sortedKeys(ends) {
		e := endpointFor("hcx", config.AuthToken)
		e.Name, e.HTTP = name, connection
		e.URL = serveTLS(t, ca, appliance, simulator.ServerOptions{NotAfter: ends[name], TicketKey: [32]byte{1}})
		endpoints = append(endpoints, e)
	}
	probers := probersOf(t, endpoints...)
	for range 2 {
		for _, p := range probers {
			r, own := mustProbe(t, p), ends[p.endpoint.Name]
			if r.State != Valid || !r.CertificateExpiry.Equal(own) {
				t.Errorf("%s: %s, certificate until %s, want %s", p.endpoint.Name, r.State, r.CertificateExpiry, own)
			}
		}
	}
	if want := []bool{false, false, true, true}; !slices.Equal(appliance.resumed, want) {
		t.Errorf("resumed were %t, want %t", appliance.resumed, want)
	}
}

// An endpoint that wants to see the certificate again sees it, though another one at
// the same address resumed the session just before and is given its successor after.
func TestForgottenWhileResuming(t *testing.T) {
	ca, appliance := newCA(t), &handshakes{closing: true}
	a, b := endpointFor("hcx", config.AuthToken), endpointFor("hcx", config.AuthToken)
	a.URL = serveTLS(t, ca, appliance, simulator.ServerOptions{})
	a.HTTP.TLS.CA = ca.PEM()
	b.Name, b.URL, b.HTTP = "site-b", a.URL, a.HTTP
	probers := probersOf(t, a, b)
	mustProbe(t, probers[0])
	forgetting := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		// The next session comes with the answer.
		WroteRequest: func(httptrace.WroteRequestInfo) { probers[0].client.sessions.forget(a.URL.Host) },
	})
	if r, err := probers[1].Probe(forgetting); err != nil || r.State != Valid {
		t.Fatalf("%+v, error %v", r, err)
	}
	mustProbe(t, probers[0])
	if want := []bool{false, true, false}; !slices.Equal(appliance.resumed, want) {
		t.Errorf("resumed were %t, want %t", appliance.resumed, want)
	}
}

// probersOf returns the probers of endpoints that share what can be shared, none of
// whose connections is too old by now.
func probersOf(t *testing.T, endpoints ...*config.Endpoint) []*Prober {
	t.Helper()
	b := batchOf(t, endpoints...)
	var probers []*Prober
	for _, e := range endpoints {
		p := proberOf(t, b, e)
		p.phase = undisturbed()
		probers = append(probers, p)
	}
	return probers
}

// A session is as old as the handshake that it descends from, and is not kept where
// the host has shown its certificate since, or is to show it again.
func TestSessionsKnowTheirAge(t *testing.T) {
	const host = "appliance.test:443"
	first, second := new(tls.ClientSessionState), new(tls.ClientSessionState)
	for name, c := range map[string]struct {
		happens func(dial func() *agedConn, forget func()) // each a minute after the last
		want    *tls.ClientSessionState
		minute  int // at which the certificate was shown
	}{
		"of a full handshake": {func(dial func() *agedConn, _ func()) {
			dial().Put("", first)
		}, first, 1},
		"of a resumed one": {func(dial func() *agedConn, _ func()) {
			dial().Put("", first)
			dial().Put("", second)
		}, second, 1},
		"forgotten": {func(dial func() *agedConn, forget func()) {
			dial().Put("", first)
			forget()
		}, nil, 3},
		"of a full handshake before it was forgotten": {func(dial func() *agedConn, forget func()) {
			full := dial()
			forget()
			full.Put("", first)
		}, nil, 3},
		"of one resumed before it was forgotten": {func(dial func() *agedConn, forget func()) {
			dial().Put("", first)
			resumed := dial()
			forget()
			resumed.Put("", second)
		}, nil, 4},
		"of one resumed before another's full one": {func(dial func() *agedConn, forget func()) {
			dial().Put("", first)
			resumed := dial()
			forget()
			dial().Put("", first)
			resumed.Put("", second)
		}, first, 4},
		"of no use any more": {func(dial func() *agedConn, _ func()) {
			dial().Put("", first)
			dial().Put("", nil)
		}, nil, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s tlsSessions
				start := time.Now()
				dial := func() *agedConn {
					time.Sleep(time.Minute)
					c := &agedConn{certified: time.Now()}
					s.cacheOf(host, c).Get("")
					return c
				}
				c.happens(dial, func() {
					time.Sleep(time.Minute)
					s.forget(host)
				})
				next := dial()
				if got, ok := next.Get(""); got != c.want || ok != (c.want != nil) {
					t.Errorf("the session is %p, want %p", got, c.want)
				}
				if got, want := next.certified.Sub(start), time.Duration(c.minute)*time.Minute; got != want {
					t.Errorf("the certificate was shown after %s, want %s", got, want)
				}
			})
		})
	}
}

func TestSessionsAreBounded(t *testing.T) {
	var s tlsSessions
	var last *agedConn
	for i := range maxSessions + 10 {
		last = new(agedConn)
		s.cacheOf(strconv.Itoa(i), last).Put("", new(tls.ClientSessionState))
	}
	if n := len(s.byHost); n != 10 {
		t.Errorf("%d sessions are kept", n)
	}
	s.forget(strconv.Itoa(maxSessions + 9))
	if _, ok := last.Get(""); ok {
		t.Error("a session outlives that it was forgotten")
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
