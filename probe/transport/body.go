package transport

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"sync"
	"time"

	"session_exporter/sessionapi"
)

// MaxBody is the maximum size of a body in bytes, after decompression.
const MaxBody = 1 << 20

// maxKeptBody limits the size of a buffer that is kept for reuse.
const maxKeptBody = 16 << 10

// read reads the response. A body that is too large is closed without being drained,
// which closes the connection. If the status decides, the body is given up after
// maxBodyWait, so that a refused session can be renewed in the same probe even if the body of
// the refusal never ends.
func (x *Exchange) read(response *http.Response) {
	defer func() { _ = response.Body.Close() }() // a body that was read has no more errors
	x.Response.Status, x.Response.Header = response.StatusCode, response.Header
	if response.StatusCode < 200 {
		return // 101: another protocol follows, and ctx would not limit reading it
	}
	if body, ok := response.Body.(limitedBody); ok && x.maxBodyWait > 0 && x.StatusDecides() {
		_ = body.SetReadDeadline(time.Now().Add(x.maxBodyWait)) // fails only if reading does
	}
	x.body = bodies.Get().(*bytes.Buffer) //nolint:forcetypeassert // it holds nothing else
	if n := response.ContentLength; n > 0 && n <= MaxBody {
		x.body.Grow(int(n) + bytes.MinRead)
	}
	coding := contentCoding(response.Header)
	err := readDecoded(x.body, response.Body, coding, MaxBody+1)
	x.Response.Body, x.Err = bytes.TrimPrefix(x.body.Bytes(), byteOrderMark), decodingError(response.Body, coding, err)
	switch {
	case x.body.Len() > MaxBody:
		x.TooLarge, x.Response.Body, x.Err = true, nil, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		x.Err = errors.New("the body did not end")
	}
}

// limitedBody is a body with a read deadline, such as http1's. With net/http's transport,
// only the probe's deadline applies.
type limitedBody interface {
	SetReadDeadline(at time.Time) error
}

// byteOrderMark may precede a UTF-8 body. It is not part of the text.
var byteOrderMark = []byte("\xef\xbb\xbf")

// bodies are buffers for the bodies of responses.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Release drops the request, its secrets, and the response except its status, because
// results may be kept for long. The body's buffer is reused.
func (x *Exchange) Release() {
	x.Response = sessionapi.Response{Status: x.Response.Status}
	x.Header, x.Secrets = nil, nil
	x.client, x.transport, x.request, x.BeforeWrite = nil, nil, nil, nil
	if x.body != nil && x.body.Cap() <= maxKeptBody {
		x.body.Reset()
		bodies.Put(x.body)
	}
	x.body = nil
}
