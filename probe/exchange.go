package probe

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"session_exporter/config"
)

// exchange is one request and what became of it.
type exchange struct {
	step   Step
	method string
	url    *url.URL
	header http.Header // of the request; nil when a library made it

	start, end time.Time
	phases     Phases
	// written and answered bracket the moment at which the appliance read its
	// clock.
	written, answered time.Time
	// inHandshake is set when the connection was made and TLS was not.
	inHandshake bool
	// reused is set when the connection used was made for an earlier exchange.
	reused bool
	// certified is when the appliance showed its certificate, on the connection used
	// or on the one whose TLS session that resumes; zero when there was none.
	certified time.Time
	// certificateExpiry is the earliest end of the certificates presented when
	// the connection was made, trusted or not.
	certificateExpiry time.Time

	secrets  []config.Secret // that were sent beside the proof
	err      error           // transport failure, or the body could not be read to its end
	unsent   bool            // err kept the request from being sent
	answer   Answer
	body     *bytes.Buffer // the answer's; nil when it was read by a library, or given up
	tooLarge bool          // the body has more than maxBody bytes
	reading  Reading       // what the answer said, as it said it
}

// Phases are the parts of an exchange's duration. A kept connection spends
// nothing on the first three.
type Phases struct {
	Resolve, Connect, TLS, Processing, Transfer time.Duration
}

// All yields the parts by their names, in the order in which they come.
func (p Phases) All() iter.Seq2[string, time.Duration] {
	return func(yield func(name string, took time.Duration) bool) {
		_ = yield("resolve", p.Resolve) && yield("connect", p.Connect) && yield("tls", p.TLS) &&
			yield("processing", p.Processing) && yield("transfer", p.Transfer)
	}
}

// request is what prepare needs to know beside the call.
type request struct {
	step  Step
	call  Call
	base  *url.URL
	proof proof
	// last asks to close the connection behind this exchange, be it tooOld for
	// another or not to be kept.
	last, tooOld bool
}

// prepare makes a request. It returns none when that cannot be, and the exchange
// says why.
func (c *client) prepare(r request) (*exchange, *http.Request) {
	if r.call.Fill != nil {
		r.call = r.call.Fill(r.proof.token)
	}
	target := r.call.below(r.base)
	x := &exchange{step: r.step, method: r.call.Method, url: target, start: time.Now()}
	if r.call.Shown != "" {
		x.url = Call{Path: r.call.Shown}.below(r.base)
	}
	header, secrets, err := c.header(r)
	if err != nil {
		x.err, x.unsent, x.end = err, true, time.Now()
		return x, nil
	}
	x.header, x.secrets = header, secrets
	req := &http.Request{Method: r.call.Method, URL: target, Host: target.Host, Header: header, Close: r.last}
	if body := r.call.Body; body != nil {
		req.ContentLength = int64(len(body))
		// For a kept connection that turns out to be closed before anything
		// was written to it.
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		req.Body, _ = req.GetBody()
	}
	return x, req
}

// send sends the request of an exchange and reads the answer. ctx bounds both.
func (c *client) send(ctx context.Context, x *exchange, req *http.Request, t *tracer) {
	response, err := c.transport.RoundTrip(req.WithContext(t.attach(ctx))) //nolint:bodyclose // read closes it
	if err != nil {
		x.err = err
		x.certificateExpiry = earliestExpiry(unverified(err))
	} else {
		x.read(response)
		if response.TLS != nil {
			x.certificateExpiry = earliestExpiry(response.TLS.PeerCertificates)
		}
	}
	x.finish(ctx, t)
}

// finish notes that the exchange is over, or that ctx is and nobody waits for
// its end.
func (x *exchange) finish(ctx context.Context, t *tracer) {
	x.end = time.Now()
	x.observe(t)
	if x.err != nil && ctx.Err() != nil {
		x.err = ctx.Err() // whatever it was cut off at
	}
}

