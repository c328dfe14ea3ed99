//go:build unix

package http1

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// awaitReadable returns when data or EOF has arrived on a connection.
func awaitReadable(t *testing.T, conn net.Conn) {
	t.Helper()
	system := systemConn(conn)
	if system == nil {
		t.Fatalf("%T is not a connection of the system", conn)
	}
	err := system.Read(func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
		return !errors.Is(err, syscall.EAGAIN)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A server's close of an idle connection is detected before a request that cannot be
// repeated is written to it; otherwise a login would fail.
func TestIdleConnectionIsChecked(t *testing.T) {
	settings, client := testTLS(t)
	tests := []struct {
		name     string
		response string
		after    func(net.Conn) // what the server does afterwards
	}{
		{name: "closed", response: ok, after: func(conn net.Conn) { conn.Close() }},
		{name: "half closed", response: ok, after: func(conn net.Conn) {
			_ = conn.(interface{ CloseWrite() error }).CloseWrite() // over TLS, this is a close_notify
		}},
		{name: "unsolicited bytes", response: ok, after: func(conn net.Conn) { send(conn, ok) }},
		{name: "unsolicited bytes after a long body", response: head("Content-Length: 50000") + strings.Repeat("a", 50000), after: func(conn net.Conn) { send(conn, ok) }},
	}
	for _, scheme := range []string{"http", "https"} {
		for _, test := range tests {
			t.Run(scheme+" "+test.name, func(t *testing.T) {
				proceed := make(chan struct{})
				handler := func(conn net.Conn) {
					respond(conn, func(_ int, req *http.Request, _ string) (string, bool) {
						return test.response, req.Method == http.MethodGet
					})
					select {
					case <-proceed:
						test.after(conn)
						discard(conn)
					case <-t.Context().Done():
					}
				}
				if scheme == "https" {
					handler = overTLS(settings, handler)
				}
				server := newSite(t, handler)
				kept := transport(t, server)
				kept.TLSClientConfig = client
				if _, err := get(kept, request(t, http.MethodGet, scheme+"://example.com/", "")); err != nil {
					t.Fatal(err)
				}
				server.expect(t, 1, 1)
				proceed <- struct{}{}
				awaitReadable(t, server.dialed()[0])
				body, err := get(kept, request(t, http.MethodPost, scheme+"://example.com/", "a=b"))
				if _, want, _ := strings.Cut(test.response, "\r\n\r\n"); err != nil || body != want {
					t.Errorf("got %.20q and error %v, want %.20q", body, err, want)
				}
				server.expect(t, 2, 1)
			})
		}
	}
}

// If an idle connection was closed, another one that is still open is used.
func TestEachIdleConnectionIsChecked(t *testing.T) {
	server := newSite(t, always(ok))
	kept := transport(t, server)
	finish(t, begin(t, kept, 2))
	last := kept.idle[origin{"http", "example.com"}][1]
	if err := last.Conn.(*clientConn).Conn.(*net.TCPConn).CloseRead(); err != nil {
		t.Fatal(err)
	}
	mustGet(t, kept, request(t, http.MethodPost, "http://example.com/", "a=b"))
	server.expect(t, 2, 1)
}

// sweep closes the idle connections that a server has closed, and keeps the others.
func TestSweep(t *testing.T) {
	closing := make(chan struct{})
	server := newSite(t, func(conn net.Conn) {
		respond(conn, func(_ int, req *http.Request, _ string) (string, bool) { return ok, req.Host == "closing.test" })
		<-closing
	})
	kept := transport(t, server)
	for _, host := range []string{"closing.test", "example.com"} {
		mustGet(t, kept, request(t, http.MethodGet, "http://"+host+"/", ""))
	}
	kept.sweep()
	server.expect(t, 2, 2)
	close(closing)
	awaitReadable(t, server.dialed()[0])
	kept.sweep()
	server.expect(t, 2, 1)
	if conns := server.dialed(); !conns[0].isClosed() || len(kept.idle) != 1 {
		t.Errorf("the wrong connection was closed, or %d origins remain", len(kept.idle))
	}
}
