package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"session_exporter/collector"
	"session_exporter/config"
	"session_exporter/simulator/pipenet"
)

// testServer is a server with at most maxTestConnections, together with a client of it.
type testServer struct {
	*http.Client
	transport *http.Transport
	listener  *pipenet.Listener
	// durations receives the duration of each response, including the time in which the
	// client reads it.
	durations chan time.Duration
}

const maxTestConnections = 8

// serve serves a handler over HTTP/1.1 or HTTP/2.0.
func serve(t *testing.T, handler http.Handler, protocol string) *testServer {
	t.Helper()
	s := &testServer{
		listener:  pipenet.Listen(),
		durations: make(chan time.Duration, 10),
	}
	server := NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		defer func() { s.durations <- time.Since(start) }()
		handler.ServeHTTP(w, r)
	}), maxTestConnections)
	server.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Protocols = new(http.Protocols)
	server.Protocols.SetHTTP1(protocol == "HTTP/1.1")
	server.Protocols.SetUnencryptedHTTP2(protocol == "HTTP/2.0")
	s.transport = &http.Transport{
		DialContext: s.listener.Dial, DisableCompression: true, Protocols: server.Protocols,
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10}, // what the client accepts before it reads
	}
	s.Client = &http.Client{Transport: s.transport}
	serving := make(chan error, 1)
	go func() { serving <- server.Serve(s.listener) }()
	t.Cleanup(func() {
		s.transport.CloseIdleConnections()
		_ = server.Close()
		if err := <-serving; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return s
}

// startedResponse is a response whose body has not been read.
type startedResponse struct {
	status          int
	proto, encoding string
	body            io.Reader
}

// get requests a path, and returns when the response has started.
func (s *testServer) get(t *testing.T, path, encoding string) startedResponse {
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
	return startedResponse{response.StatusCode, response.Proto, response.Header.Get("Content-Encoding"), response.Body}
}

// checkFinished checks that a response has finished within a duration.
func (s *testServer) checkFinished(t *testing.T, within time.Duration) {
	t.Helper()
	select {
	case took := <-s.durations:
		if took > within {
			t.Errorf("finished after %s", took)
		}
	default:
		t.Error("not finished")
	}
}

// newLargeHandler returns a handler whose /metrics and /config exceed all buffers.
func newLargeHandler(t *testing.T) http.Handler {
	t.Helper()
	many := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "many", Help: "Many."}, []string{"label"})
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 7_000 { // random, so that compression does not help
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

// A response that the client does not read is aborted.
func TestClientThatReadsNothing(t *testing.T) {
	for _, protocol := range protocols {
		for _, path := range []string{"/metrics", "/config"} {
			t.Run(protocol+path, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					handler := newLargeHandler(t)
					s := serve(t, handler, protocol)
					response := s.get(t, path, "")
					if response.proto != protocol {
						t.Fatalf("spoke %s", response.proto)
					}
					time.Sleep(time.Hour)
					s.checkFinished(t, writeDeadline)
					if _, err := io.Copy(io.Discard, response.body); err == nil {
						t.Error("the response is complete")
					}
					const failed = "promhttp_metric_handler_errors_total"
					if body := send(handler, "GET", "/metrics?name[]="+failed).Body.String(); !strings.Contains(body, failed+`{cause="encoding"} 0`) {
						t.Errorf("the aborted response is counted as an encoding error:\n%s", body)
					}
				})
			})
		}
	}
}

// A client that reads slowly gets the whole response, even if that takes much longer than
// writeDeadline.
func TestSlowClient(t *testing.T) {
	for _, protocol := range protocols {
		for _, tc := range []struct{ path, encoding string }{{"/metrics", ""}, {"/metrics", "gzip"}, {"/metrics", "zstd"}, {"/config", ""}} {
			t.Run(strings.Join([]string{protocol, tc.path, tc.encoding}, " "), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := serve(t, newLargeHandler(t), protocol)
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
						time.Sleep(writeDeadline / 10)
					}
					if took := time.Since(start); took < 2*writeDeadline {
						t.Errorf("the response took only %s, too short for this test", took)
					}
				})
			})
		}
	}
}

// The responses on a blocked HTTP/2 connection are aborted, even if the streams' own flow
// control does not block them.
func TestBlockedHTTP2Connection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, newLargeHandler(t), "HTTP/2.0")
		s.transport.HTTP2 = nil // the default window is larger than the page
		stopped := make(chan struct{})
		defer close(stopped)
		s.transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := s.listener.Dial(ctx, network, address)
			return &stallingConn{Conn: conn, left: 16 << 10, stopped: stopped}, err
		}
		s.get(t, "/metrics", "")
		time.Sleep(time.Hour)
		s.checkFinished(t, 2*writeDeadline) // the deadline was extended once
	})
}

// stallingConn blocks reads after left bytes, until stopped is closed.
type stallingConn struct {
	net.Conn
	left    int
	stopped chan struct{}
}

func (s *stallingConn) Read(p []byte) (int, error) {
	if s.left == 0 {
		<-s.stopped
		return 0, net.ErrClosed
	}
	n, err := s.Conn.Read(p[:min(len(p), s.left)])
	s.left -= n
	return n, err
}

