package transport

import (
	"io"
	"net"
	"net/http/httptrace"
	"testing"
)

// A connection that is made after the deadline is not written to, although the
// transport would.
func TestAbandonedRequest(t *testing.T) {
	var abandoned, sent tracer
	for tracer, want := range map[*tracer]bool{&abandoned: true, &sent: false} {
		ours, theirs := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		connected := httptrace.ContextClientTrace(tracer.attach(t.Context())).GotConn
		if tracer == &sent {
			connected(httptrace.GotConnInfo{Conn: ours})
		}
		if got := tracer.abandon(); got != want {
			t.Errorf("abandoned: %t, want %t", got, want)
		}
		if tracer == &abandoned {
			connected(httptrace.GotConnInfo{Conn: ours})
		}
		if _, err := ours.Write([]byte("secret")); (err != nil) != want {
			t.Errorf("error %v of writing, abandoned: %t", err, want)
		}
		_ = ours.Close()
	}
}
