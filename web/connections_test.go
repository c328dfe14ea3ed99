package web

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// hold opens a connection whose client sends a text and then nothing.
func (s *testServer) hold(t *testing.T, text string) net.Conn {
	t.Helper()
	conn, err := s.listener.Dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = io.WriteString(conn, text) // fails if the connection is replaced
		_, _ = io.Copy(io.Discard, conn)
	}()
	synctest.Wait()
	return conn
}

// A scraper gets a connection even if other clients hold all of them.
func TestFullListener(t *testing.T) {
	const healthy = "GET /-/healthy HTTP/1.1\r\nHost: x\r\n"
	for name, tc := range map[string]struct {
		sent   string
		within time.Duration
	}{
		"silent":         {"", minInactive},
		"half a request": {healthy, minInactive},
		"idle":           {healthy + "\r\n", minInactive},
		"a missing body": {healthy + "Content-Length: 1\r\n\r\n", minInactive},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, newHandler(t, newOptions()), "HTTP/1.1")
				for range maxTestConnections {
					s.hold(t, tc.sent)
				}
				start := time.Now()
				if got := s.get(t, "/metrics", "").status; got != http.StatusOK {
					t.Errorf("status %d", got)
				}
				if took := time.Since(start); took > tc.within {
					t.Errorf("it took %s, want at most %s", took, tc.within)
				}
			})
		})
	}
}

// The connection that has been inactive for longest is replaced first; an active one is
// replaced only after maxActive.
func TestReplacedConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnections(3)
		conns := make([]*fakeConn, 5)
		for i := range conns {
			conns[i] = &fakeConn{closed: make(chan struct{})}
		}
		check := func(when string, closed ...bool) {
			t.Helper()
			for i, want := range closed {
				if got := conns[i].isClosed(); got != want {
					t.Errorf("%s: connection %d is closed: %t", when, i, got)
				}
			}
		}
		request := func(conn *fakeConn) {
			c.connState(conn, http.StateActive)
			c.activate(httptest.NewRequest(http.MethodGet, "/", http.NoBody).WithContext(c.connContext(t.Context(), conn)))
		}
		for _, conn := range conns[:3] {
			c.connState(conn, http.StateNew)
			time.Sleep(time.Second)
		}
		const tick = time.Millisecond
		request(conns[0])
		time.Sleep(tick)
		request(conns[1])
		c.connState(conns[1], http.StateIdle) // so that conns[2] has been inactive for longer
		c.connState(conns[3], http.StateNew)
		check("one without a request", false, false, true, false)
		c.connState(conns[2], http.StateClosed)
		c.connState(conns[3], http.StateActive) // its body is incomplete
		request(conns[1])
		start := time.Now()
		c.connState(conns[4], http.StateNew)
		check("one without its body", false, false, true, true, false)
		if took := time.Since(start); took != minInactive {
			t.Errorf("replaced after %s", took)
		}
		request(conns[4])
		start = time.Now()
		c.connState(&fakeConn{closed: make(chan struct{})}, http.StateNew)
		check("one with the oldest request", true, false, true, true, false)
		if took := time.Since(start); took != maxActive-minInactive-tick {
			t.Errorf("replaced after %s", took)
		}
	})
}

// A scraper gets a connection even if other clients send request after request.
func TestBusyClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pause = 200 * time.Millisecond
		s := serve(t, newHandler(t, newOptions()), "HTTP/1.1")
		s.durations = make(chan time.Duration, 10_000)
		var busy sync.WaitGroup
		defer busy.Wait()
		for range maxTestConnections {
			conn, err := s.listener.Dial(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }() //nolint:gocritic // all of them stay open until the test ends
			busy.Go(func() {
				responses := bufio.NewReader(conn)
				for {
					_, _ = io.WriteString(conn, "GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n") // on an error, reading fails too
					response, err := http.ReadResponse(responses, nil)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, response.Body) // on an error, the next read fails too
					_ = response.Body.Close()
					time.Sleep(pause)
				}
			})
		}
		time.Sleep(10 * pause)
		start := time.Now()
		if got := s.get(t, "/metrics", "").status; got != http.StatusOK {
			t.Errorf("status %d", got)
		}
		if took := time.Since(start); took > pause {
			t.Errorf("it took %s, want at most %s", took, pause)
		}
	})
}

