// Package pipenet connects clients and servers in one process through net.Pipe, for tests in
// virtual time: in a bubble of testing/synctest, time does not pass while a goroutine waits
// for a socket.
package pipenet

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
)

// Listener accepts the connections that its Dial makes. They have no buffers: a write
// returns when the peer has read it.
type Listener struct {
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

// Listen returns an open listener.
func Listen() *Listener {
	closed := make(chan struct{})
	return &Listener{
		conns:  make(chan net.Conn),
		closed: closed,
		close:  sync.OnceFunc(func() { close(closed) }),
	}
}

// Serve returns a listener that serves a handler until the test ends.
func Serve(tb testing.TB, handler http.Handler) *Listener {
	tb.Helper()
	l := Listen()
	server := &http.Server{Handler: handler, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)} //nolint:gosec // its clients are the test's
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) }) // its error is that the server was closed
	tb.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
	})
	return l
}

// Dial connects to the listener, whatever the address: the accepted connection has the address
// as its local one. Dial waits until the connection is accepted. It fails with net.ErrClosed
// if the listener is closed, or with the error of ctx.
func (l *Listener) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- conn{server, addr(address)}:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Accepted connections stay open.
func (l *Listener) Close() error {
	l.close()
	return nil
}

// Addr implements net.Listener.
func (*Listener) Addr() net.Addr { return addr("") }

// conn is the server's end of a connection.
type conn struct {
	net.Conn
	dialed addr
}

func (c conn) LocalAddr() net.Addr { return c.dialed }

type addr string

func (addr) Network() string  { return "pipe" }
func (a addr) String() string { return string(a) }
