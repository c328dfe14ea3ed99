package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// events records the hooks of a trace that were called, by name.
type events []string

func (e *events) attach(ctx context.Context) context.Context {
	add := func(what string, err error) {
		if err != nil {
			what += " failed"
		}
		*e = append(*e, what)
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		ConnectStart:      func(string, string) { add("ConnectStart", nil) },
		ConnectDone:       func(_, _ string, err error) { add("ConnectDone", err) },
		TLSHandshakeStart: func() { add("TLSHandshakeStart", nil) },
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			if state.HandshakeComplete == (err != nil) {
				add("incomplete", nil)
			}
			add("TLSHandshakeDone", err)
		},
		GotConn: func(info httptrace.GotConnInfo) {
			switch {
			case info.Conn == nil:
				add("GotConn none", nil)
			case info.Reused && info.WasIdle:
				add("GotConn kept", nil)
			case !info.Reused && !info.WasIdle:
				add("GotConn new", nil)
			}
		},
		WroteRequest:         func(info httptrace.WroteRequestInfo) { add("WroteRequest", info.Err) },
		GotFirstResponseByte: func() { add("GotFirstResponseByte", nil) },
	})
}

// The exporter's phases are the times between these events.
func TestTrace(t *testing.T) {
	settings, client := testTLS(t)
	made := []string{"ConnectStart", "ConnectDone"}
	secured := append(slices.Clone(made), "TLSHandshakeStart", "TLSHandshakeDone")
	exchange := []string{"WroteRequest", "GotFirstResponseByte"}
	once := func(conn net.Conn) {
		respond(conn, func(n int, _ *http.Request, _ string) (string, bool) {
			if n > 0 {
				return "", true
			}
			return ok, false
		})
	}
	tests := []struct {
		name, scheme  string
		handler       func(net.Conn)
		trusts        *tls.Config
		first, second []string // the events of each request
		fails         bool
	}{
		{
			name: "TLS", scheme: "https", handler: overTLS(settings, always(ok)), trusts: client,
			first:  slices.Concat(secured, []string{"GotConn new"}, exchange),
			second: slices.Concat([]string{"GotConn kept"}, exchange),
		},
		{
			name: "no TLS", scheme: "http", handler: always(ok),
			first:  slices.Concat(made, []string{"GotConn new"}, exchange),
			second: slices.Concat([]string{"GotConn kept"}, exchange),
		},
		{
			name: "closed at the second request", scheme: "http", handler: once,
			first:  slices.Concat(made, []string{"GotConn new"}, exchange),
			second: slices.Concat([]string{"GotConn kept", "WroteRequest"}, made, []string{"GotConn new"}, exchange),
		},
		{
			name: "untrusted", scheme: "https", handler: overTLS(settings, always(ok)), trusts: new(tls.Config), fails: true,
			first:  slices.Concat(made, []string{"TLSHandshakeStart", "TLSHandshakeDone failed"}),
			second: slices.Concat(made, []string{"TLSHandshakeStart", "TLSHandshakeDone failed"}),
		},
		{
			name: "no response", scheme: "http", handler: func(net.Conn) {}, fails: true,
			first:  slices.Concat(made, []string{"GotConn new", "WroteRequest"}),
			second: slices.Concat(made, []string{"GotConn new", "WroteRequest"}),
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			kept := transport(t, newSite(t, test.handler))
			kept.TLSClientConfig = test.trusts
			for _, want := range [][]string{test.first, test.second} {
				var got events
				req := request(t, http.MethodGet, test.scheme+"://example.com/", "")
				if _, err := get(kept, req.WithContext(got.attach(t.Context()))); (err != nil) != test.fails {
					t.Errorf("error %v, want one: %t", err, test.fails)
				}
				if !slices.Equal(got, want) {
					t.Errorf("events %q, want %q", got, want)
				}
			}
		})
	}
}

// A trace may close its connection, so that nothing more is sent.
func TestTraceClosesConnection(t *testing.T) {
	server := newPipes(t, always(ok))
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { info.Conn.Close() },
	})
	if body, err := get(transport(t, server), request(t, http.MethodGet, "http://example.com/", "").WithContext(ctx)); err == nil {
		t.Errorf("got %q, want an error", body)
	}
	server.expect(t, 1, 0)
}

