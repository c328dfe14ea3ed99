package direct

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

	"go.uber.org/goleak"
)

// In contrast to http.Transport nothing goes on behind an exchange, so nothing may
// be left behind any test.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ok is an answer behind which the connection is kept.
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

// maxHeaders is how large an answer's headers may be.
const maxHeaders = 8 << 10

// site is where all addresses lead to. What it does with a connection is up to the
// test.
type site struct {
	attend  func(net.Conn) // which is closed behind it
	connect func(context.Context) (net.Conn, error)
	running sync.WaitGroup

	mu        sync.Mutex // guards the fields below
	conns     []*clientConn
	addresses []string // that were dialled
}

// newSite returns a site behind a real socket, as quiet needs one.
func newSite(tb testing.TB, attend func(net.Conn)) *site {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := &site{attend: attend}
	s.connect = func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", listener.Addr().String())
	}
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

// newPipes returns a site whose connections have no buffers, and are known to
// testing/synctest.
func newPipes(tb testing.TB, attend func(net.Conn)) *site {
	tb.Helper()
	s := &site{attend: attend}
	s.connect = func(context.Context) (net.Conn, error) {
		near, far := net.Pipe()
		s.running.Go(func() { s.serve(far) })
		return near, nil
	}
	tb.Cleanup(s.end)
	return s
}

func (s *site) serve(conn net.Conn) {
	defer conn.Close()
	s.attend(conn)
}

func (s *site) end() {
	for _, conn := range s.dialled() {
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

func (s *site) dialled() []*clientConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

// expect checks how many connections were made, and how many of them are open.
func (s *site) expect(t *testing.T, dialled, open int) {
	t.Helper()
	conns, still := s.dialled(), 0
	for _, conn := range conns {
		if !conn.isClosed() {
			still++
		}
	}
	if len(conns) != dialled || still != open {
		t.Errorf("%d connections were made and %d are open, want %d and %d", len(conns), still, dialled, open)
	}
}

// clientConn knows whether the client has closed it.
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

// transport returns one with bounds like the exporter's.
func transport(tb testing.TB, s *site) *Transport {
	tb.Helper()
	t := &Transport{
		DialContext:            s.dial,
		IdleConnTimeout:        time.Minute,
		MaxIdleConnsPerHost:    2,
		MaxResponseHeaderBytes: maxHeaders,
	}
	tb.Cleanup(t.CloseIdleConnections)
	return t
}

// netHTTP returns the transport in whose place ours is, with the same bounds.
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

// request returns one whose body can be had again, and has none when body is empty.
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

// ask returns the body of the answer.
func ask(transport http.RoundTripper, req *http.Request) (string, error) {
	response, err := transport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// mustAsk wants to be greeted.
func mustAsk(tb testing.TB, transport http.RoundTripper, req *http.Request) {
	tb.Helper()
	if body, err := ask(transport, req); err != nil || body != "hello" {
		tb.Fatalf("%s %s: got %q and error %v, want hello", req.Method, req.URL, body, err)
	}
}

// respond answers requests in turn until handle says that it was the last. It is
// given each one with its body.
func respond(conn net.Conn, handle func(n int, req *http.Request, body string) (answer string, last bool)) {
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
		answer, last := handle(n, req, string(body))
		if _, err := io.WriteString(conn, answer); err != nil || last {
			return
		}
	}
}

// always gives the same answer to all requests.
func always(answer string) func(net.Conn) {
	return func(conn net.Conn) {
		respond(conn, func(int, *http.Request, string) (string, bool) { return answer, false })
	}
}

// swallow reads all and says nothing.
func swallow(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// say is for what the client may not want to hear any more.
func say(conn net.Conn, text string) { _, _ = io.WriteString(conn, text) }

// overTLS makes the handshake before it goes on.
func overTLS(settings *tls.Config, attend func(net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		secured := tls.Server(conn, settings)
		if secured.Handshake() == nil {
			attend(secured)
			secured.Close()
		}
	}
}

// certified returns the settings of a server that is example.com, 127.0.0.1 and ::1,
// and of a client that trusts it.
func certified(tb testing.TB) (server, client *tls.Config) {
	tb.Helper()
	lender := httptest.NewTLSServer(http.NotFoundHandler())
	defer lender.Close()
	roots := x509.NewCertPool()
	roots.AddCert(lender.Certificate())
	// Over a pipe, tickets that nobody reads yet would meet a request that
	// nobody reads yet.
	server = &tls.Config{Certificates: lender.TLS.Certificates, SessionTicketsDisabled: true}
	return server, &tls.Config{RootCAs: roots}
}

// await waits for what other goroutines are about to do.
func await(tb testing.TB, done <-chan struct{}, what string) {
	tb.Helper()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		tb.Fatalf("%s: still not so after ten seconds", what)
	}
}
