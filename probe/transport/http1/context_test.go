package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// tracked is a request's body that records whether it was closed.
type tracked struct {
	io.Reader
	closed bool
}

func (b *tracked) Close() error {
	b.closed = true
	return nil
}

// When a request's context ends, its exchange ends immediately, in every phase, and the
// connection is closed, because its state is unknown. The synctest bubble checks that no
// goroutine remains.
func TestContextEnds(t *testing.T) {
	settings, client := testTLS(t)
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
		handler      func(net.Conn)
		kept         bool // by an earlier exchange
		body         string
	}{
		{name: "in the handshake", scheme: "https", handler: discard},
		{name: "before the response", scheme: "http", handler: hang("")},
		{name: "before the response on a kept connection", scheme: "http", handler: hang(""), kept: true},
		{name: "before the response over TLS", scheme: "https", handler: overTLS(settings, hang(""))},
		{name: "in the headers", scheme: "http", handler: hang("HTTP/1.1 200 OK\r\nServer: slow")},
		{name: "after a 103", scheme: "http", handler: hang("HTTP/1.1 103 Early Hints\r\n\r\n")},
		{name: "in the body", scheme: "http", handler: hang(head("Content-Length: 10") + "hello")},
		{name: "in the body over TLS", scheme: "https", handler: overTLS(settings, hang(head("Content-Length: 10")+"hello"))},
		{name: "in the body without an end", scheme: "http", handler: hang(head("Server: old") + "hello")},
		{name: "while the request is not read", scheme: "http", handler: func(conn net.Conn) {
			_, _ = io.ReadFull(conn, make([]byte, 10))
			time.Sleep(time.Hour)
		}},
		{name: "while the request's body is not read", scheme: "http", body: strings.Repeat("a", 10000), handler: func(conn net.Conn) {
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
		{"canceled", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		}},
	}
	for _, test := range tests {
		for _, end := range ends {
			t.Run(test.name+" "+end.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := newPipes(t, test.handler)
					kept := transport(t, server)
					kept.TLSClientConfig = client
					if test.kept {
						mustGet(t, kept, request(t, http.MethodGet, test.scheme+"://example.com/", ""))
					}
					ctx, cancel := end.make(t.Context())
					defer cancel()
					body := &tracked{Reader: strings.NewReader(test.body)}
					// A GET could be repeated if the context were not done.
					req := request(t, http.MethodGet, test.scheme+"://example.com/hang", "").WithContext(ctx)
					req.Body, req.ContentLength = body, int64(len(test.body))
					req.GetBody = func() (io.ReadCloser, error) { return body, nil }
					start := time.Now()
					got, err := get(kept, req)
					if err == nil {
						t.Errorf("got %q, want an error", got)
					}
					if took := time.Since(start); took != time.Second {
						t.Errorf("the exchange took %s, want a second", took)
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

// A request whose context has ended before is not sent, and the idle connection stays.
func TestContextEndedBefore(t *testing.T) {
	server := newPipes(t, always(ok))
	kept := transport(t, server)
	mustGet(t, kept, request(t, http.MethodGet, "http://example.com/", ""))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req := request(t, http.MethodPost, "http://example.com/", "").WithContext(ctx)
	body := &tracked{Reader: strings.NewReader("a=b")}
	req.Body = body
	if _, err := get(kept, req); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	if !body.closed {
		t.Error("the request's body was not closed")
	}
	server.expect(t, 1, 1)
	mustGet(t, kept, request(t, http.MethodGet, "http://example.com/", ""))
	server.expect(t, 1, 1)
}

// Connecting ends with the request's context.
func TestContextEndsWhileDialing(t *testing.T) {
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
		if _, err := get(kept, req); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want %v", err, context.DeadlineExceeded)
		}
		if took := time.Since(start); took != time.Second || !body.closed {
			t.Errorf("connecting took %s, want a second; the request's body is closed: %t", took, body.closed)
		}
		kept.DialContext = server.dial
		mustGet(t, kept, request(t, http.MethodGet, "http://example.com/", ""))
	})
}

// The context of an exchange, canceled or past its deadline, does not affect the next
// one.
func TestContextEndsAfterExchange(t *testing.T) {
	settings, client := testTLS(t)
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				handler := func(conn net.Conn) {
					respond(conn, func(n int, _ *http.Request, _ string) (string, bool) {
						time.Sleep(time.Duration(n) * 700 * time.Millisecond)
						return ok, false
					})
				}
				if scheme == "https" {
					handler = overTLS(settings, handler)
				}
				server := newPipes(t, handler)
				kept := transport(t, server)
				kept.TLSClientConfig = client
				for n := range 4 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n+1)*time.Second)
					mustGet(t, kept, request(t, http.MethodGet, scheme+"://example.com/", "").WithContext(ctx))
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

// If the context ends just before the body has been read to its end, the connection is not kept,
// because a deadline in the past is or will be set on it.
func TestContextEndsWhileBodyIsRead(t *testing.T) {
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

// A failed handshake leaves neither connection nor goroutine.
func TestHandshakeFails(t *testing.T) {
	settings, _ := testTLS(t)
	var invalid *tls.CertificateVerificationError
	var notTLS tls.RecordHeaderError
	tests := []struct {
		name    string
		handler func(net.Conn)
		as      any
	}{
		{"untrusted", overTLS(settings, always(ok)), &invalid},
		{"not TLS", func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 4096))
			send(conn, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
			discard(conn)
		}, &notTLS},
		{"closed", func(conn net.Conn) { _, _ = conn.Read(make([]byte, 4096)) }, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := newSite(t, test.handler)
			_, err := get(transport(t, server), request(t, http.MethodGet, "https://example.com/", ""))
			if err == nil || test.as != nil && !errors.As(err, test.as) {
				t.Errorf("error %v, want one of the type %T", err, test.as)
			}
			server.expect(t, 1, 0)
		})
	}
	if invalid != nil && len(invalid.UnverifiedCertificates) == 0 {
		t.Error("the error lacks the untrusted certificates")
	}
	if header := string(notTLS.RecordHeader[:]); header != "HTTP/" {
		t.Errorf("the error quotes %q from the server, want HTTP/", header)
	}
}

