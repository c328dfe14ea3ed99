package web

import (
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// worthwhile is what a body, or the first piece of it, must have to be compressed.
// It is less than the exporter's own metrics take: who asks for gzip gets it, as
// from other exporters.
const worthwhile = 2 << 10

// encoder is a gzip.Writer or a zstd.Encoder.
type encoder interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// encoders have what is kept of each encoding between two pages, for setting up
// costs more than a page of a few endpoints.
type encoders map[string]*sync.Pool

// newEncoders returns encoders at their fastest: a page is 95 % repetition, and
// what more effort would save is not worth the processor's time.
func newEncoders() encoders {
	return encoders{
		"gzip": {New: func() any {
			w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // a level that it has
			return w
		}},
		"zstd": {New: func() any {
			const window = 256 << 10 // more of it costs each idle encoder memory, and saves nothing
			w, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
				zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window), zstd.WithLowerEncoderMem(true))
			return w
		}},
	}
}

// body is the body of an answer, in the encoding that was negotiated. What is
// small is sent as it is: there, compression costs more than it saves.
type body struct {
	http.ResponseWriter
	pool     *sync.Pool // nil for a body that is sent as it is
	encoding string
	encoder  encoder // nil before it is needed
}

// body returns the body of an answer to a request.
func (e encoders) body(w http.ResponseWriter, accepted http.Header) *body {
	encoding := preferred(accepted)
	return &body{ResponseWriter: w, encoding: encoding, pool: e[encoding]}
}

// Write implements io.Writer.
func (b *body) Write(p []byte) (int, error) {
	if b.encoder == nil && b.pool != nil && len(p) >= worthwhile {
		b.Header().Set("Content-Encoding", b.encoding)
		b.encoder, _ = b.pool.Get().(encoder)
		b.encoder.Reset(b.ResponseWriter)
	}
	if b.encoder == nil {
		b.pool = nil // it has begun
		return b.ResponseWriter.Write(p)
	}
	return b.encoder.Write(p)
}

// Close ends the body.
func (b *body) Close() error {
	if b.encoder == nil {
		return nil
	}
	err := b.encoder.Close()
	b.encoder.Reset(nil) // or it would keep the answer
	b.pool.Put(b.encoder)
	return err
}

// preferred returns the encoding that a client likes best, of equals zstd, which
// is smaller at the same cost; "" for none. An encoding with a weight is written as
// a media type with a parameter is, whose names are of any case; one that is
// written wrong is not taken.
func preferred(header http.Header) (best string) {
	most := 0.0
	for _, line := range header.Values("Accept-Encoding") {
		for part := range strings.SplitSeq(line, ",") {
			name, parameters, err := mime.ParseMediaType(part)
			if err != nil {
				continue
			}
			weight := 1.0
			if q, weighted := parameters["q"]; weighted {
				weight, _ = strconv.ParseFloat(q, 64) // 0 for what is no number
			}
			switch name {
			case "identity", "gzip", "zstd":
				if weight > most || weight == most && weight > 0 && name == "zstd" {
					best, most = name, weight
				}
			}
		}
	}
	return best
}
