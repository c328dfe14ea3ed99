package transport

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
)

// contentCoding returns the name of a response's content coding (RFC 9110, 8.4),
// empty if it has none.
func contentCoding(header http.Header) string {
	var codings []string
	for _, value := range header["Content-Encoding"] {
		for coding := range strings.SplitSeq(strings.ToLower(value), ",") {
			switch coding = strings.TrimSpace(coding); coding {
			case "", "identity":
			case "x-gzip": // the same (RFC 9110, 8.4.1.3)
				codings = append(codings, "gzip")
			default:
				codings = append(codings, coding)
			}
		}
	}
	return strings.Join(codings, ", ")
}

// codingError is the error of a body that cannot be decoded.
type codingError struct {
	coding string
	err    error
}

func (e *codingError) Error() string {
	return e.coding + ": " + strings.TrimPrefix(e.err.Error(), e.coding+": ")
}
func (e *codingError) Unwrap() error { return e.err }

// CodingFailed reports whether the response's body could not be decoded.
func (x *Exchange) CodingFailed() bool {
	_, ok := errors.AsType[*codingError](x.Err)
	return ok
}

// gzipReaders are reused because each takes 40 KiB.
var gzipReaders = sync.Pool{New: func() any { return new(gzip.Reader) }}

// readDecoded appends at most limit bytes of a body to buffer, without its content
// coding.
func readDecoded(buffer *bytes.Buffer, body io.Reader, coding string, limit int64) error {
	if coding == "" {
		_, err := buffer.ReadFrom(io.LimitReader(body, limit))
		return err
	}
	var start [2]byte
	n, err := io.ReadFull(body, start[:])
	switch {
	case errors.Is(err, io.EOF):
		return nil // an empty body is not encoded
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return err
	}
	body = io.MultiReader(bytes.NewReader(start[:n]), body)
	switch coding {
	case "gzip":
		unpacked := gzipReaders.Get().(*gzip.Reader) //nolint:forcetypeassert // it holds nothing else
		defer gzipReaders.Put(unpacked)
		err = unpacked.Reset(body)
		body = unpacked
	case "deflate": // zlib or, from some servers, the bare format (RFC 9110, 8.4.1.2)
		const deflated = 8 // RFC 1950, 2.2
		if start[0]&0xf == deflated && (int(start[0])<<8|int(start[1]))%31 == 0 {
			body, err = zlib.NewReader(body)
		} else {
			body, err = flate.NewReader(body), nil
		}
	default:
		err = errors.New("this content coding was not requested")
	}
	if err == nil {
		_, err = buffer.ReadFrom(io.LimitReader(body, limit))
	}
	return err
}

// decodingError distinguishes an error of decoding from one of the connection: a
// complete body that is too short for its coding is not a broken connection.
func decodingError(body io.Reader, coding string, err error) error {
	switch {
	case err == nil, coding == "":
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		if _, rest := body.Read(nil); !errors.Is(rest, io.EOF) {
			return err
		}
		return &codingError{coding, errors.New("the body ends too soon")}
	}
	return &codingError{coding, err}
}
