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

// send sends a response with the fault's modifications; the zero Fault has none.
func (f Fault) send(w http.ResponseWriter, r *http.Request, response httpResponse) {
	switch {
	case f.Hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // returning would send an empty response
	case f.Reset:
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		reset(conn)
		return
	}
	body := f.pad(response.body)
	if body != nil {
		w.Header().Set("Content-Type", "application/json")
	}
	maps.Copy(w.Header(), response.header)
	if f.Gzip {
		w.Header().Set("Content-Encoding", "gzip")
	}
	for name, value := range f.Header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(response.status)
	if body != nil {
		f.stream(r.Context(), w, body)
	}
}

// pad returns the body padded to the fault's size, nil for no body.
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

// stream sends the body in chunks, so that it may be larger than memory. A write error
// means that the client has disconnected.
func (f Fault) stream(ctx context.Context, w http.ResponseWriter, body io.Reader) {
	out, flush := io.Writer(w), http.NewResponseController(w).Flush
	if f.Gzip {
		z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // fails only for an invalid level
		defer z.Close()
		out = z
		flushConn := flush
		flush = func() error {
			return errors.Join(z.Flush(), flushConn())
		}
	}
	chunk := make([]byte, 32<<10)
	if f.Drip > 0 {
		chunk = chunk[:1]
	}
	for {
		n, err := body.Read(chunk)
		if _, writeErr := out.Write(chunk[:n]); err != nil || writeErr != nil {
			return
		}
		if f.Drip > 0 {
			if flush() != nil {
				return
			}
			sleep(ctx, f.Drip)
		}
	}
}

// spaces reads as endless spaces, with which a padded JSON body stays valid.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// sleep sleeps, and aborts the request if its client disconnects or the server stops.
func sleep(ctx context.Context, d time.Duration) {
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

// reset closes a connection with RST instead of FIN and without a TLS close_notify, as a
// power-off or a firewall does.
func reset(conn net.Conn) {
	if c, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = c.NetConn()
	}
	if c, ok := conn.(interface{ SetLinger(seconds int) error }); ok {
		_ = c.SetLinger(0) // on failure the connection is closed with FIN
	}
	_ = conn.Close()
}
