package web

import (
	"net/http"
	"slices"
	"time"
)

// patience is for how long a client may take nothing of its answer.
const patience = 30 * time.Second

// NewServer returns a server that lets go of clients that do not go on: one that
// only sits there keeps a connection and what its answer is made of.
func NewServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           impatient(handler),
		ReadHeaderTimeout: 10 * time.Second,
		// A connection of HTTP/2 that takes nothing would not even take word that one
		// of its answers has ended.
		HTTP2: &http.HTTP2Config{WriteByteTimeout: patience},
	}
}

// impatient ends the answers of those that take nothing of them. An answer may
// begin as late as it likes, for a probe takes its time, and may take as long as it
// likes while the client reads.
func impatient(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(&hastened{ResponseWriter: w, control: http.NewResponseController(w)}, r)
	})
}

// hastened is an answer whose deadline is renewed with each part that is written.
// The server drops the deadline when the answer has ended.
type hastened struct {
	http.ResponseWriter
	control *http.ResponseController
	renewed time.Time
}

// part is how many bytes of an answer a client may take all its patience for.
const part = 64 << 10

// Write implements io.Writer.
func (h *hastened) Write(p []byte) (n int, err error) {
	for p := range slices.Chunk(p, part) {
		h.renew()
		written, err := h.ResponseWriter.Write(p)
		n += written
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// WriteHeader implements http.ResponseWriter: an answer may have nothing more.
func (h *hastened) WriteHeader(status int) {
	h.renew()
	h.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController get at the server's.
func (h *hastened) Unwrap() http.ResponseWriter { return h.ResponseWriter }

// renew renews the deadline, at most once a second: compressed answers are written
// in parts of a few hundred bytes.
func (h *hastened) renew() {
	now := time.Now()
	if now.Sub(h.renewed) < time.Second {
		return
	}
	h.renewed = now
	_ = h.control.SetWriteDeadline(now.Add(patience)) // what cannot, waits for nobody
}
