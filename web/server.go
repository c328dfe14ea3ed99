package web

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"time"
)

// The deadlines of a connection. Each phase has a deadline, so that a client that stalls in
// any phase loses its connection.
const (
	// readDeadline applies to the TLS handshake, to the headers, and to the whole request.
	readDeadline = 10 * time.Second
	// idleDeadline exceeds the usual scrape interval of a minute, so that scrapers
	// keep their connections.
	idleDeadline = 2 * time.Minute
	// writeDeadline applies to each chunk of the response.
	writeDeadline = 30 * time.Second
	// maxResponseTime applies to the whole response, from its first byte.
	maxResponseTime = 10 * time.Minute
)

// NewServer returns a server that closes the connections of stalled clients and keeps
// at most maxConnections open.
func NewServer(handler http.Handler, maxConnections int) *http.Server {
	connections := newConnections(maxConnections)
	server := &http.Server{
		Handler:           withDeadlines(handler, connections),
		ReadHeaderTimeout: readDeadline,
		ReadTimeout:       readDeadline,
		IdleTimeout:       idleDeadline,
		// For responses that do not come from handler, such as exporter-toolkit's 401.
		WriteTimeout: writeDeadline,
		ConnState:    connections.connState,
		ConnContext:  connections.connContext,
		// IdleTimeout and WriteTimeout do not suffice for HTTP/2: a blocked connection blocks
		// even the reset of its streams, and one with open streams never counts as idle.
		HTTP2: &http.HTTP2Config{WriteByteTimeout: writeDeadline, SendPingTimeout: idleDeadline},
	}
	server.RegisterOnShutdown(connections.stop)
	return server
}

// withDeadlines reads the request's body before handler runs, so that a body that never
// arrives occupies only its connection. The response may start at any time, because a
// probe may be slow, but then the client must read it without long pauses.
func withDeadlines(handler http.Handler, connections *connections) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if status := readBody(w, r); status != http.StatusOK {
			w.Header().Set("Connection", "close")
			writeText(w, status, "The request's body did not arrive within "+readDeadline.String()+", or is too large.")
			return
		}
		if connections.activate(r) {
			w.Header().Set("Connection", "close")
		}
		// Only test recorders return errors: they do not support deadlines.
		_ = control.SetReadDeadline(time.Time{}) // an expired one would cancel the request's context
		_ = control.SetWriteDeadline(time.Time{})
		writer := &timedWriter{ResponseWriter: w, control: control, progress: func() { connections.progress(r) }}
		handler.ServeHTTP(writer, r)
	})
}

// readBody reads the request's body into memory and replaces r.Body with the copy. The
// status is 200, or the error's status: 400, 408 or 413.
func readBody(w http.ResponseWriter, r *http.Request) (status int) {
	if r.ContentLength == 0 {
		return http.StatusOK
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFormSize))
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	switch {
	case tooLarge:
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout
	case err != nil:
		return http.StatusBadRequest
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return http.StatusOK
}

// timedWriter extends the write deadline with each chunk of the response. The server
// clears the deadline at the end of the response.
type timedWriter struct {
	http.ResponseWriter
	control    *http.ResponseController
	progress   func() // called when the deadline is extended
	startedAt  time.Time
	extendedAt time.Time
}

// maxChunk is the number of bytes that a client must read within one writeDeadline.
const maxChunk = 64 << 10

func (w *timedWriter) Write(p []byte) (n int, err error) {
	for p := range slices.Chunk(p, maxChunk) {
		w.extendDeadline()
		written, err := w.ResponseWriter.Write(p)
		n += written
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// WriteHeader implements http.ResponseWriter. It extends the deadline too, because a
// response may have no body.
func (w *timedWriter) WriteHeader(status int) {
	w.extendDeadline()
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the server's writer.
func (w *timedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// extendDeadline extends the deadline at most once a second, because compressed
// responses are written in pieces of a few hundred bytes.
func (w *timedWriter) extendDeadline() {
	now := time.Now()
	if now.Sub(w.extendedAt) < time.Second {
		return
	}
	if w.startedAt.IsZero() {
		w.startedAt = now
	}
	w.extendedAt = now
	w.progress()
	_ = w.control.SetWriteDeadline(now.Add(min(writeDeadline, w.startedAt.Add(maxResponseTime).Sub(now)))) // fails only for test recorders
}