// Further requests do not restart the grace period of a connection.
func TestRepeatedRequests(t *testing.T) {
	for name, tc := range map[string]struct {
		again  func(c *connections, conn net.Conn, r *http.Request)
		within time.Duration
	}{
		"requests without the password": {func(c *connections, conn net.Conn, _ *http.Request) {
			c.connState(conn, http.StateActive)
			c.connState(conn, http.StateIdle)
		}, minInactive},
		"overlapping HTTP/2 requests": {func(c *connections, _ net.Conn, r *http.Request) { c.activate(r) }, maxActive},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newConnections(1)
				conn := &fakeConn{closed: make(chan struct{})}
				r := httptest.NewRequest(http.MethodGet, "/", http.NoBody).WithContext(c.connContext(t.Context(), conn))
				c.connState(conn, http.StateNew)
				done := make(chan struct{})
				go func() {
					for !conn.isClosed() {
						tc.again(c, conn, r)
						time.Sleep(minInactive / 5)
					}
					close(done)
				}()
				synctest.Wait()
				start := time.Now()
				c.connState(&fakeConn{closed: make(chan struct{})}, http.StateNew)
				if took := time.Since(start); took != tc.within {
					t.Errorf("replaced after %s, want %s", took, tc.within)
				}
				<-done
			})
		})
	}
}

// A connection whose response is not read is replaced earlier than one whose request is
// being handled.
func TestStalledResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnections(1)
		conn := &fakeConn{closed: make(chan struct{})}
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r = r.WithContext(c.connContext(t.Context(), conn))
		c.connState(conn, http.StateNew)
		c.activate(r)
		time.Sleep(time.Second)
		c.progress(r)
		start := time.Now()
		c.connState(&fakeConn{closed: make(chan struct{})}, http.StateNew)
		if took := time.Since(start); took != maxStalled {
			t.Errorf("replaced after %s", took)
		}
	})
}

// Requests that wait for probes hold at most half of the connections.
func TestRequestsThatWait(t *testing.T) {
	c := newConnections(4)
	request := func() *http.Request {
		conn := &fakeConn{closed: make(chan struct{})}
		c.connState(conn, http.StateNew)
		r := httptest.NewRequest(http.MethodGet, "/probe", http.NoBody)
		return r.WithContext(c.connContext(r.Context(), conn))
	}
	check := func(when string, r *http.Request, want bool) {
		t.Helper()
		if got := mustNotWait(r); got != want {
			t.Errorf("%s: must not wait: %t", when, got)
		}
	}
	first, second, third := request(), request(), request()
	c.activate(first)
	check("first", first, false)
	c.activate(second)
	check("second", second, false)
	c.activate(third)
	check("third", third, true)
	c.progress(first)
	check("third, after a response", third, false)
	check("without a server", httptest.NewRequest(http.MethodGet, "/probe", http.NoBody), false)
}

// Shutdown unblocks connections that wait for room.
func TestFullListenerShutsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnections(1)
		first := &fakeConn{closed: make(chan struct{})}
		c.connState(first, http.StateNew)
		c.setLocked(first, active)
		time.AfterFunc(time.Second, c.stop)
		start := time.Now()
		c.connState(&fakeConn{closed: make(chan struct{})}, http.StateNew)
		if took := time.Since(start); took != time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// fakeConn has an inner connection, as a tls.Conn has, and only that can be closed.
type fakeConn struct {
	net.Conn
	closed chan struct{}
}

func (c *fakeConn) NetConn() net.Conn { return (*inner)(c) }
func (c *fakeConn) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}

// inner is the underlying connection of a fakeConn.
type inner fakeConn

func (c *inner) Close() error {
	close(c.closed)
	return errors.New("reset by peer")
}
