package direct

import (
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What crypto/tls has read of a connection is nowhere to be seen from outside: what
// a server adds to its answer must not become the answer to the next request.
func TestNothingIsLeftInTLS(t *testing.T) {
	const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"
	settings, client := certified(t)
	settings.DynamicRecordSizingDisabled = true
	for _, test := range []struct {
		name    string
		answer  string
		records []string // behind it, that come with it
		goodbye bool     // and then close_notify, with the connection left open
		dialled int
	}{
		{name: "nothing", answer: ok, dialled: 1},
		{name: "another answer in a record of its own", answer: ok, records: []string{evil}, dialled: 2},
		{name: "another answer in the last record of a long one", answer: head("Content-Length: 9000") + strings.Repeat("a", 9000) + evil, dialled: 2},
		{name: "a body where there is to be none", answer: "HTTP/1.1 204 No Content\r\n\r\n", records: []string{"{}\n"}, dialled: 2},
		{name: "farewell", answer: ok, goodbye: true, dialled: 2},
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
							for _, record := range append([]string{test.answer}, test.records...) {
								say(secured, record)
							}
							if test.goodbye {
								_ = secured.(*tls.Conn).CloseWrite()
							}
							together.send()
							return "", test.goodbye
						})
						swallow(conn)
					})(together)
				})
				kept := transport(t, server)
				kept.TLSClientConfig = client
				if _, err := ask(kept, request(t, http.MethodGet, "https://example.com/", "")); err != nil {
					t.Fatal(err)
				}
				mustAsk(t, kept, request(t, http.MethodPost, "https://example.com/", "a=b"))
				server.expect(t, test.dialled, 1)
			})
		}
	}
}

// gathering is a connection that can send many writes as one.
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

// SetWriteDeadline is for crypto/tls, which lets nobody write behind its farewell.
func (g *gathering) SetWriteDeadline(time.Time) error { return nil }

func (g *gathering) send() {
	_, _ = g.Conn.Write(g.gathered) // the client may have gone
	g.gathers, g.gathered = false, nil
}
