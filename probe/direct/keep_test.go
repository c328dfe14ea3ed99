package direct

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

	"go.uber.org/goleak"
)

func TestKeptConnectionIsItsOrigins(t *testing.T) {
	server, client := certified(t)
	plain := newPipes(t, always(ok))
	secured := newPipes(t, overTLS(server, always(ok)))
	tests := []struct {
		url     string
		dialled int // of both sites
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
		mustAsk(t, both, request(t, http.MethodGet, test.url, ""))
		if n := len(plain.dialled()) + len(secured.dialled()); n != test.dialled {
			t.Errorf("%s: %d connections were made, want %d", test.url, n, test.dialled)
		}
	}
}

// begin sends requests whose answers are all still to be read.
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

func finish(t *testing.T, bodies []io.ReadCloser) {
	t.Helper()
	for _, body := range bodies {
		if _, err := io.Copy(io.Discard, body); err != nil {
			t.Error(err)
		}
		body.Close()
	}
}

// One connection has one exchange at a time, and no more are kept than may be.
func TestExchangesAtATime(t *testing.T) {
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
	// Or a transport that nobody uses any more would be kept by its timer.
	kept.CloseIdleConnections()
	if kept.sweeper != nil || len(kept.idle) != 0 {
		t.Errorf("left are the timer %v and %d origins", kept.sweeper, len(kept.idle))
	}
	server.expect(t, 3, 0)
	mustAsk(t, kept, request(t, http.MethodGet, "http://example.com/", ""))
	server.expect(t, 4, 1)
}

// Each connection's time is its own, and each exchange starts it again.
func TestIdleConnTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newPipes(t, always(ok))
		kept := transport(t, server)
		get := func(host string) { mustAsk(t, kept, request(t, http.MethodGet, "http://"+host+"/", "")) }
		steps := []struct {
			after         time.Duration
			host          string // that is asked then, unless empty
			dialled, open int
		}{
			{0, "a", 1, 1},
			{20 * time.Second, "b", 2, 2},
			{20 * time.Second, "a", 2, 2},
			{39 * time.Second, "", 2, 2},
			{time.Second, "", 2, 1}, // b has idled for a minute, and a for 40 seconds
			{19 * time.Second, "", 2, 1},
			{time.Second, "", 2, 0},
			{time.Hour, "a", 3, 1}, // it starts anew
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
			server.expect(t, step.dialled, step.open)
		}
	})
}

// A server that closes a kept connection just when a request arrives may have acted
// on it. Only what does the same twice is sent again.
func TestClosedWhenAskedAgain(t *testing.T) {
	never := func(req *http.Request) { req.GetBody = nil }
	claim := func(req *http.Request) { req.Header["Idempotency-Key"] = nil }
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
		{name: "GET with a body that is gone", method: http.MethodGet, body: "a=b", change: never},
		{name: "POST", method: http.MethodPost, body: "a=b"},
		{name: "POST without a body", method: http.MethodPost},
		{name: "DELETE", method: http.MethodDelete},
		{name: "idempotent POST", method: http.MethodPost, body: strings.Repeat("a=b&", 5000), change: claim, sentAgain: true},
		{name: "idempotent DELETE", method: http.MethodDelete, change: claim, sentAgain: true},
		{name: "idempotent POST with a body that is gone", method: http.MethodPost, body: "a=b", change: func(req *http.Request) { claim(req); never(req) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var seen []string // the bodies of the requests that are tested
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
			mustAsk(t, kept, request(t, http.MethodGet, "http://example.com/first", ""))
			req := request(t, test.method, "http://example.com/", test.body)
			req.Method = test.method // which NewRequest makes GET
			if test.change != nil {
				test.change(req)
			}
			_, err := ask(kept, req)
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

// What fails on a new connection has no such excuse, and half an answer is one: what
// it is the half of was done.
func TestNotSentAgain(t *testing.T) {
	for _, test := range []struct {
		name, answer string // to the requests that are tested
		dialled      int
	}{{"closed on a new connection too", "", 2}, {"half an answer", "H", 1}} {
		t.Run(test.name, func(t *testing.T) {
			server := newPipes(t, func(conn net.Conn) {
				respond(conn, func(_ int, req *http.Request, _ string) (string, bool) {
					if req.URL.Path == "/first" {
						return ok, false
					}
					return test.answer, true
				})
			})
			kept := transport(t, server)
			mustAsk(t, kept, request(t, http.MethodGet, "http://example.com/first", ""))
			if body, err := ask(kept, request(t, http.MethodGet, "http://example.com/", "")); err == nil {
				t.Errorf("got %q, want an error", body)
			}
			server.expect(t, test.dialled, 0)
		})
	}
}

// Where not a byte was sent, any request may be: nobody has seen it.
func TestNothingSent(t *testing.T) {
	for _, reader := range []struct {
		name    string
		again   bool
		dialled int
	}{{"body to be had again", true, 2}, {"body that is gone", false, 1}} {
		t.Run(reader.name, func(t *testing.T) {
			server := newPipes(t, always(ok))
			kept := transport(t, server)
			mustAsk(t, kept, request(t, http.MethodGet, "http://example.com/", ""))
			server.dialled()[0].Conn.Close() // of which the transport knows nothing
			req := request(t, http.MethodPost, "http://example.com/", "a=b")
			if !reader.again {
				req.GetBody = nil
			}
			_, err := ask(kept, req)
			if (err == nil) != reader.again {
				t.Errorf("error %v, want none: %t", err, reader.again)
			}
			if n := len(server.dialled()); n != reader.dialled {
				t.Errorf("%d connections were made, want %d", n, reader.dialled)
			}
		})
	}
}

// What makes up most of a kept connection elsewhere is not there.
func TestIdleConnectionsHaveNoGoroutines(t *testing.T) {
	settings, client := certified(t)
	server := newSite(t, overTLS(settings, always(ok)))
	others := []goleak.Option{
		goleak.IgnoreCurrent(),
		goleak.IgnoreAnyFunction("session_exporter/probe/direct.(*site).serve"),
	}
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
			all.Wait() // so that each has a connection of its own
			finish(t, []io.ReadCloser{response.Body})
		})
	}
	exchanges.Wait()
	server.expect(t, 20, 20)
	if err := goleak.Find(others...); err != nil {
		t.Error(err)
	}
}

// All at once: what the one is answered, the other never sees.
func TestConcurrency(t *testing.T) {
	const workers, requests, hosts = 50, 50, 5
	server := newSite(t, func(conn net.Conn) {
		respond(conn, func(_ int, req *http.Request, body string) (string, bool) {
			answer := req.Host + req.URL.Path + body
			return "HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(len(answer)) + "\r\n\r\n" + answer, false
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
				if body, err := ask(kept, req); err != nil || body != want {
					t.Errorf("got %q and error %v, want %q", body, err, want)
				}
			}
		})
	}
	running.Wait()
	open := 0
	for _, conn := range server.dialled() {
		if !conn.isClosed() {
			open++
		}
	}
	if most := hosts * kept.MaxIdleConnsPerHost; open == 0 || open > most {
		t.Errorf("%d connections are kept, want some and at most %d", open, most)
	}
	kept.CloseIdleConnections()
	server.expect(t, len(server.dialled()), 0)
}

// abandon gives an answer up in the middle of its body.
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
