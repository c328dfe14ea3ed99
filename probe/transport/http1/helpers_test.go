package http1

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"session_exporter/internal/leaktest"
	"session_exporter/simulator/pipenet"
)

// Unlike http.Transport, ours does nothing after an exchange, so no test may leave a
// goroutine.
func TestMain(m *testing.M) { leaktest.Main(m) }

// ok is a response with the body "hello", after which the connection is kept.
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

// maxHeaders limits the size of a response's headers.
const maxHeaders = 8 << 10

// site is the server at all addresses. The test's handler serves its connections.
type site struct {
	handler func(net.Conn) // the connection is closed afterwards
	connect func(context.Context) (net.Conn, error)
	running sync.WaitGroup

	mu        sync.Mutex // guards the fields below
	conns     []*clientConn
	addresses []string // that were dialed
}

// newSite returns a site with a real socket, which isIdle needs.
func newSite(tb testing.TB, handler func(net.Conn)) *site {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	return listen(tb, listener, handler, func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", listener.Addr().String())
	})
}

// newPipes returns a site whose connections are unbuffered and work in
// testing/synctest.
func newPipes(tb testing.TB, handler func(net.Conn)) *site {
	tb.Helper()
	listener := pipenet.Listen()
	return listen(tb, listener, handler, func(ctx context.Context) (net.Conn, error) { return listener.Dial(ctx, "", "") })
}

func listen(tb testing.TB, listener net.Listener, handler func(net.Conn), connect func(context.Context) (net.Conn, error)) *site {
	tb.Helper()
	s := &site{handler: handler, connect: connect}
	s.running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.running.Go(func() { s.serve(conn) })
		}
	})
	tb.Cleanup(func() {
		listener.Close()
		s.end()
	})
	return s
}

func (s *site) serve(conn net.Conn) {
	defer conn.Close()
	s.handler(conn)
}

func (s *site) end() {
	for _, conn := range s.dialed() {
		conn.Close()
	}
	s.running.Wait()
}

func (s *site) dial(ctx context.Context, _, address string) (net.Conn, error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	watched := &clientConn{Conn: conn, closed: make(chan struct{})}
	s.conns, s.addresses = append(s.conns, watched), append(s.addresses, address)
	return watched, nil
}

func (s *site) dialed() []*clientConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

// expect checks how many connections were made, and how many of them are open.
func (s *site) expect(t *testing.T, dialed, open int) {
	t.Helper()
	conns, still := s.dialed(), 0
	for _, conn := range conns {
		if !conn.isClosed() {
			still++
		}
	}
	if len(conns) != dialed || still != open {
		t.Errorf("%d connections were made and %d are open, want %d and %d", len(conns), still, dialed, open)
	}
}

// clientConn records whether the client has closed it.
type clientConn struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
}

func (c *clientConn) NetConn() net.Conn { return c.Conn }

func (c *clientConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

func (c *clientConn) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}

// transport returns a transport with limits like the exporter's.
func transport(tb testing.TB, s *site) *Transport {
	tb.Helper()
	t := &Transport{
		DialContext:            s.dial,
		TLSClientConfig:        new(tls.Config),
		IdleConnTimeout:        time.Minute,
		MaxIdleConnsPerHost:    2,
		MaxResponseHeaderBytes: maxHeaders,
	}
	tb.Cleanup(t.CloseIdleConnections)
	return t
}

// netHTTP returns net/http's transport with the same limits.
func netHTTP(tb testing.TB, s *site) *http.Transport {
	tb.Helper()
	t := &http.Transport{
		DialContext:            s.dial,
		IdleConnTimeout:        time.Minute,
		MaxIdleConnsPerHost:    2,
		MaxResponseHeaderBytes: maxHeaders,
		DisableCompression:     true,
	}
	tb.Cleanup(t.CloseIdleConnections)
	return t
}

// request returns a request that can be repeated; it has no body if body is empty.
func request(tb testing.TB, method, url, body string) *http.Request {
	tb.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(tb.Context(), method, url, content)
	if err != nil {
		tb.Fatal(err)
	}
	return req
}

// get returns the body of the response.
func get(transport http.RoundTripper, req *http.Request) (string, error) {
	response, err := transport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// mustGet sends a request and expects "hello".
func mustGet(tb testing.TB, transport http.RoundTripper, req *http.Request) {
	tb.Helper()
	if body, err := get(transport, req); err != nil || body != "hello" {
		tb.Fatalf("%s %s: got %q and error %v, want hello", req.Method, req.URL, body, err)
	}
}

// respond responds to requests until handle reports the last one. handle gets each
// request with its body.
func respond(conn net.Conn, handle func(n int, req *http.Request, body string) (response string, last bool)) {
	r := bufio.NewReader(conn)
	for n := 0; ; n++ {
		req, err := http.ReadRequest(r)
		if err != nil {
			return // the client has closed the connection
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		response, last := handle(n, req, string(body))
		if _, err := io.WriteString(conn, response); err != nil || last {
			return
		}
	}
}

// always returns a handler that sends the same response to all requests.
func always(response string) func(net.Conn) {
	return func(conn net.Conn) {
		respond(conn, func(int, *http.Request, string) (string, bool) { return response, false })
	}
}

// discard reads everything and sends nothing.
func discard(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// send writes a text, and ignores errors: the client may have disconnected.
func send(conn net.Conn, text string) { _, _ = io.WriteString(conn, text) }

// overTLS returns a handler that performs the TLS handshake and then calls another one.
func overTLS(settings *tls.Config, handler func(net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		secured := tls.Server(conn, settings)
		if secured.Handshake() == nil {
			handler(secured)
			secured.Close()
		}
	}
}

// testTLS returns the settings of a server for example.com, 127.0.0.1 and ::1, and of a
// client that trusts it.
func testTLS(tb testing.TB) (server, client *tls.Config) {
	tb.Helper()
	lender := httptest.NewTLSServer(http.NotFoundHandler())
	defer lender.Close()
	roots := x509.NewCertPool()
	roots.AddCert(lender.Certificate())
	// Over a pipe, unread tickets and an unread request would block each other.
	server = &tls.Config{Certificates: lender.TLS.Certificates, SessionTicketsDisabled: true}
	return server, &tls.Config{RootCAs: roots}
}

// await waits until another goroutine closes done. what begins the failure message.
func await(tb testing.TB, done <-chan struct{}, what string) {
	tb.Helper()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		tb.Fatalf("%s: timed out after ten seconds", what)
	}
}
