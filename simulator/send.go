package simulator

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"time"
)

// send sends an answer the way the fault wants it sent; the zero Fault sends it
// as it is.
func (f Fault) send(w http.ResponseWriter, r *http.Request, reply answer) {
	switch {
	case f.Hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // returning would send an answer after all
	case f.Reset:
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		reset(conn)
		return
	}
	body := f.pad(reply.body)
	if body != nil {
		w.Header().Set("Content-Type", "application/json")
	}
	maps.Copy(w.Header(), reply.header)
	if f.Gzip {
		w.Header().Set("Content-Encoding", "gzip")
	}
	for name, value := range f.Header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(reply.status)
	if body != nil {
		f.stream(r.Context(), w, body)
	}
}

// pad returns the body at the length the fault wants, nil for no body.
func (f Fault) pad(body []byte) io.Reader {
	padded := io.MultiReader(bytes.NewReader(body), spaces{})
	switch {
	case f.Size > 0:
		return io.LimitReader(padded, max(f.Size, int64(len(body))))
	case f.Drip > 0:
		return padded
	case len(body) > 0:
		return bytes.NewReader(body)
	}
	return nil
}

// stream copies the body out in pieces, so that it may be larger than memory. An
// error means that the client has had enough.
func (f Fault) stream(ctx context.Context, w http.ResponseWriter, body io.Reader) {
	out, flush := io.Writer(w), http.NewResponseController(w).Flush
	if f.Gzip {
		z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // which is a level
		defer z.Close()
		out = z
		flushConn := flush
		flush = func() error {
			return errors.Join(z.Flush(), flushConn())
		}
	}
	piece := make([]byte, 32<<10)
	if f.Drip > 0 {
		piece = piece[:1]
	}
	for {
		n, err := body.Read(piece)
		if _, writeErr := out.Write(piece[:n]); err != nil || writeErr != nil {
			return
		}
		if f.Drip > 0 {
			if flush() != nil {
				return
			}
			pause(ctx, f.Drip)
		}
	}
}

// spaces is an endless supply of the one filler that keeps a JSON body valid.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// pause waits, and aborts the request if its client goes or the server stops.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		panic(http.ErrAbortHandler)
	}
}

// reset closes a connection with RST in place of FIN, and without a TLS
// close_notify before it: as a power-off or a firewall does.
func reset(conn net.Conn) {
	if c, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = c.NetConn()
	}
	if c, ok := conn.(interface{ SetLinger(seconds int) error }); ok {
		_ = c.SetLinger(0) // at worst the connection ends with FIN
	}
	_ = conn.Close()
}