// The server name is the host in the URL, unless the settings have another.
func TestServerName(t *testing.T) {
	tests := []struct {
		url, setting string
		address      string // the dialed address
		sent         string // in the handshake, which omits addresses
		trusted      bool
	}{
		{url: "https://example.com/", address: "example.com:443", sent: "example.com", trusted: true},
		{url: "https://example.com:8443/", address: "example.com:8443", sent: "example.com", trusted: true},
		{url: "https://127.0.0.1/", address: "127.0.0.1:443", trusted: true},
		{url: "https://[::1]/", address: "[::1]:443", trusted: true},
		{url: "https://[::1]:8443/", address: "[::1]:8443", trusted: true},
		{url: "https://[::2]/", address: "[::2]:443"},
		{url: "https://192.0.2.1/", address: "192.0.2.1:443"},
		{url: "https://192.0.2.1/", setting: "example.com", address: "192.0.2.1:443", sent: "example.com", trusted: true},
		{url: "https://example.com/", setting: "other.test", address: "example.com:443", sent: "other.test"},
		{url: "https://other.test/", address: "other.test:443", sent: "other.test"},
		{url: "https://bücher.test/", address: "xn--bcher-kva.test:443", sent: "xn--bcher-kva.test"},
	}
	settings, client := testTLS(t)
	for _, test := range tests {
		t.Run(test.url+" "+test.setting, func(t *testing.T) {
			sent := make(chan string, 1)
			recording := settings.Clone()
			recording.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
				sent <- hello.ServerName
				return nil, nil //nolint:nilnil // keeps the settings
			}
			server := newSite(t, overTLS(recording, always(ok)))
			kept := transport(t, server)
			kept.TLSClientConfig = client.Clone()
			kept.TLSClientConfig.ServerName = test.setting
			before := kept.TLSClientConfig.Clone()

			_, err := get(kept, request(t, http.MethodGet, test.url, ""))
			var invalid *tls.CertificateVerificationError
			if test.trusted && err != nil || !test.trusted && !errors.As(err, &invalid) {
				t.Errorf("error %v, want none: %t", err, test.trusted)
			}
			if got := <-sent; got != test.sent {
				t.Errorf("sent the server name %q, want %q", got, test.sent)
			}
			if got := server.addresses[0]; got != test.address {
				t.Errorf("dialed %s, want %s", got, test.address)
			}
			// Concurrent requests share the settings.
			if !reflect.DeepEqual(kept.TLSClientConfig, before) {
				t.Error("the settings were changed")
			}
		})
	}
}