// header returns the headers of a request, the configured ones included, and
// the secrets that they and the proxy's bring along.
func (c *client) header(r request) (http.Header, []config.Secret, error) {
	header := make(http.Header, 5)
	secrets, err := c.addHeaders(header)
	if err != nil {
		return nil, nil, err
	}
	// What the module says wins over its API's word, and that over ours.
	for name, value := range r.call.Header {
		if name = http.CanonicalHeaderKey(name); header[name] == nil {
			header[name] = []string{value}
		}
	}
	if header["Accept"] == nil {
		header["Accept"] = acceptJSON
	}
	header["User-Agent"] = userAgents
	if r.call.Body != nil {
		header["Content-Type"] = []string{cmp.Or(r.call.ContentType, "application/json")}
	}
	if r.proof.header != "" {
		header[r.proof.header] = []string{r.proof.value.Reveal()}
	}
	for _, more := range r.proof.also {
		value := more.value.Reveal()
		if more.header == "Cookie" { // of which a request has one (RFC 6265, 5.4)
			value = strings.Join(append(header["Cookie"], value), "; ")
		}
		header[more.header] = []string{value}
	}
	if r.step == Logout {
		// Not sent: it tells the transport that a logout may be repeated where
		// the appliance closed a kept connection, or its session would be left.
		// A login is not repeated: a refused one would count twice.
		header["Idempotency-Key"] = nil
	}
	return header, append(secrets, c.proxySecrets...), nil
}

// read reads the answer. The body is closed without being drained when it is
// too large, which closes the connection.
func (x *exchange) read(response *http.Response) {
	defer func() { _ = response.Body.Close() }() // nothing is lost with a body that was read
	x.answer.Status, x.answer.Header = response.StatusCode, response.Header
	if response.StatusCode < 200 {
		return // 101: what follows is no body but the connection, which ctx does not bound
	}
	x.body = bodies.Get().(*bytes.Buffer) //nolint:forcetypeassert // it holds nothing else
	if n := response.ContentLength; n > 0 && n <= maxBody {
		x.body.Grow(int(n) + bytes.MinRead)
	}
	body, err := unpacked(response)
	if err == nil {
		_, err = x.body.ReadFrom(io.LimitReader(body, maxBody+1))
	}
	x.answer.Body, x.err = x.body.Bytes(), incomplete(response, err)
	if x.body.Len() > maxBody {
		x.tooLarge, x.answer.Body, x.err = true, nil, nil
	}
}

// unpacked returns an answer's body without gzip. We do not ask for that: for a
// kilobyte it is of no use. But there are those who send it all the same.
func unpacked(response *http.Response) (io.Reader, error) {
	switch strings.ToLower(response.Header.Get("Content-Encoding")) {
	case "gzip", "x-gzip": // which are the same (RFC 9110, 8.4.1.3)
	default:
		return response.Body, nil
	}
	body, err := gzip.NewReader(response.Body)
	if errors.Is(err, io.EOF) {
		return http.NoBody, nil // there is none that could be packed
	}
	return body, err
}

// incomplete returns an error of unpacking, but for one that says that the body ended
// too soon where the body has all of its bytes: the connection did not break.
func incomplete(response *http.Response, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		if _, rest := response.Body.Read(nil); errors.Is(rest, io.EOF) {
			return errors.New("gzip: the body ends too soon")
		}
	}
	return err
}

// bodies are buffers for answers' bodies.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxKeptBody is how large a buffer may be that is kept for the next answer.
const maxKeptBody = 16 << 10

// forget gives up the answer, for a finding may stand for long. The body's buffer is
// the next answer's: whoever wants something of the body has a copy.
func (x *exchange) forget() {
	x.answer.Header, x.answer.Body, x.reading = nil, nil, Reading{}
	if x.body != nil && x.body.Cap() <= maxKeptBody {
		x.body.Reset()
		bodies.Put(x.body)
	}
	x.body = nil
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
