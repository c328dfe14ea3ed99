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

// minCompressedSize is the minimum size in bytes of a body's first write for the body to be
// compressed. The exporter's own metrics exceed it, so a scrape of all metrics is compressed
// if the scraper accepts that, as it is by other exporters.
const minCompressedSize = 2 << 10

// encoder is a gzip.Writer or a zstd.Encoder.
type encoder interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// encoders pools the encoders of each encoding, because creating an encoder costs more
// than compressing the metrics of a few endpoints.
type encoders map[string]*sync.Pool

// newEncoders returns encoders at their fastest level: metrics are 95 % repetition, and
// higher levels save too little for their CPU time.
func newEncoders() encoders {
	return encoders{
		"gzip": {New: func() any {
			w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // fails only for an invalid level
			return w
		}},
		"zstd": {New: func() any {
			const window = 256 << 10 // a larger window costs memory in each idle encoder and saves nothing
			w, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
				zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window), zstd.WithLowerEncoderMem(true))
			return w
		}},
	}
}

// responseBody is the body of a response in the negotiated encoding. A small body is
// sent uncompressed, because compression would cost more than it saves.
type responseBody struct {
	http.ResponseWriter
	pool     *sync.Pool // nil for an uncompressed body
	encoding string
	encoder  encoder // nil until the first compressed write
}

func (e encoders) newBody(w http.ResponseWriter, encoding string) *responseBody {
	return &responseBody{ResponseWriter: w, encoding: encoding, pool: e[encoding]}
}

func (b *responseBody) Write(p []byte) (int, error) {
	if b.encoder == nil && b.pool != nil && len(p) >= minCompressedSize {
		b.Header().Set("Content-Encoding", b.encoding)
		b.encoder, _ = b.pool.Get().(encoder)
		b.encoder.Reset(b.ResponseWriter)
	}
	if b.encoder == nil {
		b.pool = nil // the body has started uncompressed
		return b.ResponseWriter.Write(p)
	}
	return b.encoder.Write(p)
}

// Close flushes the body and returns the encoder to its pool.
func (b *responseBody) Close() error {
	if b.encoder == nil {
		return nil
	}
	err := b.encoder.Close()
	b.encoder.Reset(nil) // the pool must not keep the response alive
	b.pool.Put(b.encoder)
	return err
}

// preferredEncoding returns the accepted encoding with the highest weight, "" for none. If
// weights are equal, it prefers zstd, which is smaller at the same cost. It parses an element
// of the header as a media type, which has the same syntax, and ignores malformed elements.
func preferredEncoding(header http.Header) (best string) {
	bestWeight := 0.0
	for _, line := range header.Values("Accept-Encoding") {
		for part := range strings.SplitSeq(line, ",") {
			name, parameters, err := mime.ParseMediaType(part)
			if err != nil {
				continue
			}
			weight := 1.0
			if q, weighted := parameters["q"]; weighted {
				weight, _ = strconv.ParseFloat(q, 64) // 0 if it is not a number
			}
			switch name {
			case "identity", "gzip", "zstd":
				if weight > bestWeight || weight == bestWeight && weight > 0 && name == "zstd" {
					best, bestWeight = name, weight
				}
			}
		}
	}
	return best
}
