package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"runtime/debug"
	"time"

	"session_exporter/probe/transport/http1"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// Exchange is one request and its outcome.
type Exchange struct {
	Method string
	URL    *url.URL    // of the request, as shown
	Header http.Header // of the request
	// Secrets are those in the request and the response, except the request's authorization.
	Secrets []secret.Secret

	// BeforeWrite is called when a connection exists, before the request is written
	// to it. If it fails, the request is not written, and SendDetached returns. BeforeWrite
	// is called again if the request is repeated.
	BeforeWrite func() error
	// KeepsResponse makes SendDetached treat a canceled context as a deadline that passes:
	// once the request is sent, the response is awaited.
	KeepsResponse bool

	Start, End time.Time
	Phases     Phases
	// Written is when the request was written, FirstByte when the first byte of the response
	// arrived. The appliance read its clock between them.
	Written, FirstByte time.Time
	InHandshake        bool // connected, but TLS was not established
	Reused             bool // the connection was made for an earlier exchange
	// CertSeenAt is when the connection was made, and the appliance showed its
	// certificate; zero without a connection.
	CertSeenAt time.Time
	// CertificateExpiry is when that certificate expires: see certificateExpiry.
	CertificateExpiry time.Time

	Err      error               // of the connection, or of reading the body
	Unsent   bool                // the request could not be prepared, see Prepare
	Response sessionapi.Response // its Body is overwritten after Release
	TooLarge bool                // the response's body has more than MaxBody bytes

	once, http2 bool // see Request.Once and Client
	noALPN      bool // the server selected no protocol
	onlyHTTP2   bool // see mayNeedHTTP2

	client      *Client
	transport   http.RoundTripper
	request     *http.Request
	maxBodyWait time.Duration
	body        *bytes.Buffer // of the response; nil without one
}

// Phases are the parts of an exchange's duration. The first three are 0 on a kept
// connection.
type Phases struct {
	Resolve, Connect, TLS, Processing, Transfer time.Duration
}

// All yields the parts in order, by name.
func (p Phases) All() iter.Seq2[string, time.Duration] {
	return func(yield func(name string, took time.Duration) bool) {
		_ = yield("resolve", p.Resolve) && yield("connect", p.Connect) && yield("tls", p.TLS) &&
			yield("processing", p.Processing) && yield("transfer", p.Transfer)
	}
}

// Send sends the request and reads the response. ctx limits both.
func (x *Exchange) Send(ctx context.Context) { x.send(ctx, &tracer{http2: x.http2}) }

func (x *Exchange) send(ctx context.Context, t *tracer) {
	if x.request == nil {
		return
	}
	response, err := x.transport.RoundTrip(x.request.WithContext(t.attach(ctx))) //nolint:bodyclose // read closes it
	if err != nil {
		x.Err = err
		if malformed, ok := errors.AsType[*http1.ResponseError](err); ok {
			x.Response.Status = malformed.StatusCode
		}
		x.CertificateExpiry = expiryOfUnverified(err)
	} else {
		x.read(response)
		x.CertificateExpiry = certificateExpiry(response.TLS)
	}
	x.finish(ctx, t)
	if x.mayNeedHTTP2() {
		x.onlyHTTP2 = x.client.selectsHTTP2(ctx, x.Response.URL)
	}
}

// finish records the end of the exchange, or that ctx is done and the end is not
// awaited.
func (x *Exchange) finish(ctx context.Context, t *tracer) {
	x.End = time.Now()
	x.observe(t)
	if x.Err != nil && ctx.Err() != nil {
		x.Err = ctx.Err() // instead of the error of the interrupted operation
	}
	if x.Err != nil && t.repeats() {
		x.Err = errRefusedStream
	}
}

// SendDetached is Send for a request whose response is needed even if ctx's deadline
// passes after it was sent. In that case x is the exchange so far, and late yields the
// complete one, at most extra after the deadline. Otherwise late is nil. A
// canceled ctx interrupts the exchange, unless KeepsResponse is set. A panic while sending
// is passed on to the caller, as a *Panic.
func (x *Exchange) SendDetached(ctx context.Context, extra time.Duration) (late <-chan Late) {
	if x.request == nil {
		return nil
	}
	if deadline, ok := ctx.Deadline(); ok {
		extra += max(time.Until(deadline), 0) // BeforeWrite may return at any time until the deadline
	}
	sending, cancel := context.WithTimeout(context.WithoutCancel(ctx), extra)
	whole, t := *x, &tracer{http2: x.http2, once: x.once, cancel: cancel}
	if before := x.BeforeWrite; before != nil {
		t.beforeWrite = func() bool {
			err := before()
			if err != nil {
				cancel() // so that the transport does not try another connection
			}
			return err == nil
		}
	}
	done := make(chan Late, 1)
	go func() {
		defer cancel()
		done <- whole.sendRecovering(sending, t)
	}()
	select {
	case end := <-done:
		*x = *end.Exchange()
		return nil
	case <-ctx.Done():
	}
	if (x.KeepsResponse || errors.Is(ctx.Err(), context.DeadlineExceeded)) && !t.abandon() {
		x.Err = ctx.Err()
		x.finish(ctx, t)
		return done
	}
	cancel()
	end := <-done
	if *x = *end.Exchange(); x.Err != nil {
		x.Err = ctx.Err()
	}
	return nil
}

// sendRecovering is send in a goroutine of its own, where a panic would end the process.
func (x *Exchange) sendRecovering(ctx context.Context, t *tracer) (end Late) {
	defer func() {
		if value := recover(); value != nil {
			end = Late{panicked: &Panic{Value: value, Stack: debug.Stack()}}
		}
	}()
	x.send(ctx, t)
	return Late{exchange: x}
}

// Late is the end of an exchange in another goroutine.
type Late struct {
	exchange *Exchange
	panicked *Panic
}

// Exchange returns the complete exchange. It panics if sending did.
func (l Late) Exchange() *Exchange {
	if l.panicked != nil {
		panic(l.panicked)
	}
	return l.exchange
}

// Panic is the value of a panic that is passed on to another goroutine, with the stack of
// the goroutine that panicked.
type Panic struct {
	Value any
	Stack []byte
}

func (p *Panic) Error() string { return fmt.Sprintf("panic in another goroutine (%T)", p.Value) }

// IsIncomplete reports whether no complete response came, or its body could not be read.
func (x *Exchange) IsIncomplete() bool { return x.Err != nil || x.TooLarge }

// StatusDecides reports whether the response's status keeps its meaning when the body cannot
// be read. The meaning of any other status may depend on the body.
func (x *Exchange) StatusDecides() bool {
	switch status := x.Response.Status; status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		return true
	default:
		return status >= 500 || status >= 300 && status < 400
	}
}

// Skew returns the appliance's clock minus the exporter's, and whether it is known. It assumes
// that the appliance read its clock halfway between the end of the request and the first byte
// of the response.
func (x *Exchange) Skew(serverTime time.Time) (time.Duration, bool) {
	age := x.Response.Header.Get("Age") // of a response from a cache, whose Date is old (RFC 9111, 5.1)
	if serverTime.IsZero() || x.Written.IsZero() || x.FirstByte.IsZero() || age != "" && age != "0" {
		return 0, false
	}
	return serverTime.Sub(x.Written.Add(x.FirstByte.Sub(x.Written) / 2)), true
}
