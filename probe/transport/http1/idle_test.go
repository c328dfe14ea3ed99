package http1

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/internal/leaktest"
)

// Requests share a connection only if scheme, host and port are the same.
func TestKeptConnectionServesItsOriginOnly(t *testing.T) {
	server, client := testTLS(t)
	plain := newPipes(t, always(ok))
	secured := newPipes(t, overTLS(server, always(ok)))
	tests := []struct {
		url    string
		dialed int // total of both sites
	}{
		{"http://example.com/a", 1},
		{"http://example.com/b?c", 1},
		{"http://other.example.com/", 2},
		{"http://example.com:8080/", 3},
		{"https://example.com/", 4},
		{"http://example.com/", 4},
		{"https://example.com/", 4},
	}
	both := &Transport{IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 2, MaxResponseHeaderBytes: maxHeaders, TLSClientConfig: client}
	t.Cleanup(both.CloseIdleConnections)
	for _, test := range tests {
		both.DialContext = plain.dial
		if strings.HasPrefix(test.url, "https") {
			both.DialContext = secured.dial
		}
		mustGet(t, both, request(t, http.MethodGet, test.url, ""))
		if n := len(plain.dialed()) + len(secured.dialed()); n != test.dialed {
			t.Errorf("%s: %d connections were made, want %d", test.url, n, test.dialed)
		}
	}
}

// begin sends n requests, and returns the bodies of the responses, which remain to be read.
func begin(t *testing.T, transport http.RoundTripper, n int) []io.ReadCloser {
	t.Helper()
	bodies := make([]io.ReadCloser, 0, n)
	for range n {
		response, err := transport.RoundTrip(request(t, http.MethodGet, "http://example.com/", "")) //nolint:bodyclose // finish does
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, response.Body)
	}
	return bodies
}

// finish reads and closes bodies.
func finish(t *testing.T, bodies []io.ReadCloser) {
	t.Helper()
	for _, body := range bodies {
		if _, err := io.Copy(io.Discard, body); err != nil {
			t.Error(err)
		}
		body.Close()
	}
}

// A connection has one exchange at a time, and no more than MaxIdleConnsPerHost are
// kept.
func TestOneExchangeAtATime(t *testing.T) {
	server := newPipes(t, always(ok))
	kept := transport(t, server)
	finish(t, begin(t, kept, 2))
	server.expect(t, 2, 2)
	finish(t, begin(t, kept, 3))
	server.expect(t, 3, 2)
	bodies := begin(t, kept, 1)
	kept.CloseIdleConnections()
	server.expect(t, 3, 1)
	finish(t, bodies)
	// A timer would keep an unused transport in memory.
	kept.CloseIdleConnections()
	if kept.sweeper != nil || len(kept.idle) != 0 {
		t.Errorf("the timer %v and %d origins remain", kept.sweeper, len(kept.idle))
	}
	server.expect(t, 3, 0)
	mustGet(t, kept, request(t, http.MethodGet, "http://example.com/", ""))
	server.expect(t, 4, 1)
}

// Each connection has its own timeout, which each exchange restarts.
func TestIdleConnTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newPipes(t, always(ok))
		kept := transport(t, server)
		get := func(host string) { mustGet(t, kept, request(t, http.MethodGet, "http://"+host+"/", "")) }
		steps := []struct {
			after        time.Duration
			host         string // requested then, unless empty
			dialed, open int
		}{
			{0, "a", 1, 1},
			{20 * time.Second, "b", 2, 2},
			{20 * time.Second, "a", 2, 2},
			{39 * time.Second, "", 2, 2},
			{time.Second, "", 2, 1}, // b has idled for a minute, and a for 40 seconds
			{19 * time.Second, "", 2, 1},
			{time.Second, "", 2, 0},
			{time.Hour, "a", 3, 1}, // the timeout restarts
			{59 * time.Second, "", 3, 1},
			{time.Second, "", 3, 0},
		}
		for i, step := range steps {
			time.Sleep(step.after)
			synctest.Wait()
			if step.host != "" {
				get(step.host)
			}
			t.Log("step", i)
			server.expect(t, step.dialed, step.open)
		}
	})
}

