// Package direct is an HTTP/1.1 transport for very many servers, each of which is
// asked one small thing now and then. A connection that idles is a connection and
// nothing else: it has no goroutines and no buffers, which make up half of what
// net/http's Transport keeps for each. An exchange takes no other goroutine than who
// asks for it.
//
// Requests and answers are written and read by net/http, connections are made by
// net and crypto/tls. It knows no proxies, no HTTP/2 and no compression: for those
// there is net/http's Transport, in whose place it is otherwise fit to be.
package direct

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"
)

// Transport implements http.RoundTripper. Its fields are those of http.Transport of
// the same names, and SessionCache. They must all be set, but the two that are about
// TLS, before it is used. It reports to an httptrace.ClientTrace, as far as such a
// thing happens here.
//
// A request's context bounds its connection's making, and then the exchange until
// the answer's body was read to its end or closed. In contrast to http.Transport
// nothing goes on behind that, and no answer is read before all of the request was
// written: it is for requests that servers read to their end.
type Transport struct {
	DialContext            func(ctx context.Context, network, address string) (net.Conn, error)
	TLSClientConfig        *tls.Config
	IdleConnTimeout        time.Duration
	MaxIdleConnsPerHost    int
	MaxResponseHeaderBytes int64
	// SessionCache returns the cache of TLS sessions for a connection that was dialled
	// to a URL's Host. TLSClientConfig's goes by the name of the server alone, which
	// may be another one at another port.
	SessionCache func(host string, dialled net.Conn) tls.ClientSessionCache

	mu      sync.Mutex         // guards the fields below
	idle    map[origin][]*conn // the one that was used last at the end
	sweeper *time.Timer        // nil when none idles
}

// sweepEvery is how often connections that idle are looked at.
const sweepEvery = 10 * time.Second

// RoundTrip implements http.RoundTripper.
//
// A request that is sent on a kept connection, and is not answered by even one
// byte because the server has just closed it, is sent again if it may be (see
// http.Transport). Its error may be that of any of the packages that make
// connections, or what is wrong with the answer.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
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
		c := t.take(originOf(req.URL))
		reused := c != nil
		if !reused {
			var err error
			if c, err = t.dial(ctx, req.URL); err == nil {
				// Not in dial: of those who wait for a handshake there may be
				// thousands, and what calls it is stack that they all have.
				err = c.secure(ctx, trace)
			}
			if err != nil {
				closeBody(req)
				return nil, err
			}
		}
		response, err := c.exchange(req, trace, reused)
		if err == nil {
			return response, nil
		}
		_ = c.raw.Close() // without TLS's farewell, which would be waited for
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !reused || !c.mayRepeat(req) {
			return nil, err
		}
		if req, err = again(req); err != nil {
			return nil, err
		}
	}
}

// validate finds what cannot be sent. Request.Write mends some of that in silence.
func validate(req *http.Request) error {
	switch {
	case req.URL == nil || req.URL.Host == "":
		return errors.New("there is no host in the request's URL")
	case req.URL.Scheme != "http" && req.URL.Scheme != "https":
		return fmt.Errorf("unsupported protocol scheme %q", req.URL.Scheme)
	}
	if req.Method != "" && !httpguts.ValidHeaderFieldName(req.Method) { // both are tokens (RFC 9110, 5.6.2)
		return fmt.Errorf("invalid method %q", req.Method)
	}
	for name, values := range req.Header {
		if !httpguts.ValidHeaderFieldName(name) {
			return fmt.Errorf("invalid header field name %q", name)
		}
		for _, value := range values {
			if !httpguts.ValidHeaderFieldValue(value) {
				return fmt.Errorf("invalid header field value for %q", name) // which may be a secret
			}
		}
	}
	return nil
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // nobody has read it
	}
}

// again returns a request with its body from the beginning.
func again(req *http.Request) (*http.Request, error) {
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

// origin is what those that may share connections have in common.
type origin struct{ scheme, host string }

func originOf(u *url.URL) origin { return origin{u.Scheme, u.Host} }

// take returns a connection that is kept and still there, nil when there is none.
func (t *Transport) take(from origin) *conn {
	for c := t.pop(from); c != nil; c = t.pop(from) {
		if c.quiet() {
			return c
		}
		_ = c.Close() // the server has closed it, or says what nobody has asked for
	}
	return nil
}

func (t *Transport) pop(from origin) *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := t.idle[from]
	if len(kept) == 0 {
		return nil
	}
	last := len(kept) - 1
	c := kept[last]
	if kept[last] = nil; last == 0 {
		delete(t.idle, from)
	} else {
		t.idle[from] = kept[:last]
	}
	return c
}

