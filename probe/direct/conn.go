package direct

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"sync"
	"syscall"
	"time"
)

// conn is a connection to a server, and what it takes to send a request on it. It
// idles, or has one exchange.
type conn struct {
	net.Conn // TLS's, where there is TLS
	tls      *tls.ConnectionState
	raw      net.Conn        // below TLS
	system   syscall.RawConn // below all of that; nil where there is none

	transport *Transport
	origin    origin
	idleSince time.Time

	// These are the exchange's.
	unbind   func() bool // from the context
	written  int         // bytes of the request
	headers  int64       // bytes that the answer's headers may still have
	answered bool        // by one byte at least
	broken   bool        // reading has failed
}

// past is a deadline that interrupts at once what is read and written.
var past = time.Unix(1, 0)

// Buffers are the exchanges', of which there are few at a time.
var (
	readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}
	writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 1<<10) }}
)

// exchange sends a request and reads the answer up to its body, which goes on with
// the exchange. The connection is bound by the request's context until that ends.
func (c *conn) exchange(req *http.Request, trace *httptrace.ClientTrace, reused bool) (*http.Response, error) {
	c.written, c.answered, c.broken, c.headers = 0, false, false, c.transport.MaxResponseHeaderBytes
	c.unbind = context.AfterFunc(req.Context(), func() { _ = c.SetDeadline(past) })
	if trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Conn: c.Conn, Reused: reused, WasIdle: reused})
	}
	if err := c.write(req); err != nil {
		c.unbind()
		return nil, err
	}
	r := readers.Get().(*bufio.Reader) //nolint:forcetypeassert // it holds nothing else
	r.Reset(answerReader{c})
	response, err := c.read(r, req, trace)
	if err != nil {
		c.unbind()
		release(r)
		return nil, err
	}
	response.TLS = c.tls
	keeps := !req.Close && !response.Close && response.StatusCode >= 200
	response.Body = &body{rest: response.Body, request: req, reader: r, conn: c, keeps: keeps}
	return response, nil
}

// write sends the request. Request.Write reports to the trace by itself.
func (c *conn) write(req *http.Request) error {
	w := writers.Get().(*bufio.Writer) //nolint:forcetypeassert // it holds nothing else
	w.Reset(requestWriter{c})
	err := req.Write(w)
	if err == nil {
		err = w.Flush()
	}
	w.Reset(nil)
	writers.Put(w)
	return err
}

// read reads the answer up to its body.
func (c *conn) read(r *bufio.Reader, req *http.Request, trace *httptrace.ClientTrace) (*http.Response, error) {
	if _, err := r.Peek(1); err != nil {
		return nil, err
	}
	c.answered = true
	if trace.GotFirstResponseByte != nil {
		trace.GotFirstResponseByte()
	}
	for {
		response, err := http.ReadResponse(r, req)
		switch {
		case err != nil && c.headers <= 0:
			return nil, fmt.Errorf("the answer's headers exceeded %d bytes", c.transport.MaxResponseHeaderBytes)
		case err != nil:
			return nil, err
		case !informational(response.StatusCode): // of the others there may be as many as there is room for headers
			c.headers = math.MaxInt64
			return response, nil
		}
	}
}

// informational reports whether an answer with such a status is to come
// (RFC 9110, 15.2). Behind a 101 there is another protocol.
func informational(status int) bool {
	return status >= 100 && status < 200 && status != http.StatusSwitchingProtocols
}

// mayRepeat reports whether a request that failed on a kept connection may be sent
// on another: because nothing of it was, or because the server closed the connection
// just then and the request does the same twice as once (RFC 9110, 9.2.2), which
// a header Idempotency-Key claims of any, as for http.Transport.
func (c *conn) mayRepeat(req *http.Request) bool {
	if c.answered || req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		return false
	}
	if c.written == 0 {
		return true
	}
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	_, claimed := req.Header["Idempotency-Key"]
	return claimed
}

// requestWriter is a connection that a request is written to.
type requestWriter struct{ conn *conn }

func (w requestWriter) Write(p []byte) (int, error) {
	n, err := w.conn.Write(p)
	w.conn.written += n
	return n, err
}

// answerReader is a connection that an answer is read from.
type answerReader struct{ conn *conn }

func (r answerReader) Read(p []byte) (int, error) {
	c := r.conn
	if c.headers <= 0 {
		return 0, io.ErrUnexpectedEOF // read says why
	}
	n, err := c.Read(p[:min(int64(len(p)), c.headers)])
	c.headers -= int64(n)
	c.broken = c.broken || err != nil
	return n, err
}

// body is the body of an answer. The connection is kept when it has been read to its
// end, and else closed. Who reads it must have come back before it is closed.
type body struct {
	rest    io.Reader
	request *http.Request
	reader  *bufio.Reader
	keeps   bool  // both sides would keep the connection
	conn    *conn // nil when the exchange has ended
	ended   error // how it did
}

func (b *body) Read(p []byte) (int, error) {
	if b.conn == nil {
		return 0, b.ended
	}
	n, err := b.rest.Read(p)
	if err != nil {
		b.end(err)
	}
	return n, b.ended
}

// Close implements io.Closer. It does not read what is left: there may be no end to
// that.
func (b *body) Close() error {
	if b.conn != nil {
		b.end(http.ErrBodyReadAfterClose)
	}
	return nil
}

func (b *body) end(how error) {
	c, r := b.conn, b.reader
	b.conn, b.reader, b.ended = nil, nil, how
	whole := errors.Is(how, io.EOF)
	left := r.Buffered()
	release(r)
	// Where the context is over, the deadline that it sets may be still to come.
	switch inTime := c.unbind(); {
	case !inTime:
		_ = c.raw.Close() // without TLS's farewell, which would be waited for
		if !whole {
			b.ended = b.request.Context().Err()
		}
	case b.keeps && whole && left == 0 && c.drained():
		c.transport.keep(c)
	default:
		_ = c.Close() // all that is wanted of it was read
	}
}

// drained reports whether nothing has been read of a connection but what was asked
// for. What is more would be taken for the answer to the next request. crypto/tls
// reads as much as there is, and keeps what it is not asked for yet: an answer that
// nobody wants, or the server's farewell. The deadline keeps it from reading on; of a
// part of a record nothing is seen.
func (c *conn) drained() bool {
	if c.broken || c.tls == nil {
		return !c.broken
	}
	var one [1]byte
	_ = c.SetReadDeadline(past) // it can only fail where reading does
	n, err := c.Read(one[:])
	_ = c.SetReadDeadline(time.Time{})
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded)
}

func release(r *bufio.Reader) {
	r.Reset(nil)
	readers.Put(r)
}
