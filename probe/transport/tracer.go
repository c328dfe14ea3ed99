package transport

import (
	"context"
	"crypto/tls"
	"net/http/httptrace"
	"sync"
	"time"
)

// tracer records when the parts of one exchange start and end. It may be called after
// the exchange: two addresses are dialed concurrently, and net/http's transport dials
// in the background and continues after the request has given up.
type tracer struct {
	beforeWrite func() bool // reports whether the request may be written; nil: always

	mu sync.Mutex // guards the fields below

	resolveStart, resolveDone time.Time
	connectStart, connectDone time.Time
	tlsStart, tlsDone         time.Time
	gotConn, written, first   time.Time
	certSeenAt                time.Time
	reused                    bool
	abandoned                 bool // nothing more may be sent
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
			passed := t.beforeWrite == nil || t.beforeWrite()
			t.mu.Lock()
			defer t.mu.Unlock()
			if !passed || t.abandoned {
				_ = info.Conn.Close() // because the transport would write to it without checking the context
				return
			}
			t.gotConn, t.reused, t.certSeenAt = time.Now(), info.Reused, certSeenAt(info.Conn)
		},
		WroteRequest:         func(httptrace.WroteRequestInfo) { t.wrote() },
		GotFirstResponseByte: func() { t.mark(&t.first) },
	})
}

// begin discards the attempt on a kept connection that turned out to be closed: the
// request is repeated.
func (t *tracer) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gotConn, t.written, t.first, t.certSeenAt, t.reused = time.Time{}, time.Time{}, time.Time{}, time.Time{}, false
}

func (t *tracer) mark(at *time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*at = time.Now()
}

// wrote records that the request was written, possibly only to a buffer.
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
