package probe

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/probe/transport"

	"session_exporter/sessionapi"
	"session_exporter/simulator"
)

// listen returns the address of a listener. serve handles each connection, which is closed
// afterwards.
func listen(t *testing.T, serve func(net.Conn)) *url.URL {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	return &url.URL{Scheme: "https", Host: listener.Addr().String()}
}

// reset closes a connection with a TCP reset.
func reset(conn net.Conn) {
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

func newCA(tb testing.TB) *simulator.CA {
	tb.Helper()
	ca, err := simulator.NewCA()
	if err != nil {
		tb.Fatal(err)
	}
	return ca
}

func serveTLS(tb testing.TB, ca *simulator.CA, handler http.Handler, options simulator.ServerOptions) *url.URL {
	tb.Helper()
	server, err := ca.Serve(handler, "127.0.0.1:0", options)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(server.Close)
	u, err := url.Parse(server.URL())
	if err != nil {
		tb.Fatal(err)
	}
	return u
}

// overTLS returns a prober of a TLS endpoint that trusts a CA.
func overTLS(tb testing.TB, u *url.URL, ca *simulator.CA) *Prober {
	tb.Helper()
	e := endpointFor("hcx", sessionapi.AuthToken)
	e.URL, e.HTTP.TLS.CA = u, ca.PEM()
	return newProber(tb, e)
}

// noResolver resolves no name, whatever the configuration of the host.
var noResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("no name server")
}}

func TestNetworkFailures(t *testing.T) {
	ca := newCA(t)
	handler := reply{status: 200, body: hcxOK}
	healthy := serveTLS(t, ca, handler, simulator.ServerOptions{})
	for _, c := range []struct {
		name  string
		url   func() *url.URL
		state sessionapi.State
		why   string
	}{
		{"port refused", func() *url.URL {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			listener.Close()
			return &url.URL{Scheme: "https", Host: listener.Addr().String()}
		}, sessionapi.Unreachable, ": connect: connection refused"},
		{"reset before the handshake", func() *url.URL {
			return listen(t, reset)
		}, sessionapi.Unreachable, "connection reset by peer"},
		{"closed before the handshake", func() *url.URL {
			return listen(t, func(net.Conn) {})
		}, sessionapi.Unreachable, "was lost during the TLS handshake"},
		{"reset in the handshake", func() *url.URL {
			return listen(t, func(conn net.Conn) {
				_, _ = io.ReadFull(conn, make([]byte, 5))
				reset(conn)
			})
		}, sessionapi.Unreachable, "was lost during the TLS handshake: read: connection reset by peer"},
		{"not TLS", func() *url.URL {
			return listen(t, func(conn net.Conn) {
				_, _ = io.ReadFull(conn, make([]byte, 5))
				_, _ = io.WriteString(conn, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTPS request to an HTTP server.\n")
				_, _ = io.Copy(io.Discard, conn)
			})
		}, sessionapi.TLSFailed, "does not look like a TLS handshake"},
		{"reset after the handshake", func() *url.URL {
			a := simulator.NewHCX(simulator.Settings{Faults: []simulator.Fault{{Reset: true}}})
			return serveTLS(t, ca, a, simulator.ServerOptions{})
		}, sessionapi.Unreachable, "was lost before the response to the check:"},
		{"certificate expired", func() *url.URL {
			return serveTLS(t, ca, handler, simulator.ServerOptions{NotAfter: time.Now().Add(-time.Hour)})
		}, sessionapi.TLSFailed, "expired"},
		{"certificate of another CA", func() *url.URL {
			return serveTLS(t, newCA(t), handler, simulator.ServerOptions{})
		}, sessionapi.TLSFailed, "unknown authority"},
		{"certificate of another host", func() *url.URL {
			return serveTLS(t, ca, handler, simulator.ServerOptions{Hosts: []string{"other.test"}})
		}, sessionapi.TLSFailed, "127.0.0.1"},
		{"name unknown", func() *url.URL {
			return &url.URL{Scheme: "https", Host: "appliance.invalid"}
		}, sessionapi.Unreachable, "lookup appliance.invalid"},
		{"healthy", func() *url.URL { return healthy }, sessionapi.Valid, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := overTLS(t, c.url(), ca)
			directly(p).DialContext = new(transport.ConnCounter).Track((&net.Dialer{Resolver: noResolver}).DialContext)
			r := mustProbe(t, p)
			if r.State != c.state || !strings.Contains(r.Diagnosis, c.why) {
				t.Errorf("%s: %s\nwant %s: … %s …", r.State, r.Diagnosis, c.state, c.why)
			}
			if len(r.Steps) != 1 {
				t.Errorf("%d steps, want 1", len(r.Steps))
			}
		})
	}
}

