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

// ServerOptions is what a server's certificate says.
type ServerOptions struct {
	NotAfter time.Time // zero: in a year; may have passed
	Hosts    []string  // names and IP addresses; none: 127.0.0.1, ::1 and localhost
	// TicketKey seals TLS sessions, which all servers with the same key resume. Zero:
	// a key of its own.
	TicketKey [32]byte
}

// A Server serves one handler over TLS and HTTP/1.1, as the appliances do. It
// can be switched off and on again on the same port.
type Server struct {
	handler http.Handler
	tls     *tls.Config

	mu      sync.Mutex // guards the fields below
	address string     // once listened on, with the port that was given
	running *running   // nil: off
	release func()     // of the port that is held while it is off; nil when none is
}

// Serve starts a server for a handler on an address as "127.0.0.1:0", with a
// new certificate.
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
	if opts.TicketKey != [32]byte{} {
		s.tls.SetSessionTicketKeys([][32]byte{opts.TicketKey})
	}
	if err := s.On(); err != nil {
		return nil, err
	}
	return s, nil
}

// URL returns where the server is or was listening, as "https://127.0.0.1:1234".
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return "https://" + s.address
}

// On starts a server that is off. It fails if its port has been taken meanwhile.
func (s *Server) On() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		return nil
	}
	s.free()
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp", s.address)
	if err != nil {
		return fmt.Errorf("starting a simulated server: %w", err)
	}
	s.address = listener.Addr().String()
	s.running = start(tls.NewListener(listener, s.tls), s.handler)
	return nil
}

// Off is a power-off: it closes the port, resets every open connection, and
// returns when no request is being served. A handler must end when its request's
// context does. The port stays the server's, as far as the system lets it.
func (s *Server) Off() {
	if !s.stop() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil && s.release == nil {
		s.release = hold(s.address)
	}
}

// Close stops the server for good. It does what Off does, and gives up the port.
func (s *Server) Close() {
	s.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free()
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

// free gives up the port that is held. The caller holds mu.
func (s *Server) free() {
	if s.release != nil {
		s.release()
		s.release = nil
	}
}

// running is a server from On to Off.
type running struct {
	listener net.Listener
	cancel   context.CancelFunc // of the context of every request
	serving  sync.WaitGroup     // the accept loop
	open     sync.WaitGroup     // connections

	mu    sync.Mutex // guards conns
	conns map[net.Conn]struct{}
}

func start(listener net.Listener, handler http.Handler) *running {
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{listener: listener, cancel: cancel, conns: map[net.Conn]struct{}{}}
	server := &http.Server{
		Handler:           handler,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnState:         r.track,
		ReadHeaderTimeout: 10 * time.Second,
		// Clients that refuse the certificate are what tests and demonstrations
		// are about: nothing to log.
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	r.serving.Go(func() {
		_ = server.Serve(listener) // ends when the listener is closed
	})
	return r
}

// track keeps the set of open connections: http.Server has it too, but closes
// them politely.
func (r *running) track(conn net.Conn, state http.ConnState) {
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

func (r *running) stop() {
	_ = r.listener.Close()
	// The accept loop reports each connection before it takes the next, so now
	// the set can only shrink.
	r.serving.Wait()
	r.mu.Lock()
	for conn := range r.conns {
		reset(conn)
	}
	r.mu.Unlock()
	// Only now: a handler that ends before the reset would close its connection
	// politely.
	r.cancel()
	r.open.Wait()
}