// A body may have less time than its request. If it ends in time, its connection is
// kept without that limit.
func TestBodyReadDeadline(t *testing.T) {
	settings, client := testTLS(t)
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				handler := func(conn net.Conn) {
					respond(conn, func(_ int, req *http.Request, _ string) (string, bool) {
						if req.URL.Path == "/hang" {
							return head("Content-Length: 10") + "hello", false
						}
						time.Sleep(time.Minute)
						return ok, false
					})
				}
				if scheme == "https" {
					handler = overTLS(settings, handler)
				}
				server := newPipes(t, handler)
				kept := transport(t, server)
				kept.TLSClientConfig = client
				limited := func(path string) (string, error) {
					response, err := kept.RoundTrip(request(t, http.MethodGet, scheme+"://example.com"+path, ""))
					if err != nil {
						return "", err
					}
					defer response.Body.Close()
					if err := response.Body.(interface{ SetReadDeadline(time.Time) error }).SetReadDeadline(time.Now().Add(time.Second)); err != nil {
						t.Error(err)
					}
					text, err := io.ReadAll(response.Body)
					return string(text), err
				}
				for range 2 {
					if _, err := limited("/"); err != nil {
						t.Fatal(err)
					}
				}
				server.expect(t, 1, 1)
				start := time.Now()
				if text, err := limited("/hang"); !errors.Is(err, os.ErrDeadlineExceeded) || text != "hello" || time.Since(start) != time.Second {
					t.Errorf("got %q and error %v after %s, want hello and %v after 1s", text, err, time.Since(start), os.ErrDeadlineExceeded)
				}
				server.expect(t, 1, 0)
			})
		})
	}
}