// A probe may take longer than the deadlines of a connection, and so may the time between
// two requests on one connection.
func TestLateResponses(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				settings := threeEndpoints()
				for _, endpoint := range settings.Endpoints {
					endpoint.Timeout = 5 * time.Minute
				}
				s := serve(t, newProbingHandler(t, settings), protocol)
				for _, path := range []string{"/probe?endpoint=slow", "/-/healthy", "/probe?endpoint=slow", "/metrics"} {
					response := s.get(t, path, "")
					body, err := io.ReadAll(response.body)
					if err != nil || response.status != http.StatusOK || len(body) == 0 {
						t.Errorf("%s: status %d, %d bytes, %v", path, response.status, len(body), err)
					}
					time.Sleep(10 * writeDeadline)
				}
			})
		})
	}
}

// A client that stalls in any phase of its connection loses it.
func TestClientThatStops(t *testing.T) {
	for name, tc := range map[string]struct {
		sent   string
		after  time.Duration
		status string // of the response, empty for none
	}{
		"before its request":    {"", readDeadline, ""},
		"in the request line":   {"GET /metr", readDeadline, "400"},
		"in the headers":        {"GET /metrics HTTP/1.1\r\nHost: x\r\nX-", readDeadline, "400"},
		"before its body":       {"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n", readDeadline, "408"},
		"in its body":           {"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123", readDeadline, "408"},
		"in a chunk":            {"POST /-/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n1", readDeadline, "408"},
		"after a request":       {"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n", idleDeadline, "200"},
		"in the second request": {"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\nGET /-/hea", readDeadline, "200"},
		"with a body too large": {"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n" + strings.Repeat("x", 70_000), time.Second, "413"},
		"with invalid chunking": {"POST /-/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", time.Second, "400"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, newHandler(t, newOptions()), "HTTP/1.1")
				conn, err := s.listener.Dial(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				go func() { _, _ = io.WriteString(conn, tc.sent) }() // fails if the server does not read all
				response, err := io.ReadAll(conn)
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took > tc.after || tc.after > time.Second && took < tc.after {
					t.Errorf("closed after %s, want %s", took, tc.after)
				}
				if _, rest, _ := strings.Cut(string(response), " "); (tc.status == "") != (rest == "") || !strings.HasPrefix(rest, tc.status) {
					t.Errorf("response %q, want %s", response, tc.status)
				}
			})
		})
	}
}

func TestBodiesThatNeverArriveHoldNoScrapeSlot(t *testing.T) {
	handler := newHandler(t, newOptions())
	server := httptest.NewServer(nil)
	server.Config.Handler = NewServer(handler, 2*maxScrapes).Handler
	t.Cleanup(server.Close) // runs after the connections below are closed
	for range maxScrapes {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := io.WriteString(conn, "GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	response, err := http.Get(server.URL + "/metrics")
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%+v, %v", response, err)
	}
	_ = response.Body.Close()
}

// The body of a form reaches its handler.
func TestBodyIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, newHandler(t, newOptions()), "HTTP/1.1")
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://exporter.test/-/resume?credential=known", strings.NewReader("endpoint=a"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept", "text/html")
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		response, err := s.transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if got := response.Header.Get("Location"); got != "../endpoints/a?done=resumed" {
			t.Errorf("leads to %q", got)
		}
	})
}

// A client that stalls loses its connection over HTTP/2, too, where requests are streams of
// one connection.
func TestHTTP2ClientThatStops(t *testing.T) {
	headers := func(f *http2.Framer, endHeaders bool) error {
		var block bytes.Buffer
		encoder := hpack.NewEncoder(&block)
		for _, field := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "x"}, {":path", "/metrics"}} {
			if err := encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
				return err
			}
		}
		return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: endHeaders})
	}
	for name, send := range map[string]func(*http2.Framer) error{
		"after the preface":  func(*http2.Framer) error { return nil },
		"after its settings": func(f *http2.Framer) error { return f.WriteSettings() },
		"in the headers": func(f *http2.Framer) error {
			return errors.Join(f.WriteSettings(), headers(f, false))
		},
		"before the body": func(f *http2.Framer) error {
			return errors.Join(f.WriteSettings(), headers(f, true))
		},
		"only with pings": func(f *http2.Framer) error {
			err := f.WriteSettings()
			for ; err == nil; time.Sleep(10 * time.Second) {
				err = f.WritePing(false, [8]byte{})
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, newHandler(t, newOptions()), "HTTP/2.0")
				conn, err := s.listener.Dial(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				var sending sync.WaitGroup
				sending.Go(func() {
					if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
						t.Error(err)
					}
					if err := send(http2.NewFramer(conn, nil)); err != nil {
						t.Error(err)
					}
				})
				_, _ = io.Copy(io.Discard, conn)
				_ = conn.Close()
				took := time.Since(start)
				sending.Wait()
				if took > readDeadline+idleDeadline+time.Second {
					t.Errorf("closed after %s", took)
				}
			})
		})
	}
}
