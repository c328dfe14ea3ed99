// Package http1 is an HTTP/1.1 transport for thousands of servers that each get one
// small request now and then. An idle connection has no goroutines and no buffers,
// which saves 16 KiB compared with net/http's Transport. An exchange runs on the caller's
// goroutine only.
//
// net/http encodes requests and decodes responses; net and crypto/tls make connections.
// The package supports no proxies, no HTTP/2 and no compression; for those, use
// net/http's Transport, which it can otherwise replace.
package http1

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"
)

// Transport implements http.RoundTripper. Its fields are those of http.Transport with
// the same names, and all must be set before its first use. It calls the hooks of an
// httptrace.ClientTrace in the request's context.
//
// A request's context limits connecting and the exchange, until the response's body
// is read to its end or closed. Unlike http.Transport, it does nothing after that, and
// does not read a response before the whole request is written: it is for requests that
// servers read to their end.
type Transport struct {
	DialContext            func(ctx context.Context, network, address string) (net.Conn, error)
	TLSClientConfig        *tls.Config
	IdleConnTimeout        time.Duration
	MaxIdleConnsPerHost    int
	MaxResponseHeaderBytes int64

	mu      sync.Mutex         // guards the fields below
	idle    map[origin][]*conn // most recently used last
	sweeper *time.Timer        // nil if no connection is idle
}

// RoundTrip implements http.RoundTripper.
//
// A request on a kept connection that the server closes before the first byte of a
// response is repeated if allowed (see http.Transport). The error may be any error of
// connecting, or a *ResponseError.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	return t.roundTrip(req, nil)
}

// roundTrip is RoundTrip on the connection of a lease, or on any if the lease is nil.
func (t *Transport) roundTrip(req *http.Request, lease *Lease) (*http.Response, error) {
	ctx := req.Context()
	if err := cmp.Or(ctx.Err(), validate(req)); err != nil {
		closeBody(req)
		return nil, err
	}
	trace := httptrace.ContextClientTrace(ctx)
	if trace == nil {
		trace = new(httptrace.ClientTrace)
	}
	for {
		if trace.GetConn != nil {
			trace.GetConn(req.URL.Host)
		}
		c := t.getIdle(originOf(req.URL), lease)
		reused := c != nil
		if !reused {
			var err error
			if c, err = t.dial(ctx, req.URL); err == nil {
				// Not in dial, to keep stacks small: thousands of goroutines may wait for
				// a handshake.
				err = c.secure(ctx, trace)
			}
			if err != nil {
				closeBody(req)
				return nil, err
			}
		}
		response, err := c.exchange(req, trace, reused)
		if err == nil {
			response.Body.(*body).lease = lease //nolint:forcetypeassert // exchange returns no other
			return response, nil
		}
		_ = c.raw.Close() // without close_notify, which could block
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !reused || !c.mayRepeat(req) {
			return nil, err
		}
		if req, err = rewound(req); err != nil {
			return nil, err
		}
	}
}

// validate returns an error for a request that cannot be sent. Request.Write would
// silently repair some of them.
func validate(req *http.Request) error {
	switch {
	case req.URL == nil || req.URL.Host == "":
		return errors.New("no host in the request's URL")
	case req.URL.Scheme != "http" && req.URL.Scheme != "https":
		return fmt.Errorf("unsupported protocol scheme %q", req.URL.Scheme)
	}
	if req.Method != "" && !httpguts.ValidHeaderFieldName(req.Method) { // methods are tokens too (RFC 9110, 5.6.2)
		return fmt.Errorf("invalid method %q", req.Method)
	}
	for name, values := range req.Header {
		if !httpguts.ValidHeaderFieldName(name) {
			return fmt.Errorf("invalid header field name %q", name)
		}
		for _, value := range values {
			if !httpguts.ValidHeaderFieldValue(value) {
				return fmt.Errorf("invalid header field value for %q", name) // the value may be a secret
			}
		}
	}
	return nil
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // it is not read
	}
}

// rewound returns a copy of a request with its body from the start.
func rewound(req *http.Request) (*http.Request, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	same := *req
	same.Body = body
	return &same, nil
}
