package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"
)

// exchange is one request and what became of it.
type exchange struct {
	step   Step
	method string
	url    *url.URL

	start, end time.Time
	phases     Phases
	// written and answered bracket the moment at which the appliance read its
	// clock.
	written, answered time.Time
	// inHandshake is set when the connection was made and TLS was not.
	inHandshake bool
	// connectionBorn is when the connection used was made.
	connectionBorn time.Time
	// certificateExpiry is the earliest end of the certificates presented on a
	// fresh connection, trusted or not.
	certificateExpiry time.Time

	err      error // transport failure, or the body could not be read to its end
	answer   Answer
	tooLarge bool // the body has more than MaxBody bytes
}

// Phases are the parts of an exchange's duration. A kept connection spends
// nothing on the first three.
type Phases struct {
	Resolve, Connect, TLS, Processing, Transfer time.Duration
}

// request is what do needs to know beside the call.
type request struct {
	step   Step
	call   Call
	base   *url.URL
	header http.Header
	// last asks to close the connection behind this exchange.
	last bool
}

// do sends a request and reads the answer. ctx bounds both.
func (c *client) do(ctx context.Context, r request) *exchange {
	target := *r.base
	target.Path += r.call.Path
	x := &exchange{step: r.step, method: r.call.Method, url: &target, start: time.Now()}
	defer func() {
		x.end = time.Now()
		if x.err != nil && ctx.Err() != nil {
			x.err = ctx.Err() // whatever it was cut off at
		}
	}()

	if x.err = c.addHeaders(r.header); x.err != nil {
		return x
	}
	r.header.Set("User-Agent", userAgent)
	r.header.Set("Accept", "application/json")
	req := &http.Request{Method: r.call.Method, URL: &target, Host: target.Host, Header: r.header, Close: r.last}
	if r.call.Body != nil {
		r.header.Set("Content-Type", "application/json")
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(r.call.Body)), int64(len(r.call.Body))
	}
	var trace tracer
	response, err := c.transport.RoundTrip(req.WithContext(trace.attach(ctx))) //nolint:bodyclose // read closes it
	if err != nil {
		x.err = err
		x.observe(&trace, time.Now())
		x.certificateExpiry = earliestExpiry(unverified(err))
		return x
	}
	x.read(response)
	x.observe(&trace, time.Now())
	if !trace.reused && response.TLS != nil {
		x.certificateExpiry = earliestExpiry(response.TLS.PeerCertificates)
	}
	return x
}

// read reads the answer. The body is closed without being drained when it is
// too large, which closes the connection.
func (x *exchange) read(response *http.Response) {
	defer func() { _ = response.Body.Close() }() // nothing is lost with a body that was read
	x.answer.Status, x.answer.Header = response.StatusCode, response.Header
	var body bytes.Buffer
	if n := response.ContentLength; n > 0 && n <= MaxBody {
		body.Grow(int(n) + bytes.MinRead)
	}
	_, x.err = body.ReadFrom(io.LimitReader(response.Body, MaxBody+1))
	x.answer.Body = body.Bytes()
	if body.Len() > MaxBody {
		x.tooLarge, x.answer.Body, x.err = true, nil, nil
	}
}

// skew returns the appliance's clock minus ours. Its clock is taken to have
// been read half way between the request's end and the answer's beginning.
func (x *exchange) skew(serverTime time.Time) (time.Duration, bool) {
	if serverTime.IsZero() || x.written.IsZero() || x.answered.IsZero() {
		return 0, false
	}
	return serverTime.Sub(x.written.Add(x.answered.Sub(x.written) / 2)), true
}

// unverified returns the certificates that failed verification.
func unverified(err error) []*x509.Certificate {
	if failed, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return failed.UnverifiedCertificates
	}
	return nil
}

func earliestExpiry(chain []*x509.Certificate) time.Time {
	var earliest time.Time
	for _, certificate := range chain {
		if earliest.IsZero() || certificate.NotAfter.Before(earliest) {
			earliest = certificate.NotAfter
		}
	}
	return earliest
}
