package http1

import (
	"crypto/tls"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// crypto/tls does not reveal what it has buffered. Bytes that a server adds to its
// response must not become the response to the next request. nothingBuffered relies on
// how crypto/tls of Go 1.26 reads with a deadline in the past.
func TestNothingIsLeftInTLS(t *testing.T) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("crypto/tls of %s may read differently than that of go1.26: see nothingBuffered", runtime.Version())
		}
	})
	const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"
	settings, client := testTLS(t)
	settings.DynamicRecordSizingDisabled = true
	for _, test := range []struct {
		name        string
		response    string
		records     []string // that arrive together with the response
		closeNotify bool     // close_notify follows, and the connection stays open
		dialed      int
	}{
		{name: "nothing", response: ok, dialed: 1},
		{name: "another response in a record of its own", response: ok, records: []string{evil}, dialed: 2},
		{name: "another response in the last record of a long response", response: head("Content-Length: 9000") + strings.Repeat("a", 9000) + evil, dialed: 2},
		{name: "a body after a 204", response: "HTTP/1.1 204 No Content\r\n\r\n", records: []string{"{}\n"}, dialed: 2},
		{name: "close_notify", response: ok, closeNotify: true, dialed: 2},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(test.name+" "+tls.VersionName(version), func(t *testing.T) {
				settings := settings.Clone()
				settings.MaxVersion = version
				server := newSite(t, func(conn net.Conn) {
					together := &gathering{Conn: conn}
					overTLS(settings, func(secured net.Conn) {
						respond(secured, func(_ int, req *http.Request, _ string) (string, bool) {
							if req.Method == http.MethodPost {
								return ok, false
							}
							together.gather()
							for _, record := range append([]string{test.response}, test.records...) {
								send(secured, record)
							}
							if test.closeNotify {
								_ = secured.(*tls.Conn).CloseWrite()
							}
							together.send()
							return "", test.closeNotify
						})
						discard(conn)
					})(together)
				})
				kept := transport(t, server)
				kept.TLSClientConfig = client
				if _, err := get(kept, request(t, http.MethodGet, "https://example.com/", "")); err != nil {
					t.Fatal(err)
				}
				mustGet(t, kept, request(t, http.MethodPost, "https://example.com/", "a=b"))
				server.expect(t, test.dialed, 1)
			})
		}
	}
}

// gathering is a connection that can combine several writes into one.
type gathering struct {
	net.Conn
	gathers  bool
	gathered []byte
}

func (g *gathering) gather() { g.gathers = true }

func (g *gathering) Write(p []byte) (int, error) {
	if !g.gathers {
		return g.Conn.Write(p)
	}
	g.gathered = append(g.gathered, p...)
	return len(p), nil
}

// SetWriteDeadline ignores the deadline in the past that crypto/tls sets after
// close_notify.
func (g *gathering) SetWriteDeadline(time.Time) error { return nil }

func (g *gathering) send() {
	_, _ = g.Conn.Write(g.gathered) // the client may have disconnected
	g.gathers, g.gathered = false, nil
}