// The expiry of the presented certificate is reported, whether or not it is trusted.
func TestCertificateExpiry(t *testing.T) {
	ca := newCA(t)
	for name, c := range map[string]struct {
		issuer *simulator.CA
		expiry time.Time
		state  sessionapi.State
	}{
		"trusted":        {ca, time.Now().Add(30 * 24 * time.Hour), sessionapi.Valid},
		"expired":        {ca, time.Now().Add(-time.Hour), sessionapi.TLSFailed},
		"unknown issuer": {newCA(t), time.Now().Add(time.Hour), sessionapi.TLSFailed},
	} {
		t.Run(name, func(t *testing.T) {
			u := serveTLS(t, c.issuer, reply{status: 200, body: hcxOK}, simulator.ServerOptions{NotAfter: c.expiry})
			p := overTLS(t, u, ca)
			r := mustProbe(t, p)
			if r.State != c.state || !r.CertificateExpiry.Equal(c.expiry.Truncate(time.Second)) {
				t.Errorf("%s, expires at %s, want %s, at %s", r.State, r.CertificateExpiry, c.state, c.expiry)
			}
			// A kept connection reports the certificate of its handshake.
			if again := mustProbe(t, p); !again.CertificateExpiry.Equal(r.CertificateExpiry) {
				t.Errorf("on the next probe it expires at %s, want %s", again.CertificateExpiry, r.CertificateExpiry)
			}
		})
	}
}

func TestClientCertificateRequired(t *testing.T) {
	ca := newCA(t)
	certificate := selfSigned(t)
	for version, why := range map[uint16]string{
		tls.VersionTLS12: "remote error: tls: handshake failure",
		tls.VersionTLS13: "remote error: tls: certificate required",
	} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			u := listen(t, func(conn net.Conn) {
				server := tls.Server(conn, &tls.Config{
					Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequireAnyClientCert,
					MinVersion: version, MaxVersion: version,
				})
				_ = server.Handshake()
				_ = conn.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, conn)
			})
			p := overTLS(t, u, ca)
			directly(p).TLSClientConfig.InsecureSkipVerify = true
			r := mustProbe(t, p)
			if r.State != sessionapi.TLSFailed || !strings.Contains(r.Diagnosis, why) {
				t.Errorf("%s, want %s: %s", r.State, sessionapi.TLSFailed, r.Diagnosis)
			}
		})
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// If a network drops packets while connecting or in the TLS handshake, the probe times out and
// leaves no goroutine.
func TestBlackHoles(t *testing.T) {
	for _, c := range []struct {
		name string
		dial func(ctx context.Context, network, address string) (net.Conn, error)
		why  string
	}{
		{"connect", func(ctx context.Context, _, _ string) (net.Conn, error) {
			select {
			case <-ctx.Done():
			case <-time.After(30 * time.Second):
			}
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("i/o timeout")}
		}, "no connection was made"},
		{"handshake", func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, theirs) }()
			return ours, nil
		}, "the connection was made, but the TLS handshake was not completed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := endpointFor("hcx", sessionapi.AuthToken)
				e.URL.Scheme = "https"
				p := newProber(t, e)
				directly(p).DialContext = c.dial
				r := mustProbe(t, p)
				if r.State != sessionapi.Timeout || !strings.Contains(r.Diagnosis, c.why) || r.Duration != e.Timeout {
					t.Errorf("%s after %s: %s", r.State, r.Duration, r.Diagnosis)
				}
				// The bubble ends only when every goroutine has ended.
			})
		})
	}
}

