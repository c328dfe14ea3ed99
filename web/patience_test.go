package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"session_exporter/collector"
	"session_exporter/config"
)

// pipes is a listener whose connections are pipes, which hold nothing: what is
// written has been read. The client's end is as wrap makes it.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	wrap   func(net.Conn) net.Conn
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }
func (p *pipes) Close() error   { close(p.closed); return nil }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	if p.wrap != nil {
		return p.wrap(ours), nil
	}
	return ours, nil
}

// served is a handler behind a server, and the client of it.
type served struct {
	*http.Client
	transport *http.Transport
	pipes     *pipes
	// ended has how long each answer took, the client's patience included.
	ended chan time.Duration
}

// serve serves a handler, with HTTP/2 or without.
func serve(t *testing.T, handler http.Handler, protocol string) *served {
	t.Helper()
	s := &served{
		pipes: &pipes{conns: make(chan net.Conn), closed: make(chan struct{})},
		ended: make(chan time.Duration, 10),
	}
	server := NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		defer func() { s.ended <- time.Since(start) }()
		handler.ServeHTTP(w, r)
	}))
	server.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Protocols = new(http.Protocols)
	server.Protocols.SetHTTP1(protocol == "HTTP/1.1")
	server.Protocols.SetUnencryptedHTTP2(protocol == "HTTP/2.0")
	s.transport = &http.Transport{
		DialContext: s.pipes.dial, DisableCompression: true, Protocols: server.Protocols,
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10}, // what a client takes unasked
	}
	s.Client = &http.Client{Transport: s.transport}
	serving := make(chan error, 1)
	go func() { serving <- server.Serve(s.pipes) }()
	t.Cleanup(func() {
		s.transport.CloseIdleConnections()
		_ = server.Close()
		if err := <-serving; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return s
}

// begun is an answer that has begun.
type begun struct {
	status          int
	proto, encoding string
	body            io.Reader
}

// get asks for a path, and returns once the answer has begun.
func (s *served) get(t *testing.T, path, encoding string) begun {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://exporter.test"+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept-Encoding", encoding)
	response, err := s.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return begun{response.StatusCode, response.Proto, response.Header.Get("Content-Encoding"), response.Body}
}

// checkEnded checks that an answer has ended within some time.
func (s *served) checkEnded(t *testing.T, within time.Duration) {
	t.Helper()
	select {
	case took := <-s.ended:
		if took > within {
			t.Errorf("it ended after %s", took)
		}
	default:
		t.Error("it has not ended")
	}
}

// newLarge is a handler whose pages have far more than is written at a time.
func newLarge(t *testing.T) http.Handler {
	t.Helper()
	many := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "many", Help: "Many."}, []string{"label"})
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 7_000 { // that cannot be compressed away
		many.WithLabelValues(fmt.Sprintf("%016x%016x%016x", random.Uint64(), random.Uint64(), random.Uint64())).Set(float64(i))
	}
	o := newOptions()
	o.Registry.MustRegister(many)
	settings := &config.Config{YAML: strings.Repeat("# A configuration.\n", 30_000)}
	if err := o.Collector.Apply(settings, func(*config.Endpoint) (collector.Prober, error) { return nil, nil }); err != nil {
		t.Fatal(err)
	}
	return newHandler(t, o)
}

var protocols = []string{"HTTP/1.1", "HTTP/2.0"}

// The answer of a client that takes nothing of it ends.
func TestClientThatTakesNothing(t *testing.T) {
	for _, protocol := range protocols {
		for _, path := range []string{"/metrics", "/config"} {
			t.Run(protocol+path, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					handler := newLarge(t)
					s := serve(t, handler, protocol)
					response := s.get(t, path, "")
					if response.proto != protocol {
						t.Fatalf("spoke %s", response.proto)
					}
					time.Sleep(time.Hour)
					s.checkEnded(t, patience)
					if _, err := io.Copy(io.Discard, response.body); err == nil {
						t.Error("the answer is complete")
					}
					const failed = "promhttp_metric_handler_errors_total"
					if body := ask(handler, "GET", "/metrics?name[]="+failed).Body.String(); !strings.Contains(body, failed+`{cause="encoding"} 0`) {
						t.Errorf("it counts as an error of ours:\n%s", body)
					}
				})
			})
		}
	}
}

// One that reads slowly gets all, even if that takes far longer.
func TestSlowClient(t *testing.T) {
	for _, protocol := range protocols {
		for _, tc := range []struct{ path, encoding string }{{"/metrics", ""}, {"/metrics", "gzip"}, {"/metrics", "zstd"}, {"/config", ""}} {
			t.Run(strings.Join([]string{protocol, tc.path, tc.encoding}, " "), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := serve(t, newLarge(t), protocol)
					start := time.Now()
					response := s.get(t, tc.path, tc.encoding)
					if response.encoding != tc.encoding {
						t.Fatalf("encoded as %q", response.encoding)
					}
					for {
						_, err := io.CopyN(io.Discard, response.body, 8<<10)
						if errors.Is(err, io.EOF) {
							break
						}
						if err != nil {
							t.Fatalf("after %s: %v", time.Since(start), err)
						}
						time.Sleep(patience / 10)
					}
					if took := time.Since(start); took < 2*patience {
						t.Errorf("it took %s, which proves nothing", took)
					}
				})
			})
		}
	}
}

// A connection of HTTP/2 that takes nothing keeps none of its answers, even where
// nothing but the connection holds them up.
func TestConnectionThatTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, newLarge(t), "HTTP/2.0")
		s.transport.HTTP2 = nil // with more room than the page takes
		stopped := make(chan struct{})
		defer close(stopped)
		s.pipes.wrap = func(conn net.Conn) net.Conn { return &stalling{Conn: conn, left: 16 << 10, stopped: stopped} }
		s.get(t, "/metrics", "")
		time.Sleep(time.Hour)
		s.checkEnded(t, 2*patience) // once for what it took part of
	})
}

// stalling is a connection that is read no more when so many bytes were, until
// the test is over.
type stalling struct {
	net.Conn
	left    int
	stopped chan struct{}
}

func (s *stalling) Read(p []byte) (int, error) {
	if s.left == 0 {
		<-s.stopped
		return 0, net.ErrClosed
	}
	n, err := s.Conn.Read(p[:min(len(p), s.left)])
	s.left -= n
	return n, err
}

// A probe may take longer than anybody is waited for, and so may the time between
// two answers on one connection.
func TestLateAnswers(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				settings := threeEndpoints()
				for _, endpoint := range settings.Endpoints {
					endpoint.Timeout = 5 * time.Minute
				}
				s := serve(t, newWatching(t, settings), protocol)
				for _, path := range []string{"/probe?endpoint=slow", "/-/healthy", "/probe?endpoint=slow", "/metrics"} {
					response := s.get(t, path, "")
					body, err := io.ReadAll(response.body)
					if err != nil || response.status != http.StatusOK || len(body) == 0 {
						t.Errorf("%s: status %d, %d bytes, %v", path, response.status, len(body), err)
					}
					time.Sleep(10 * patience)
				}
			})
		})
	}
}
