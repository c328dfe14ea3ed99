package probe

import (
	"context"
	"crypto/tls"
	"net/http/httptrace"
	"sync"
	"time"
)

// tracer notes when the parts of one exchange began and ended. It may still be called
// when the exchange is over: two addresses are dialled at once, and net/http's
// transport dials in the background, and goes on where a request gave up.
type tracer struct {
	mu sync.Mutex // guards the fields below

	resolveStart, resolveDone time.Time
	connectStart, connectDone time.Time
	tlsStart, tlsDone         time.Time
	gotConn, written, first   time.Time
	certified                 time.Time
	reused                    bool
	abandoned                 bool // nothing is to be sent any more
}

func (t *tracer) attach(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
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
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err == nil {
				t.mark(&t.tlsDone)
			}
		},
		GotConn: func(info httptrace.GotConnInfo) {
			t.mu.Lock()
			defer t.mu.Unlock()
			if t.abandoned {
				_ = info.Conn.Close() // it would be written to without a look at the context
				return
			}
			t.gotConn, t.reused, t.certified = time.Now(), info.Reused, certified(info.Conn)
			if counted := layer[*countedConn](info.Conn); counted != nil {
				counted.heldBy(holderOf(ctx))
			}
		},
		WroteRequest:         func(httptrace.WroteRequestInfo) { t.wrote() },
		GotFirstResponseByte: func() { t.mark(&t.first) },
	})
}

// begin forgets what became of the request on a kept connection that was of no use
// any more: it is sent again.
func (t *tracer) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gotConn, t.written, t.first, t.certified, t.reused = time.Time{}, time.Time{}, time.Time{}, time.Time{}, false
}

func (t *tracer) mark(at *time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*at = time.Now()
}

// wrote marks that the request was written, as far as one can tell: it may be in a
// buffer.
func (t *tracer) wrote() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.abandoned {
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

// abandon keeps the request from being sent, and reports whether it could: once
// there is a connection, something may have been sent.
func (t *tracer) abandon() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.abandoned = t.gotConn.IsZero()
	return t.abandoned
}

// observe takes what the trace saw of an exchange, up to its end. A part that
// never ended lasted until then.
func (x *exchange) observe(t *tracer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	end := x.end
	x.certified, x.reused = t.certified, t.reused
	x.written, x.answered = t.written, t.first
	// A request that net/http gives a kept connection leaves its own half made.
	x.inHandshake = !t.tlsStart.IsZero() && t.tlsDone.IsZero() && t.gotConn.IsZero()
	if !t.reused {
		x.phases.Resolve = between(t.resolveStart, t.resolveDone, end)
		x.phases.Connect = between(t.connectStart, t.connectDone, end)
		x.phases.TLS = between(t.tlsStart, t.tlsDone, end)
	}
	x.phases.Processing = between(t.gotConn, t.first, end)
	x.phases.Transfer = between(t.first, end, end)
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
