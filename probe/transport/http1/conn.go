package http1

import (
	"bufio"
	"bytes"
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
	"strconv"
	"sync"
	"syscall"
	"time"
)

// conn is a connection to a server. It is idle or has one exchange.
type conn struct {
	net.Conn // the TLS connection, if any
	tls      *tls.ConnectionState
	raw      net.Conn        // below TLS
	system   syscall.RawConn // the operating system's connection, nil if none

	transport *Transport
	origin    origin
	idleSince time.Time

	// The state of the exchange.
	unbind    func() bool // detaches the context
	written   int         // bytes of the request
	headers   int64       // bytes that the response's headers may still take
	responded bool        // at least one byte of the response has arrived
	broken    bool        // a read has failed
}

// past is a deadline that interrupts reads and writes immediately.
var past = time.Unix(1, 0)

// Only exchanges have buffers, and few are in flight at a time.
var (
	readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}
	writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 1<<10) }}
)

// exchange sends a request and reads the response's headers. The exchange lasts until the
// body is read to its end or closed, and the request's context limits it until then.
func (c *conn) exchange(req *http.Request, trace *httptrace.ClientTrace, reused bool) (*http.Response, error) {
	c.written, c.responded, c.broken, c.headers = 0, false, false, c.transport.MaxResponseHeaderBytes
	c.unbind = context.AfterFunc(req.Context(), func() { _ = c.SetDeadline(past) })
	if trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Conn: c.Conn, Reused: reused, WasIdle: reused})
	}
	if err := c.write(req); err != nil {
		c.unbind()
		return nil, err
	}
	r := readers.Get().(*bufio.Reader) //nolint:forcetypeassert // it holds nothing else
	r.Reset(responseReader{c})
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

// write sends the request. Request.Write calls the trace itself.
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

func (c *conn) read(r *bufio.Reader, req *http.Request, trace *httptrace.ClientTrace) (*http.Response, error) {
	if _, err := r.Peek(1); err != nil {
		return nil, err
	}
	c.responded = true
	if trace.GotFirstResponseByte != nil {
		trace.GotFirstResponseByte()
	}
	if startsHTTP2(r) {
		return nil, &ResponseError{0, ErrHTTP2}
	}
	for {
		status := peekStatus(r)
		response, err := http.ReadResponse(r, req)
		switch {
		case err != nil && c.headers <= 0:
			return nil, &ResponseError{status, fmt.Errorf("the response headers exceed %d bytes", c.transport.MaxResponseHeaderBytes)}
		case err != nil:
			return nil, &ResponseError{status, err}
		// The limit on headers also limits the number of informational responses.
		case !informational(response.StatusCode):
			c.headers = math.MaxInt64
			return response, nil
		}
	}
}

// ResponseError is the error of a response whose headers cannot be read.
type ResponseError struct {
	StatusCode int // 0 if the status line cannot be read
	Err        error
}

func (e *ResponseError) Error() string { return e.Err.Error() }

func (e *ResponseError) Unwrap() error { return e.Err }

// ErrHTTP2 is the error of a server that responds with HTTP/2, whatever the request.
var ErrHTTP2 = errors.New("the response is an HTTP/2 frame")

// startsHTTP2 reports whether a response begins with a SETTINGS frame, as every HTTP/2
// connection does (RFC 9113, 3.4).
func startsHTTP2(r *bufio.Reader) bool {
	const size, settings = 9, 0x4
	header, _ := r.Peek(min(r.Buffered(), size)) // cannot fail
	return len(header) == size && header[0] == 0 && header[3] == settings && bytes.Equal(header[5:], make([]byte, 4))
}

// peekStatus returns the status code of the next response if it is buffered, else 0. It
// does not wait for more, because the line may be shorter.
func peekStatus(r *bufio.Reader) int {
	const before, size = len("HTTP/1.1 "), len("HTTP/1.1 200")
	line, _ := r.Peek(min(r.Buffered(), size+1)) // cannot fail
	if len(line) <= size || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[before-1] != ' ' || line[size] > ' ' {
		return 0
	}
	status, err := strconv.Atoi(string(line[before:size]))
	if err != nil || status < http.StatusOK {
		return 0
	}
	return status
}

