package direct

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// tracked is a request's body that knows whether it was closed.
type tracked struct {
	io.Reader
	closed bool
}

func (b *tracked) Close() error {
	b.closed = true
	return nil
}

// Whatever an exchange is at when its context ends, it ends at once, and with it
// its connection: neither side knows what state that is in. The bubble sees to it
// that no goroutine goes on either.
func TestContextEnds(t *testing.T) {
	settings, client := certified(t)
	hang := func(after string) func(net.Conn) {
		return func(conn net.Conn) {
			respond(conn, func(_ int, req *http.Request, _ string) (string, bool) {
				if req.URL.Path == "/" {
					return ok, false
				}
				return after, false
			})
		}
	}
	tests := []struct {
		name, scheme string
		attend       func(net.Conn)
		kept         bool // by an exchange before
		body         string
	}{
		{name: "in the handshake", scheme: "https", attend: swallow},
		{name: "before the answer", scheme: "http", attend: hang("")},
		{name: "before the answer on a kept connection", scheme: "http", attend: hang(""), kept: true},
		{name: "before the answer over TLS", scheme: "https", attend: overTLS(settings, hang(""))},
		{name: "in the headers", scheme: "http", attend: hang("HTTP/1.1 200 OK\r\nServer: slow")},
		{name: "behind a 103", scheme: "http", attend: hang("HTTP/1.1 103 Early Hints\r\n\r\n")},
		{name: "in the body", scheme: "http", attend: hang(head("Content-Length: 10") + "hello")},
		{name: "in the body over TLS", scheme: "https", attend: overTLS(settings, hang(head("Content-Length: 10")+"hello"))},
		{name: "in the body without an end", scheme: "http", attend: hang(head("Server: old") + "hello")},
		{name: "while nobody reads the request", scheme: "http", attend: func(conn net.Conn) {
			_, _ = io.ReadFull(conn, make([]byte, 10))
			time.Sleep(time.Hour)
		}},
		{name: "while nobody reads the request's body", scheme: "http", body: strings.Repeat("a", 10000), attend: func(conn net.Conn) {
			_, _ = io.ReadFull(conn, make([]byte, 5000))
			time.Sleep(time.Hour)
		}},
	}
	ends := []struct {
		name string
		make func(context.Context) (context.Context, context.CancelFunc)
	}{
		{"deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		}},
		{"cancelled", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		}},
	}
	for _, test := range tests {
		for _, end := range ends {
			t.Run(test.name+" "+end.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := newPipes(t, test.attend)
					kept := transport(t, server)
					kept.TLSClientConfig = client
					if test.kept {
						mustAsk(t, kept, request(t, http.MethodGet, test.scheme+"://example.com/", ""))
					}
					ctx, cancel := end.make(t.Context())
					defer cancel()
					body := &tracked{Reader: strings.NewReader(test.body)}
					// One that could be sent again, were there anyone to wait for it.
					req := request(t, http.MethodGet, test.scheme+"://example.com/hang", "").WithContext(ctx)
					req.Body, req.ContentLength = body, int64(len(test.body))
					req.GetBody = func() (io.ReadCloser, error) { return body, nil }
					start := time.Now()
					got, err := ask(kept, req)
					if err == nil {
						t.Errorf("got %q, want an error", got)
					}
					if took := time.Since(start); took != time.Second {
						t.Errorf("that took %s, want a second", took)
					}
					if !body.closed {
						t.Error("the request's body was not closed")
					}
					server.expect(t, 1, 0)
				})
			})
		}
	}
}

func TestContextEndedBefore(t *testing.T) {
	server := newPipes(t, always(ok))
	kept := transport(t, server)
	mustAsk(t, kept, request(t, http.MethodGet, "http://example.com/", ""))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req := request(t, http.MethodPost, "http://example.com/", "").WithContext(ctx)
	body := &tracked{Reader: strings.NewReader("a=b")}
	req.Body = body
	if _, err := ask(kept, req); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	if !body.closed {
		t.Error("the request's body was not closed")
	}
	server.expect(t, 1, 1) // which nothing was sent on
	mustAsk(t, kept, request(t, http.MethodGet, "http://example.com/", ""))
	server.expect(t, 1, 1)
}

// The making of a connection has the request's context, and is not gone on with.
func TestContextEndsWhileDialling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newPipes(t, always(ok))
		kept := transport(t, server)
		kept.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req := request(t, http.MethodPost, "http://example.com/", "").WithContext(ctx)
		body := &tracked{Reader: strings.NewReader("a=b")}
		req.Body = body
		start := time.Now()
		if _, err := ask(kept, req); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want %v", err, context.DeadlineExceeded)
		}
		if took := time.Since(start); took != time.Second || !body.closed {
			t.Errorf("that took %s, and the request's body is closed: %t", took, body.closed)
		}
		kept.DialContext = server.dial
		mustAsk(t, kept, request(t, http.MethodGet, "http://example.com/", ""))
	})
}

// An exchange's context has no say in the next one, be it cancelled, as is usual, or
// its deadline come.
func TestContextEndsBehindExchange(t *testing.T) {
	settings, client := certified(t)
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				attend := func(conn net.Conn) {
					respond(conn, func(n int, _ *http.Request, _ string) (string, bool) {
						time.Sleep(time.Duration(n) * 700 * time.Millisecond)
						return ok, false
					})
				}
				if scheme == "https" {
					attend = overTLS(settings, attend)
				}
				server := newPipes(t, attend)
				kept := transport(t, server)
				kept.TLSClientConfig = client
				for n := range 4 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n+1)*time.Second)
					mustAsk(t, kept, request(t, http.MethodGet, scheme+"://example.com/", "").WithContext(ctx))
					if n%2 == 0 {
						cancel()
					}
					t.Cleanup(cancel)
				}
				server.expect(t, 1, 1)
			})
		})
	}
}

// The end of a body may have been read already when the context ends. Its deadline
// is on the connection then, or about to be: that has no other exchange.
func TestContextEndsBeforeBodyIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newPipes(t, always(ok))
		kept := transport(t, server)
		ctx, cancel := context.WithCancel(t.Context())
		response, err := kept.RoundTrip(request(t, http.MethodGet, "http://example.com/", "").WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		cancel()
		if body, err := io.ReadAll(response.Body); err != nil || string(body) != "hello" {
			t.Errorf("got %q and error %v", body, err)
		}
		server.expect(t, 1, 0)
	})
}

// Nothing of a handshake that failed is left, whatever it failed of.
func TestHandshakeFails(t *testing.T) {
	settings, _ := certified(t)
	var invalid *tls.CertificateVerificationError
	var notTLS tls.RecordHeaderError
	tests := []struct {
		name   string
		attend func(net.Conn)
		as     any
	}{
		{"untrusted", overTLS(settings, always(ok)), &invalid},
		{"no TLS", func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 4096))
			say(conn, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
			swallow(conn)
		}, &notTLS},
		{"closed", func(conn net.Conn) { _, _ = conn.Read(make([]byte, 4096)) }, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := newSite(t, test.attend)
			_, err := ask(transport(t, server), request(t, http.MethodGet, "https://example.com/", ""))
			if err == nil || test.as != nil && !errors.As(err, test.as) {
				t.Errorf("error %v, want a %T", err, test.as)
			}
			server.expect(t, 1, 0)
		})
	}
	if invalid != nil && len(invalid.UnverifiedCertificates) == 0 {
		t.Error("the certificates that were not trusted are not told")
	}
	if header := string(notTLS.RecordHeader[:]); header != "HTTP/" {
		t.Errorf("the server is said to have begun with %q", header)
	}
}
