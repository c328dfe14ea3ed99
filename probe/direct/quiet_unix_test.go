//go:build unix

package direct

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// awaitReadable returns when something has arrived on a connection, be it its end.
func awaitReadable(t *testing.T, conn net.Conn) {
	t.Helper()
	system := systemConn(conn)
	if system == nil {
		t.Fatalf("a %T is none of the system's", conn)
	}
	err := system.Read(func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
		return !errors.Is(err, syscall.EAGAIN)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What a server has done to an idle connection is seen before a request goes there
// that could not be sent again: a login would fail for no reason of its own.
func TestIdleConnectionIsLookedAt(t *testing.T) {
	settings, client := certified(t)
	tests := []struct {
		name   string
		answer string
		after  func(net.Conn) // what the server does then
	}{
		{name: "closed", answer: ok, after: func(conn net.Conn) { conn.Close() }},
		{name: "half closed", answer: ok, after: func(conn net.Conn) {
			_ = conn.(interface{ CloseWrite() error }).CloseWrite() // which over TLS is a close_notify
		}},
		{name: "unsolicited bytes", answer: ok, after: func(conn net.Conn) { say(conn, ok) }},
		{name: "unsolicited bytes behind a long body", answer: head("Content-Length: 50000") + strings.Repeat("a", 50000), after: func(conn net.Conn) { say(conn, ok) }},
	}
	for _, scheme := range []string{"http", "https"} {
		for _, test := range tests {
			t.Run(scheme+" "+test.name, func(t *testing.T) {
				proceed := make(chan struct{})
				attend := func(conn net.Conn) {
					respond(conn, func(_ int, req *http.Request, _ string) (string, bool) {
						return test.answer, req.Method == http.MethodGet
					})
					select {
					case <-proceed:
						test.after(conn)
						swallow(conn)
					case <-t.Context().Done():
					}
				}
				if scheme == "https" {
					attend = overTLS(settings, attend)
				}
				server := newSite(t, attend)
				kept := transport(t, server)
				kept.TLSClientConfig = client
				if _, err := ask(kept, request(t, http.MethodGet, scheme+"://example.com/", "")); err != nil {
					t.Fatal(err)
				}
				server.expect(t, 1, 1)
				proceed <- struct{}{}
				awaitReadable(t, server.dialled()[0])
				body, err := ask(kept, request(t, http.MethodPost, scheme+"://example.com/", "a=b"))
				if _, want, _ := strings.Cut(test.answer, "\r\n\r\n"); err != nil || body != want {
					t.Errorf("got %.20q and error %v, want %.20q", body, err, want)
				}
				server.expect(t, 2, 1)
			})
		}
	}
}

// There may be others to be had when one was closed.
func TestEachIdleConnectionIsLookedAt(t *testing.T) {
	server := newSite(t, always(ok))
	kept := transport(t, server)
	finish(t, begin(t, kept, 2))
	last := kept.idle[origin{"http", "example.com"}][1]
	if err := last.Conn.(*clientConn).Conn.(*net.TCPConn).CloseRead(); err != nil {
		t.Fatal(err)
	}
	mustAsk(t, kept, request(t, http.MethodPost, "http://example.com/", "a=b"))
	server.expect(t, 2, 1)
}

// What a server has closed is given up though nobody asks for it, and what it has
// not, stays.
func TestSweep(t *testing.T) {
	closing := make(chan struct{})
	server := newSite(t, func(conn net.Conn) {
		respond(conn, func(_ int, req *http.Request, _ string) (string, bool) { return ok, req.Host == "closing.test" })
		<-closing
	})
	kept := transport(t, server)
	for _, host := range []string{"closing.test", "example.com"} {
		mustAsk(t, kept, request(t, http.MethodGet, "http://"+host+"/", ""))
	}
	kept.sweep()
	server.expect(t, 2, 2)
	close(closing)
	awaitReadable(t, server.dialled()[0])
	kept.sweep()
	server.expect(t, 2, 1)
	if conns := server.dialled(); !conns[0].isClosed() || len(kept.idle) != 1 {
		t.Errorf("the wrong one was closed, or %d origins are left", len(kept.idle))
	}
}