// informational reports whether another response follows one with this status (RFC
// 9110, 15.2). After a 101, another protocol follows.
func informational(status int) bool {
	return status >= 100 && status < 200 && status != http.StatusSwitchingProtocols
}

// mayRepeat reports whether a request that failed on a kept connection may be repeated
// on another one: no byte of a response has arrived, and either nothing of the request was
// sent or its method is safe. As for http.Transport, an Idempotency-Key header has the
// effect of a safe method.
func (c *conn) mayRepeat(req *http.Request) bool {
	if c.responded || req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		return false
	}
	_, claimed := req.Header["Idempotency-Key"]
	return c.written == 0 || IsSafe(req.Method) || claimed
}

// IsSafe reports whether a method is safe (RFC 9110, 9.2.1), so that transports repeat a
// request if a kept connection closes.
func IsSafe(method string) bool {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// requestWriter is a connection that a request is written to.
type requestWriter struct{ conn *conn }

func (w requestWriter) Write(p []byte) (int, error) {
	n, err := w.conn.Write(p)
	w.conn.written += n
	return n, err
}

// responseReader is a connection that a response is read from.
type responseReader struct{ conn *conn }

func (r responseReader) Read(p []byte) (int, error) {
	c := r.conn
	if c.headers <= 0 {
		return 0, io.ErrUnexpectedEOF // read returns the reason
	}
	n, err := c.Read(p[:min(int64(len(p)), c.headers)])
	c.headers -= int64(n)
	c.broken = c.broken || err != nil
	return n, err
}

// body is the body of a response. The connection is kept if the body was read to its
// end, and otherwise closed. Read and Close must not be called concurrently.
type body struct {
	rest    io.Reader
	request *http.Request
	reader  *bufio.Reader
	keeps   bool   // neither side closes the connection
	conn    *conn  // nil after the exchange
	lease   *Lease // gets the connection back; nil if none
	ended   error  // the result of the exchange
	limited bool   // a read deadline is set
}

// SetReadDeadline limits the time for the rest of the body, within the request's
// context.
func (b *body) SetReadDeadline(at time.Time) error {
	if b.conn == nil {
		return b.ended
	}
	b.limited = true
	err := b.conn.SetReadDeadline(at)
	if b.request.Context().Err() != nil {
		_ = b.conn.SetDeadline(past) // the line above may have undone it
	}
	return err
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

// Close implements io.Closer. It does not read the rest, which may be endless.
func (b *body) Close() error {
	if b.conn != nil {
		b.end(http.ErrBodyReadAfterClose)
	}
	return nil
}

func (b *body) end(err error) {
	c, r := b.conn, b.reader
	b.conn, b.reader, b.ended = nil, nil, err
	if b.limited {
		_ = c.SetReadDeadline(time.Time{}) // the connection may be kept
	}
	whole := errors.Is(err, io.EOF)
	left := r.Buffered()
	release(r)
	// The context's callback may set the connection's deadline later.
	switch inTime := c.unbind(); {
	case !inTime:
		_ = c.raw.Close() // without close_notify, which could block
		if !whole {
			b.ended = b.request.Context().Err()
		}
	case b.keeps && whole && left == 0 && c.nothingBuffered():
		if b.lease != nil {
			b.lease.put(c)
		} else {
			c.transport.keep(c)
		}
	default:
		_ = c.Close() // the response has been read
	}
}

// nothingBuffered reports whether nothing has been read from the connection beyond the
// response. Anything more would be taken for the response to the next request.
// crypto/tls reads and buffers whatever has arrived, such as an unexpected response or
// close_notify. The deadline keeps it from reading more; a partial record remains
// unnoticed.
func (c *conn) nothingBuffered() bool {
	if c.broken || c.tls == nil {
		return !c.broken
	}
	var one [1]byte
	_ = c.SetReadDeadline(past) // fails only if reading does
	n, err := c.Read(one[:])
	_ = c.SetReadDeadline(time.Time{})
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded)
}

func release(r *bufio.Reader) {
	r.Reset(nil)
	readers.Put(r)
}
