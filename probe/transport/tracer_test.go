package transport

import (
	"io"
	"net"
	"net/http/httptrace"
	"testing"
)

// A request that is abandoned before it has a connection is not written to one: the connection
// is closed. A request that has a connection cannot be abandoned.
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
			t.Errorf("writing to the connection: error %v, want one: %t", err, want)
		}
		_ = ours.Close()
	}
}