// A server that closes a kept connection just when a request arrives may have processed
// it. Only a request with a safe method or an Idempotency-Key header is repeated.
func TestClosedBeforeResponse(t *testing.T) {
	withoutGetBody := func(req *http.Request) { req.GetBody = nil }
	setKey := func(req *http.Request) { req.Header["Idempotency-Key"] = nil }
	tests := []struct {
		name, method, body string
		change             func(*http.Request)
		sentAgain          bool
	}{
		{name: "GET", method: http.MethodGet, sentAgain: true},
		{name: "no method", sentAgain: true},
		{name: "HEAD", method: http.MethodHead, sentAgain: true},
		{name: "OPTIONS", method: http.MethodOptions, sentAgain: true},
		{name: "GET with a body", method: http.MethodGet, body: "a=b", sentAgain: true},
		{name: "GET with a body that cannot be sent again", method: http.MethodGet, body: "a=b", change: withoutGetBody},
		{name: "POST", method: http.MethodPost, body: "a=b"},
		{name: "POST without a body", method: http.MethodPost},
		{name: "DELETE", method: http.MethodDelete},
		{name: "POST with a key", method: http.MethodPost, body: strings.Repeat("a=b&", 5000), change: setKey, sentAgain: true},
		{name: "DELETE with a key", method: http.MethodDelete, change: setKey, sentAgain: true},
		{name: "POST with a key and a body that cannot be sent again", method: http.MethodPost, body: "a=b", change: func(req *http.Request) { setKey(req); withoutGetBody(req) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var seen []string // bodies of the requests under test
			server := newPipes(t, func(conn net.Conn) {
				respond(conn, func(n int, req *http.Request, body string) (string, bool) {
					if req.URL.Path == "/first" {
						return ok, false
					}
					if seen = append(seen, body); n > 0 {
						return "", true
					}
					return "HTTP/1.1 204 No Content\r\n\r\n", false
				})
			})
			kept := transport(t, server)
			mustGet(t, kept, request(t, http.MethodGet, "http://example.com/first", ""))
			req := request(t, test.method, "http://example.com/", test.body)
			req.Method = test.method // NewRequest turns "" into GET
			if test.change != nil {
				test.change(req)
			}
			_, err := get(kept, req)
			if (err == nil) != test.sentAgain {
				t.Errorf("error %v, want none: %t", err, test.sentAgain)
			}
			want, open := []string{test.body}, 0
			if test.sentAgain {
				want, open = []string{test.body, test.body}, 1
			}
			server.expect(t, len(want), open)
			if strings.Join(seen, "|") != strings.Join(want, "|") {
				t.Errorf("the server has seen %.100q, want %.100q", seen, want)
			}
		})
	}
}

// A request that fails on a new connection, or after half a response, is not repeated.
func TestNotRepeated(t *testing.T) {
	for _, test := range []struct {
		name, response string // to the requests under test
		dialed         int
	}{{"closed on a new connection too", "", 2}, {"half a response", "H", 1}} {
		t.Run(test.name, func(t *testing.T) {
			server := newPipes(t, func(conn net.Conn) {
				respond(conn, func(_ int, req *http.Request, _ string) (string, bool) {
					if req.URL.Path == "/first" {
						return ok, false
					}
					return test.response, true
				})
			})
			kept := transport(t, server)
			mustGet(t, kept, request(t, http.MethodGet, "http://example.com/first", ""))
			if body, err := get(kept, request(t, http.MethodGet, "http://example.com/", "")); err == nil {
				t.Errorf("got %q, want an error", body)
			}
			server.expect(t, test.dialed, 0)
		})
	}
}