func TestResponseHasTLS(t *testing.T) {
	settings, client := testTLS(t)
	kept := transport(t, newSite(t, overTLS(settings, always(ok))))
	kept.TLSClientConfig = client
	for range 2 { // the second one on a kept connection
		response, err := kept.RoundTrip(request(t, http.MethodGet, "https://example.com/", "")) //nolint:bodyclose // finish does
		if err != nil {
			t.Fatal(err)
		}
		if state := response.TLS; state == nil || !state.HandshakeComplete || len(state.PeerCertificates) == 0 || state.ServerName != "example.com" {
			t.Errorf("the response's TLS state is %+v", state)
		}
		finish(t, []io.ReadCloser{response.Body})
	}
	plain, err := transport(t, newPipes(t, always(ok))).RoundTrip(request(t, http.MethodGet, "http://example.com/", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Body.Close()
	if plain.TLS != nil {
		t.Errorf("the state without TLS is %+v", plain.TLS)
	}
}

// A body can be closed twice, and a connection is kept only if the body was read to its end.
func TestBody(t *testing.T) {
	type reading struct {
		whole         bool // the body is read to its end before it is closed
		before, after error
		open          int // connections
	}
	for name, want := range map[string]reading{
		"read to its end": {whole: true, before: io.EOF, after: io.EOF, open: 1},
		"closed unread":   {after: http.ErrBodyReadAfterClose},
	} {
		t.Run(name, func(t *testing.T) {
			server := newPipes(t, always(ok))
			body := begin(t, transport(t, server), 1)[0]
			if want.whole {
				if _, err := io.ReadAll(body); err != nil {
					t.Fatal(err)
				}
				if n, err := body.Read(make([]byte, 1)); n != 0 || !errors.Is(err, want.before) {
					t.Errorf("after the end: %d bytes and error %v, want %v", n, err, want.before)
				}
			}
			for range 2 {
				if err := body.Close(); err != nil {
					t.Error(err)
				}
			}
			if n, err := body.Read(make([]byte, 1)); n != 0 || !errors.Is(err, want.after) {
				t.Errorf("after Close: %d bytes and error %v, want %v", n, err, want.after)
			}
			server.expect(t, 1, want.open)
		})
	}
}

// An unwanted body is not drained, because it may be endless.
func TestEndlessBodyIsNotDrained(t *testing.T) {
	stopped := make(chan struct{})
	server := newSite(t, func(conn net.Conn) {
		defer close(stopped)
		send(conn, head("Content-Length: 1000000000000"))
		for piece := strings.Repeat("a", 1<<10); ; {
			if _, err := io.WriteString(conn, piece); err != nil {
				return
			}
		}
	})
	body := begin(t, transport(t, server), 1)[0]
	if _, err := io.ReadFull(body, make([]byte, 10000)); err != nil {
		t.Fatal(err)
	}
	body.Close()
	server.expect(t, 1, 0)
	await(t, stopped, "waiting for the server to stop")
}

// A request that cannot be sent reaches no server, and its secrets are not in the
// error.
func TestRequestsThatCannotBeSent(t *testing.T) {
	const secret = "s3cr3t\n"
	tests := []struct {
		name     string
		change   func(*http.Request)
		contains string
	}{
		{"no URL", func(req *http.Request) { req.URL = nil }, "host"},
		{"no host", func(req *http.Request) { req.URL.Host = "" }, "host"},
		{"no scheme", func(req *http.Request) { req.URL.Scheme = "" }, `scheme ""`},
		{"ftp", func(req *http.Request) { req.URL.Scheme = "ftp" }, `scheme "ftp"`},
		{"invalid header name", func(req *http.Request) { req.Header["a b"] = []string{"c"} }, `"a b"`},
		{"empty header name", func(req *http.Request) { req.Header[""] = []string{"c"} }, "name"},
		{"invalid header value", func(req *http.Request) { req.Header["Authorization"] = []string{"fine", secret} }, `"Authorization"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := newPipes(t, always(ok))
			req := request(t, http.MethodPost, "http://example.com/", "")
			body := &tracked{Reader: strings.NewReader("a=b")}
			req.Body = body
			test.change(req)
			_, err := get(transport(t, server), req)
			if err == nil || !strings.Contains(err.Error(), test.contains) || strings.Contains(err.Error(), strings.TrimSpace(secret)) {
				t.Errorf("error %v, want one with %s", err, test.contains)
			}
			if !body.closed {
				t.Error("the request's body was not closed")
			}
			server.expect(t, 0, 0)
		})
	}
}

// If the body is shorter than announced, the connection is closed, because the server waits for
// the rest.
func TestRequestBodyFails(t *testing.T) {
	for name, content := range map[string]io.Reader{
		"too short": strings.NewReader("a"),
		"broken":    io.MultiReader(strings.NewReader("a"), failing{}),
	} {
		t.Run(name, func(t *testing.T) {
			server := newPipes(t, always(ok))
			req := request(t, http.MethodPost, "http://example.com/", "")
			body := &tracked{Reader: content}
			req.Body, req.ContentLength = body, 10
			if got, err := get(transport(t, server), req); err == nil || name == "broken" && err.Error() != "broken" {
				t.Errorf("got %q and error %v, want the error of the body", got, err)
			}
			if !body.closed {
				t.Error("the request's body was not closed")
			}
			server.expect(t, 1, 0)
		})
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("broken") }
