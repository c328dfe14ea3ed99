package simulator

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// ServerOptions determine a server's certificate.
type ServerOptions struct {
	NotAfter time.Time // zero: in a year; may be in the past
	Hosts    []string  // names and IP addresses; empty: 127.0.0.1, ::1 and localhost
}

// A Server serves a handler over TLS and HTTP/1.1, as the appliances do. It can be
// switched off and on again on the same port.
type Server struct {
	handler http.Handler
	tls     *tls.Config

	mu      sync.Mutex     // guards the fields below
	address string         // from the first On, with the port that the system assigned
	running *runningServer // nil: off
	release func()         // releases the port that is reserved while off; nil: none is reserved
}

// Serve starts a server with a new certificate on an address such as "127.0.0.1:0".
func (c *CA) Serve(h http.Handler, address string, opts ServerOptions) (*Server, error) {
	certificate, err := c.issue(opts)
	if err != nil {
		return nil, err
	}
	s := &Server{
		handler: h,
		tls:     &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}},
		address: address,
	}
	if err := s.On(); err != nil {
		return nil, err
	}
	return s, nil
}

// URL returns the server's URL, such as "https://127.0.0.1:1234", even while it is off.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return "https://" + s.address
}

// On switches the server on. It fails if another process has taken its port.
func (s *Server) On() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		return nil
	}
	s.freePortLocked()
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp", s.address)
	if err != nil {
		return fmt.Errorf("starting a simulated server: %w", err)
	}
	s.address = listener.Addr().String()
	s.running = start(tls.NewListener(listener, s.tls), s.handler)
	return nil
}

// Off simulates a power-off: it closes the port, resets all open connections, and returns
// when no request is being served. Handlers must return when their request's context is
// done. The port stays reserved where the system supports that.
func (s *Server) Off() {
	if !s.stop() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil && s.release == nil {
		s.release = reservePort(s.address)
	}
}

// Close stops the server as Off does, and releases the port.
func (s *Server) Close() {
	s.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.freePortLocked()
}

// stop reports whether the server was running.
func (s *Server) stop() bool {
	s.mu.Lock()
	r := s.running
	s.running = nil
	s.mu.Unlock()
	if r != nil {
		r.stop()
	}
	return r != nil
}

// freePortLocked releases the reserved port.
func (s *Server) freePortLocked() {
	if s.release != nil {
		s.release()
		s.release = nil
	}
}

// runningServer is the state of a server from On to Off.
type runningServer struct {
	listener net.Listener
	cancel   context.CancelFunc // of the context of every request
	serving  sync.WaitGroup     // the accept loop
	open     sync.WaitGroup     // connections

	mu    sync.Mutex // guards conns
	conns map[net.Conn]struct{}
}

func start(listener net.Listener, handler http.Handler) *runningServer {
	ctx, cancel := context.WithCancel(context.Background())
	r := &runningServer{listener: listener, cancel: cancel, conns: map[net.Conn]struct{}{}}
	server := &http.Server{
		Handler:           handler,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnState:         r.track,
		ReadHeaderTimeout: 10 * time.Second,
		// Handshakes that fail because of the certificate are intended.
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	r.serving.Go(func() {
		_ = server.Serve(listener) // returns when the listener is closed
	})
	return r
}

// track implements http.Server's ConnState. It keeps the set of open connections, because
// http.Server's Close would not reset them.
func (r *runningServer) track(conn net.Conn, state http.ConnState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch state {
	case http.StateNew:
		r.conns[conn] = struct{}{}
		r.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		delete(r.conns, conn)
		r.open.Done()
	}
}

func (r *runningServer) stop() {
	_ = r.listener.Close()
	// The accept loop calls track for each connection before it accepts the next, so once it
	// has returned, conns can only shrink.
	r.serving.Wait()
	r.mu.Lock()
	for conn := range r.conns {
		reset(conn)
	}
	r.mu.Unlock()
	// After the reset: a handler that returns earlier would close its connection with
	// FIN.
	r.cancel()
	r.open.Wait()
}