// A request of which no byte was sent is repeated, whatever its method, if its body can be sent
// again.
func TestNothingSent(t *testing.T) {
	for _, reader := range []struct {
		name   string
		again  bool
		dialed int
	}{{"a body that can be sent again", true, 2}, {"a body that cannot be sent again", false, 1}} {
		t.Run(reader.name, func(t *testing.T) {
			server := newPipes(t, always(ok))
			kept := transport(t, server)
			mustGet(t, kept, request(t, http.MethodGet, "http://example.com/", ""))
			server.dialed()[0].Conn.Close() // the transport does not know about it
			req := request(t, http.MethodPost, "http://example.com/", "a=b")
			if !reader.again {
				req.GetBody = nil
			}
			_, err := get(kept, req)
			if (err == nil) != reader.again {
				t.Errorf("error %v, want none: %t", err, reader.again)
			}
			if n := len(server.dialed()); n != reader.dialed {
				t.Errorf("%d connections were made, want %d", n, reader.dialed)
			}
		})
	}
}

// Idle connections have no goroutines, which take most of the memory of a kept connection in
// net/http.
func TestIdleConnectionsHaveNoGoroutines(t *testing.T) {
	settings, client := testTLS(t)
	server := newSite(t, overTLS(settings, always(ok)))
	kept := transport(t, server)
	kept.TLSClientConfig = client
	kept.MaxIdleConnsPerHost = 20
	var exchanges sync.WaitGroup
	var all sync.WaitGroup
	all.Add(20)
	for range 20 {
		exchanges.Go(func() {
			response, err := kept.RoundTrip(request(t, http.MethodGet, "https://example.com/", "")) //nolint:bodyclose // finish does
			all.Done()
			if err != nil {
				t.Error(err)
				return
			}
			all.Wait() // so that each has its own connection
			finish(t, []io.ReadCloser{response.Body})
		})
	}
	exchanges.Wait()
	server.expect(t, 20, 20)
	if stacks := leaktest.Leaked("http1.listen", "http1.(*site).serve"); len(stacks) > 0 {
		t.Error(strings.Join(stacks, "\n\n"))
	}
}

// Concurrent exchanges do not mix their responses.
func TestConcurrency(t *testing.T) {
	const workers, requests, hosts = 50, 50, 5
	server := newSite(t, func(conn net.Conn) {
		respond(conn, func(_ int, req *http.Request, body string) (string, bool) {
			response := req.Host + req.URL.Path + body
			return "HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(len(response)) + "\r\n\r\n" + response, false
		})
	})
	kept := transport(t, server)
	var running sync.WaitGroup
	for worker := range workers {
		running.Go(func() {
			for n := range requests {
				host, path := "host"+strconv.Itoa((worker+n)%hosts), "/"+strconv.Itoa(worker*requests+n)
				req := request(t, http.MethodPost, "http://"+host+path, "+"+path)
				if n%10 == 0 {
					abandon(t, kept, req)
					continue
				}
				want := host + path + "+" + path
				if body, err := get(kept, req); err != nil || body != want {
					t.Errorf("got %q and error %v, want %q", body, err, want)
				}
			}
		})
	}
	running.Wait()
	open := 0
	for _, conn := range server.dialed() {
		if !conn.isClosed() {
			open++
		}
	}
	if most := hosts * kept.MaxIdleConnsPerHost; open == 0 || open > most {
		t.Errorf("%d connections are kept, want some and at most %d", open, most)
	}
	kept.CloseIdleConnections()
	server.expect(t, len(server.dialed()), 0)
}

// abandon closes a response in the middle of its body.
func abandon(t *testing.T, transport http.RoundTripper, req *http.Request) {
	t.Helper()
	response, err := transport.RoundTrip(req)
	if err != nil {
		t.Error(err)
		return
	}
	if _, err := response.Body.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
	response.Body.Close()
}
