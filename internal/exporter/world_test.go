package exporter

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"session_exporter/probe"
	"session_exporter/simulator"
	"session_exporter/simulator/pipenet"
)

// A world is an exporter, its configuration on disk and the appliances that it probes
// over pipes. In a synctest bubble it runs in virtual time: a day of a fleet takes seconds.
type world struct {
	*Exporter
	t        *testing.T
	dir      string
	listener *pipenet.Listener
	metrics  prometheus.Gatherer
	override http.Handler // if set, handles the requests to all sites

	dials atomic.Int64 // connections made

	mu    sync.Mutex // guards sites
	sites map[string]*site

	responding sync.WaitGroup // requests that the appliances are handling

	cancel  context.CancelFunc
	stopped chan struct{}
	left    error // the error of Run, once stopped is closed
}

// newWorld returns a world without appliances, whose exporter is not running yet. It is
// cleaned up with the test.
func newWorld(t *testing.T, logger *slog.Logger) *world {
	t.Helper()
	w := &world{
		t:     t,
		dir:   t.TempDir(),
		sites: make(map[string]*site),
	}
	w.Exporter = newExporter([]string{filepath.Join(w.dir, "session_exporter.yml")}, probe.NewManagerWithDial(w.dial), logger)
	registry := prometheus.NewRegistry()
	registry.MustRegister(w.collector.ExporterMetrics())
	w.metrics = prometheus.Gatherers{registry, w.collector.Endpoints()}
	w.listener = pipenet.Serve(t, http.HandlerFunc(w.route))
	t.Cleanup(func() { w.stop() }) // before the appliances stop
	return w
}

// dial connects to the appliance at an address, if it exists.
func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if w.site(host) == nil && w.override == nil {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	w.dials.Add(1)
	return w.listener.Dial(ctx, network, address)
}

// route selects the appliance by the dialed host, not by the Host header.
func (w *world) route(rw http.ResponseWriter, r *http.Request) {
	dialed, _, _ := net.SplitHostPort(r.Context().Value(http.LocalAddrContextKey).(net.Addr).String())
	if r.Host != dialed {
		w.t.Errorf("a request for %s was sent to %s", r.Host, dialed)
	}
	w.responding.Add(1)
	defer w.responding.Done() // deferred because a fault may panic
	if w.override != nil {
		w.override.ServeHTTP(rw, r)
		return
	}
	w.site(dialed).ServeHTTP(rw, r)
}

func (w *world) site(host string) *site {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sites[host]
}

// add makes an appliance reachable as http://NAME.test.
func (w *world) add(name string, appliance *simulator.Appliance) *site {
	s := &site{Appliance: appliance, name: name}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sites[name+".test"] = s
	return s
}

// write writes a file into the configuration's directory.
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

// start starts the exporter.
func (w *world) start() {
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel, w.stopped = cancel, make(chan struct{})
	go func() {
		defer close(w.stopped)
		w.left = w.collector.Run(ctx)
	}()
}

// stop shuts the exporter down and returns how long it took.
func (w *world) stop() time.Duration {
	if w.cancel == nil {
		return 0
	}
	begin := time.Now()
	w.cancel()
	<-w.stopped
	return time.Since(begin)
}

// total sums a counter of all appliances.
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
func received(s simulator.Stats) int { return s.Attempts + s.Checks } // logins and checks
