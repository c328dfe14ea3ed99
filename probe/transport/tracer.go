package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptrace"
	"sync"
	"time"
)

// tracer records when the parts of one exchange start and end. Its hooks may be called after
// that: two addresses may be dialed concurrently, and net/http's transport dials in the
// background and continues after the request has ended.
type tracer struct {
	beforeWrite func() bool // reports whether the request may be written; nil: always
	cancel      func()      // ends the exchange; nil if the request may always be written
	http2       bool        // may be chosen by the server
	once        bool        // the request must not be sent again

	mu sync.Mutex // guards the fields below

	resolveStart, resolveDone time.Time
	connectStart, connectDone time.Time
	tlsStart, tlsDone         time.Time
	gotConn, written, first   time.Time
	certSeenAt                time.Time
	reused                    bool
	abandoned                 bool // nothing more may be sent
	noALPN                    bool // the server selected no protocol
	multiplexed               bool // the connection uses HTTP/2
	sent                      bool // the request's headers, over HTTP/2
	repeated                  bool // the transport tried to send the request again
}

// errRefusedStream is the error of a request that must not be sent again although an HTTP/2
// server asked for it.
var errRefusedStream = errors.New("the server reset the HTTP/2 stream of the request, or closed its connection")

func (t *tracer) attach(ctx context.Context) context.Context {
	trace := &httptrace.ClientTrace{
		GetConn:      func(string) { t.begin() },
		DNSStart:     func(httptrace.DNSStartInfo) { t.mark(&t.resolveStart) },
		DNSDone:      func(httptrace.DNSDoneInfo) { t.mark(&t.resolveDone) },
		ConnectStart: func(string, string) { t.markFirst(&t.connectStart) },
		ConnectDone: func(_, _ string, err error) {
			if err == nil {
				t.mark(&t.connectDone)
			}
		},
		TLSHandshakeStart: func() { t.mark(&t.tlsStart) },
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			if err == nil {
				t.secured(state.NegotiatedProtocol)
			}
		},
		GotConn: func(info httptrace.GotConnInfo) {
			passed := t.beforeWrite == nil || t.beforeWrite()
			t.connected(info, passed)
		},
		WroteRequest:         func(httptrace.WroteRequestInfo) { t.wrote() },
		GotFirstResponseByte: func() { t.mark(&t.first) },
	}
	if t.http2 {
		trace.WroteHeaders = t.wroteHeaders
	}
	return httptrace.WithClientTrace(ctx, trace)
}

// connected records the connection of the request, unless the request may not be written.
//
// An HTTP/2 connection is shared with other requests, so it is not closed: its
// transport checks the context before it writes. The transport writes in another goroutine,
// and may report the end of the write after the response, so the request counts as written
// from now on.
func (t *tracer) connected(info httptrace.GotConnInfo, passed bool) {
	multiplexed := t.http2 && negotiatedHTTP2(info.Conn)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.multiplexed, t.repeated = multiplexed, t.once && t.sent // even over HTTP/1.1
	switch {
	case passed && !t.abandoned && !t.repeated:
	case multiplexed:
		t.cancel()
		return
	default:
		_ = info.Conn.Close() // because the transport would write to it without checking the context
		return
	}
	t.gotConn, t.reused, t.certSeenAt = time.Now(), info.Reused, certSeenAt(info.Conn)
	if multiplexed {
		t.written = t.gotConn
	}
}

// negotiatedHTTP2 reports whether a connection uses HTTP/2, so that requests share it.
func negotiatedHTTP2(conn net.Conn) bool {
	secured, ok := conn.(*tls.Conn)
	return ok && secured.ConnectionState().NegotiatedProtocol == "h2"
}

// wroteHeaders records that the request's headers were sent, for a request that must not be
// sent again. Transports repeat a request over HTTP/2 if the server resets its stream.
func (t *tracer) wroteHeaders() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent = t.sent || t.multiplexed
}

// repeats reports whether the transport tried to send a request again that must not be.
func (t *tracer) repeats() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.repeated
}

// begin discards the attempt on a kept connection that turned out to be closed: the
// request is repeated.
func (t *tracer) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.once && t.sent {
		return // see connected
	}
	t.gotConn, t.written, t.first, t.certSeenAt, t.reused = time.Time{}, time.Time{}, time.Time{}, time.Time{}, false
}

// secured records the end of the TLS handshake, and the protocol that the server chose.
func (t *tracer) secured(protocol string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tlsDone, t.noALPN = time.Now(), protocol == ""
}

func (t *tracer) mark(at *time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*at = time.Now()
}

// wrote records that the request was written, possibly only to a buffer. Over HTTP/2 this may
// be reported after the response.
func (t *tracer) wrote() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.abandoned && (t.written.IsZero() || t.first.IsZero()) {
		t.written = time.Now()
	}
}

func (t *tracer) markFirst(at *time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at.IsZero() {
		*at = time.Now()
	}
}

// abandon prevents the request from being sent, and reports whether it could: once
// there is a connection, something may have been sent.
func (t *tracer) abandon() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.abandoned = t.gotConn.IsZero()
	return t.abandoned
}

// observe copies the tracer's times, up to the exchange's end. A part that has not
// ended counts until then.
func (x *Exchange) observe(t *tracer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	end := x.End
	x.CertSeenAt, x.Reused = t.certSeenAt, t.reused
	x.Written, x.FirstByte = t.written, t.first
	x.noALPN = t.noALPN
	// net/http may use another kept connection while its own is being made.
	x.InHandshake = !t.tlsStart.IsZero() && t.tlsDone.IsZero() && t.gotConn.IsZero()
	if !t.reused {
		x.Phases.Resolve = between(t.resolveStart, t.resolveDone, end)
		x.Phases.Connect = between(t.connectStart, t.connectDone, end)
		x.Phases.TLS = between(t.tlsStart, t.tlsDone, end)
	}
	x.Phases.Processing = between(t.gotConn, t.first, end)
	x.Phases.Transfer = between(t.first, end, end)
}

func between(start, done, end time.Time) time.Duration {
	switch {
	case start.IsZero():
		return 0
	case done.IsZero():
		done = end
	}
	return max(done.Sub(start), 0)
}
