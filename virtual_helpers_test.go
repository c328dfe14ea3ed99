package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"session_exporter/probe"
	"session_exporter/simulator"
)

// A world is an exporter, its configuration on disk and the appliances that it
// watches over pipes. In a synctest bubble all of it lives in virtual time: a
// day of a fleet takes seconds.
type world struct {
	*exporter
	t        *testing.T
	dir      string
	conns    chan net.Conn
	closed   chan struct{}
	registry *prometheus.Registry

	mu    sync.Mutex // guards sites
	sites map[string]*site

	answering sync.WaitGroup // requests that the appliances have

	cancel  context.CancelFunc
	stopped chan struct{}
	left    error // of Run, once stopped is closed
}

// newWorld returns one without appliances, whose exporter does not run yet. It
// ends with the test, and leaves no goroutine behind.
func newWorld(t *testing.T, logger *slog.Logger) *world {
	t.Helper()
	w := &world{
		t:        t,
		dir:      t.TempDir(),
		conns:    make(chan net.Conn),
		closed:   make(chan struct{}),
		registry: prometheus.NewRegistry(),
		sites:    make(map[string]*site),
	}
	w.exporter = newExporter(filepath.Join(w.dir, "session_exporter.yml"), probe.NewFactoryOver(w.dial), logger)
	w.registry.MustRegister(w.watch)
	server := &http.Server{Handler: http.HandlerFunc(w.route), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(w) })
	t.Cleanup(func() {
		w.stop()
		_ = server.Close()
		serving.Wait()
	})
	return w
}

// dial connects to the appliance of an address, if there is one.
func (w *world) dial(ctx context.Context, _, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if w.site(host) == nil {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	ours, theirs := net.Pipe()
	select {
	case w.conns <- pipeEnd{theirs, host}:
		return ours, nil
	case <-w.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept, Close and Addr make a net.Listener of the world.
func (w *world) Accept() (net.Conn, error) {
	select {
	case conn := <-w.conns:
		return conn, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

func (w *world) Close() error {
	close(w.closed)
	return nil
}

func (*world) Addr() net.Addr { return hostAddr("") }

// pipeEnd is an appliance's end of a connection. It knows whose it is.
type pipeEnd struct {
	net.Conn
	host string
}

func (p pipeEnd) LocalAddr() net.Addr { return hostAddr(p.host) }

type hostAddr string

func (hostAddr) Network() string  { return "pipe" }
func (h hostAddr) String() string { return string(h) }

// route goes by the host that was dialled, and not by what the request says.
func (w *world) route(rw http.ResponseWriter, r *http.Request) {
	dialled := r.Context().Value(http.LocalAddrContextKey).(net.Addr).String()
	if r.Host != dialled {
		w.t.Errorf("a request for %s was sent to %s", r.Host, dialled)
	}
	w.answering.Add(1)
	defer w.answering.Done() // which a fault's panic runs too
	w.site(dialled).ServeHTTP(rw, r)
}

func (w *world) site(host string) *site {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sites[host]
}

// add lets an appliance be reached as http://NAME.test.
func (w *world) add(name string, appliance *simulator.Appliance) *site {
	s := &site{Appliance: appliance, name: name}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sites[name+".test"] = s
	return s
}

// write writes a file beside the configuration.
func (w *world) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// load writes the configuration and loads it.
func (w *world) load(text string) {
	w.t.Helper()
	w.write("session_exporter.yml", text)
	if err := w.Reload(); err != nil {
		w.t.Fatal(err)
	}
}

// start probes from now on.
func (w *world) start() {
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel, w.stopped = cancel, make(chan struct{})
	go func() {
		defer close(w.stopped)
		w.left = w.watch.Run(ctx)
	}()
}

// stop shuts the exporter down and returns how long that took.
func (w *world) stop() time.Duration {
	if w.cancel == nil {
		return 0
	}
	begin := time.Now()
	w.cancel()
	<-w.stopped
	return time.Since(begin)
}

// total sums what the appliances have counted.
func (w *world) total(count func(simulator.Stats) int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	sum := 0
	for _, s := range w.sites {
		sum += count(s.Stats())
	}
	return sum
}

func refusals(s simulator.Stats) int { return s.Refusals }
func attempts(s simulator.Stats) int { return s.Attempts + s.Checks }