// keep takes a connection back after an exchange.
func (t *Transport) keep(c *conn) {
	if !t.push(c) {
		_ = c.Close() // others are kept
	}
}

func (t *Transport) push(c *conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := t.idle[c.origin]
	if len(kept) >= t.MaxIdleConnsPerHost {
		return false
	}
	if t.idle == nil {
		t.idle = make(map[origin][]*conn)
	}
	c.idleSince = time.Now()
	t.idle[c.origin] = append(kept, c)
	if t.sweeper == nil {
		t.sweeper = time.AfterFunc(sweepEvery, t.sweep)
	}
	return true
}

// sweep closes what has idled for too long, and what the server has closed: nobody
// waits for that, as a goroutine would.
func (t *Transport) sweep() {
	for _, c := range t.idling() {
		if t.giveUp(c) {
			_ = c.Close() // nobody uses it
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.idle) == 0 {
		t.sweeper = nil
	} else {
		t.sweeper.Reset(sweepEvery)
	}
}

func (t *Transport) idling() (all []*conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, kept := range t.idle {
		all = append(all, kept...)
	}
	return all
}

// giveUp gives up a connection that idles, if it should not any more.
func (t *Transport) giveUp(c *conn) bool {
	t.mu.Lock() // for this one only: there may be very many
	defer t.mu.Unlock()
	kept := t.idle[c.origin]
	at := slices.Index(kept, c)
	if at < 0 || time.Since(c.idleSince) < t.IdleConnTimeout && c.quiet() {
		return false
	}
	if kept = slices.Delete(kept, at, at+1); len(kept) == 0 {
		delete(t.idle, c.origin)
	} else {
		t.idle[c.origin] = kept
	}
	return true
}

// CloseIdleConnections closes the connections that idle.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	all := t.idle
	t.idle = nil
	if t.sweeper != nil {
		t.sweeper.Stop()
		t.sweeper = nil
	}
	t.mu.Unlock()
	for _, kept := range all {
		for _, c := range kept {
			_ = c.Close() // nobody uses it
		}
	}
}

// dial makes a connection, without the TLS handshake.
func (t *Transport) dial(ctx context.Context, u *url.URL) (*conn, error) {
	host, err := httpguts.PunycodeHostPort(u.Hostname())
	if err != nil {
		return nil, err
	}
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	raw, err := t.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, raw: raw, transport: t, origin: originOf(u), system: systemConn(raw)}
	if u.Scheme == "https" {
		settings := t.settingsFor(host)
		if t.SessionCache != nil {
			settings.ClientSessionCache = t.SessionCache(u.Host, raw)
		}
		c.Conn = tls.Client(raw, settings)
	}
	return c, nil
}

func (t *Transport) settingsFor(host string) *tls.Config {
	settings := t.TLSClientConfig.Clone()
	if settings == nil {
		settings = new(tls.Config)
	}
	if settings.ServerName == "" {
		settings.ServerName = host
	}
	return settings
}

// secure makes the TLS handshake, where there is TLS. A connection that it fails on
// is closed.
func (c *conn) secure(ctx context.Context, trace *httptrace.ClientTrace) error {
	var err error
	if secured, is := c.Conn.(*tls.Conn); is {
		if trace.TLSHandshakeStart != nil {
			trace.TLSHandshakeStart()
		}
		err = secured.HandshakeContext(ctx)
		c.secured(secured, err, trace)
	}
	if err = cmp.Or(ctx.Err(), err); err != nil {
		_ = c.raw.Close() // nothing was sent on it
	}
	return err
}

// secured takes in a TLS handshake that is over.
func (c *conn) secured(secured *tls.Conn, err error, trace *httptrace.ClientTrace) {
	state := secured.ConnectionState()
	if trace.TLSHandshakeDone != nil {
		trace.TLSHandshakeDone(state, err)
	}
	c.tls = &state
}
