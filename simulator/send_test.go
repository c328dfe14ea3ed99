package simulator

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestDripEndsOnlyAtSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := alice()
		settings.Faults = []Fault{{Body: "[]", Size: 60, Drip: time.Minute}}
		a := NewDR("", settings)
		start := time.Now()
		w := do(a, testRequest{method: "GET", path: "/session"})
		if got := time.Since(start); got != time.Hour {
			t.Errorf("response after %v, want 1h", got)
		}
		if w.Body.Len() != 60 {
			t.Errorf("%d bytes, want 60", w.Body.Len())
		}
	})
}

// A fault that waits aborts without a response when its client disconnects.
func TestWaitingFaultsEndWithTheirRequest(t *testing.T) {
	for name, f := range map[string]Fault{
		"hang":  {Hang: true},
		"delay": {Delay: time.Hour},
		"drip":  {Drip: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := NewDR("", Settings{Faults: []Fault{f}})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				start := time.Now()
				defer func() {
					if p, _ := recover().(error); !errors.Is(p, http.ErrAbortHandler) {
						t.Errorf("panic %v, want ErrAbortHandler", p)
					}
					if got := time.Since(start); got != time.Minute {
						t.Errorf("aborted after %v, want 1m", got)
					}
				}()
				a.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/session", nil))
			})
		})
	}
}

func TestResetOverTLS(t *testing.T) {
	a := NewDR("", Settings{Faults: []Fault{{Times: 1, Reset: true}}})
	client, server := serve(t, a, ServerOptions{})
	q := testRequest{method: "DELETE", path: "/session"} // never retried by the client
	if _, err := send(client, q.build(server.URL())); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("error %v, want %v", err, syscall.ECONNRESET)
	}
	if _, err := send(client, q.build(server.URL())); err != nil {
		t.Errorf("after the fault: error %v", err)
	}
}

func TestHangOverTLS(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(cancel func(), server *Server)
	}{
		{"client disconnects", func(cancel func(), _ *Server) { cancel() }},
		{"server stops", func(_ func(), server *Server) { server.Off() }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			received, done := make(chan bool), make(chan bool)
			a := NewHCX(Settings{Faults: []Fault{{Hang: true}}})
			client, server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				close(received)
				defer close(done)
				a.ServeHTTP(w, r)
			}), ServerOptions{})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				<-received
				tc.end(cancel, server)
			}()
			q := testRequest{method: "POST", path: hcxPath, body: "{}"}
			if status, err := send(client, q.build(server.URL()).WithContext(ctx)); err == nil {
				t.Errorf("status %d, want an error", status)
			}
			<-done
		})
	}
}

func TestLargeBodiesAreNotHeldInMemory(t *testing.T) {
	const size = 8 << 20
	for _, tc := range []struct {
		name  string
		fault Fault
		sent  int64 // maximum
	}{
		{"plain", Fault{Size: size}, size},
		{"gzip", Fault{Size: size, Gzip: true}, size / 500},
	} {
		t.Run(tc.name, func(t *testing.T) {
			client, server := serve(t, NewDR("", Settings{Faults: []Fault{tc.fault}}), ServerOptions{})
			request := testRequest{method: "GET", path: "/session", header: map[string]string{"Accept-Encoding": "gzip"}}.build(server.URL())
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			resp, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			sent := &counter{r: resp.Body}
			body := io.Reader(sent)
			if resp.Header.Get("Content-Encoding") == "gzip" {
				if body, err = gzip.NewReader(sent); err != nil {
					t.Fatal(err)
				}
			}
			if n, err := io.Copy(io.Discard, body); n != size || err != nil {
				t.Errorf("read %d bytes, error %v; want %d", n, err, size)
			}
			runtime.ReadMemStats(&after)
			if sent.n > tc.sent {
				t.Errorf("%d bytes were sent, want at most %d", sent.n, tc.sent)
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > size/2 {
				t.Errorf("%d bytes were allocated for a body of %d", got, size)
			}
		})
	}
}

// A counter counts the bytes read through it.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