// A name server that does not respond makes the appliance unreachable; it is not the
// appliance's timeout.
func TestResolverTimeout(t *testing.T) {
	p := newProber(t, endpointFor("hcx", sessionapi.AuthToken))
	directly(p).DialContext = func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{
			UnwrapErr: context.DeadlineExceeded, Err: "i/o timeout", Name: "appliance.test", IsTimeout: true,
		}}
	}
	if r := mustProbe(t, p); r.State != sessionapi.Unreachable {
		t.Errorf("%s, want %s: %s", r.State, sessionapi.Unreachable, r.Diagnosis)
	}
}

func TestErrnos(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ECONNREFUSED, syscall.EMFILE} {
		p := newProber(t, endpointFor("dr", sessionapi.AuthToken))
		directly(p).DialContext = func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errno}
		}
		if r := mustProbe(t, p); r.State != sessionapi.Unreachable || !strings.Contains(r.Diagnosis, errno.Error()) {
			t.Errorf("%s, want %s: %s", r.State, sessionapi.Unreachable, r.Diagnosis)
		}
	}
}

// A login that can be sent neither on the kept connection, which is broken, nor on another one
// does not count as unanswered.
func TestLoginThatCannotBeSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		login := reply{200, map[string]string{"x-hm-authorization": canaryToken}, `{"success": true}`}
		appliance := &handwritten{
			post: []http.Handler{login},
			get:  []http.Handler{reply{200, nil, hcxOK}, reply{401, nil, hcxUnauthorized}},
		}
		server := newPipeServer(t, appliance)
		e := endpointFor("hcx", sessionapi.AuthLogin)
		p := newProber(t, e)
		dials := 0
		directly(p).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			dials++
			if dials > 1 {
				return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
			}
			conn, err := server.dial(ctx, network, address)
			return &breaking{Conn: conn, writes: 3}, err
		}
		if r := mustProbe(t, p); r.State != sessionapi.Valid {
			t.Fatalf("%s: %s", r.State, r.Diagnosis)
		}
		time.Sleep(e.Interval)
		r := mustProbe(t, p)
		if r.State != sessionapi.Unreachable || r.Unanswered != 0 || !strings.Contains(r.Diagnosis, "Nothing listens on appliance.test:80") {
			t.Errorf("%s, %d unanswered: %s", r.State, r.Unanswered, r.Diagnosis)
		}
		if got := appliance.methods(); got != "POST GET GET" {
			t.Errorf("sent %s, want POST GET GET", got)
		}
	})
}

// breaking is a connection that breaks after a number of writes.
type breaking struct {
	net.Conn
	writes int
}

func (b *breaking) Write(p []byte) (int, error) {
	b.writes--
	if b.writes < 0 {
		return 0, syscall.EPIPE
	}
	return b.Conn.Write(p)
}

// Connections that are neither established nor refused end with the probe as a timeout,
// whichever deadline expires first.
func TestFullBacklog(t *testing.T) {
	address := fullBacklog(t)
	var probing sync.WaitGroup
	for _, auth := range []sessionapi.Auth{sessionapi.AuthToken, sessionapi.AuthLogin} {
		for range 20 {
			e := endpointFor("hcx", auth)
			e.URL = &url.URL{Scheme: "https", Host: address}
			e.Timeout = 40 * time.Millisecond
			p := newProber(t, e)
			probing.Go(func() {
				if r, err := p.Probe(t.Context(), Options{}); err != nil || r.State != sessionapi.Timeout || r.Unanswered != 0 {
					t.Errorf("%s: error %v, want the state %s: %+v", auth, err, sessionapi.Timeout, r)
				}
			})
		}
	}
	probing.Wait()
}

// fullBacklog returns an address at which no connection is accepted and the backlog is
// full.
func fullBacklog(t *testing.T) string {
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
	for {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			return address
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
}
