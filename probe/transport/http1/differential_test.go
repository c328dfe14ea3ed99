package http1

import (
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// script is the response of a server to each request, and whether the connection is kept.
type script struct {
	name, method, response string
	last                   bool // the request has Connection: close
	hangsUp                bool // the server closes the connection after the response
	kept                   bool // the next request uses the same connection
}

// head returns the status line and the headers of a response.
func head(lines ...string) string {
	return "HTTP/1.1 200 OK\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
}

var scripts = []script{
	// Ways to end a body.
	{name: "content length", response: ok, kept: true},
	{name: "empty body", response: head("Content-Length: 0"), kept: true},
	{name: "longer than the buffer", response: head("Content-Length: 20000") + strings.Repeat("0123456789", 2000), kept: true},
	{name: "chunked", response: head("Transfer-Encoding: chunked") + "3;ext=1\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", kept: true},
	{name: "trailers", response: head("Transfer-Encoding: chunked", "Trailer: Sum") + "5\r\nhello\r\n0\r\nSum: 42\r\n\r\n", kept: true},
	{name: "chunked and content length", response: head("Transfer-Encoding: chunked", "Content-Length: 2") + "5\r\nhello\r\n0\r\n\r\n", kept: true},
	{name: "the same content length twice", response: head("Content-Length: 5", "Content-Length: 5") + "hello", kept: true},
	{name: "until the connection closes", response: head("Server: old") + "hello", hangsUp: true},
	{name: "HTTP/1.0", response: "HTTP/1.0 200 OK\r\n\r\nhello", hangsUp: true},
	{name: "HTTP/1.0 with content length", response: "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"},
	{name: "HTTP/1.0 with keep-alive", response: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", kept: true},
	{name: "connection close", response: head("Connection: close", "Content-Length: 5") + "hello"},
	{name: "the last request", response: ok, last: true},
	{name: "gzip that is not decoded", response: head("Content-Encoding: gzip", "Content-Length: 5") + "\x1f\x8b\x08\x00\x00", kept: true},

	// Responses without a body.
	{name: "204", response: "HTTP/1.1 204 No Content\r\n\r\n", kept: true},
	{name: "304", response: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", kept: true},
	{name: "HEAD", method: http.MethodHead, response: head("Content-Length: 5"), kept: true},
	{name: "HEAD chunked", method: http.MethodHead, response: head("Transfer-Encoding: chunked"), kept: true},
	{name: "HEAD without a length", method: http.MethodHead, response: head("Server: old"), kept: true},

	// Surplus bytes.
	{name: "bytes after the body", response: ok + "more"},
	{name: "two responses", response: ok + ok},
	{name: "HEAD with a body", method: http.MethodHead, response: ok},
	{name: "204 with a body", response: "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"},

	// Informational responses.
	{name: "100", response: "HTTP/1.1 100 Continue\r\n\r\n" + ok, kept: true},
	{name: "103", response: "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" + ok, kept: true},
	{name: "100, 102 and 103", response: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + ok, kept: true},
	{name: "100 and nothing else", response: "HTTP/1.1 100 Continue\r\n\r\n", hangsUp: true},
	{name: "101", response: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n", hangsUp: true},
	{name: "101 without an upgrade", response: "HTTP/1.1 101 Switching Protocols\r\n\r\n"},

	// Truncated responses.
	{name: "truncated body", response: head("Content-Length: 10") + "hello", hangsUp: true},
	{name: "truncated chunk", response: head("Transfer-Encoding: chunked") + "10\r\nhello", hangsUp: true},
	{name: "truncated between chunks", response: head("Transfer-Encoding: chunked") + "5\r\nhello\r\n", hangsUp: true},
	{name: "truncated headers", response: "HTTP/1.1 200 OK\r\nContent-Le", hangsUp: true},
	{name: "truncated status", response: "HTTP/1.1 2", hangsUp: true},
	{name: "no byte", hangsUp: true},

	// Unusual responses.
	{name: "line feeds alone", response: "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", kept: true},
	{name: "no reason", response: "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", kept: true},
	{name: "empty reason", response: "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello", kept: true},
	{name: "status 999", response: "HTTP/1.1 999 Denied\r\nContent-Length: 5\r\n\r\nhello", kept: true},
	{name: "header with a space before its colon", response: head("Server : a", "Content-Length: 5") + "hello", kept: true},
	{name: "folded header", response: head("Server: one", " two", "Content-Length: 5") + "hello", kept: true},
	{name: "many headers", response: head(strings.Repeat("A: b\r\n", 1000)+"Content-Length: 5") + "hello", kept: true},
	{name: "headers of the maximum size", response: headOf(maxHeaders) + "hello", kept: true},
	{name: "HTTP/2.0", response: "HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", kept: true},

	// Invalid responses.
	{name: "headers too large", response: headOf(maxHeaders+1) + "hello"},
	{name: "headers without an end", response: "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", maxHeaders)},
	{name: "1xx without an end", response: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", maxHeaders/20)},
	{name: "SSH", response: "SSH-2.0-OpenSSH_9.6\r\n"},
	{name: "another protocol's bytes", response: "\x15\x03\x01\x00\x02\x02\x16\r\n"},
	{name: "malformed version", response: "HTTP/one 200 OK\r\n\r\n"},
	{name: "status without a number", response: "HTTP/1.1 OK\r\n\r\n"},
	{name: "negative status", response: "HTTP/1.1 -20 OK\r\n\r\n"},
	{name: "status 99", response: "HTTP/1.1 99 Low\r\n\r\n"},
	{name: "status 1000", response: "HTTP/1.1 1000 High\r\n\r\n"},
	{name: "header without a colon", response: head("Server", "Content-Length: 5") + "hello"},
	{name: "conflicting content lengths", response: head("Content-Length: 5", "Content-Length: 6") + "hello"},
	{name: "negative content length", response: head("Content-Length: -5") + "hello"},
	{name: "unknown transfer encoding", response: head("Transfer-Encoding: br") + "hello"},
	{name: "malformed chunk", response: head("Transfer-Encoding: chunked") + "hello\r\n"},
}

// headOf returns a status line and headers of size bytes.
func headOf(size int) string {
	rest := head("Content-Length: 5", "A: ")
	return head("Content-Length: 5", "A: "+strings.Repeat("b", size-len(rest)))
}

// outcome is what a client sees of a response.
type outcome struct {
	Failed, BodyFailed bool // the errors differ only in their texts
	Status, Proto      string
	Code               int
	Header, Trailer    http.Header
	Length             int64
	Encoding           []string
	Close              bool
	Body               string
}

func observe(transport http.RoundTripper, req *http.Request) outcome {
	response, err := transport.RoundTrip(req)
	if err != nil {
		return outcome{Failed: true}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return outcome{
		BodyFailed: err != nil, Status: response.Status, Proto: response.Proto, Code: response.StatusCode,
		Header: response.Header, Trailer: response.Trailer, Length: response.ContentLength,
		Encoding: response.TransferEncoding, Close: response.Close, Body: string(body),
	}
}

// run sends two requests to a server with the script, over one or two connections.
func (s script) run(t *testing.T, with func(*site) http.RoundTripper) (first, second outcome) {
	t.Helper()
	server := newSite(t, func(conn net.Conn) {
		respond(conn, func(int, *http.Request, string) (string, bool) { return s.response, s.hangsUp })
	})
	transport := with(server)
	req := request(t, s.method, "http://example.com/", "")
	req.Close = s.last
	first = observe(transport, req)
	if !s.kept {
		// Otherwise http.Transport's next request would sometimes read the unsolicited
		// bytes.
		await(t, server.dialed()[0].closed, "waiting for the connection to close")
	}
	second = observe(transport, req)
	dialed := 2
	if s.kept {
		dialed = 1
	}
	if n := len(server.dialed()); n != dialed {
		t.Errorf("%T has made %d connections, want %d", transport, n, dialed)
	}
	return first, second
}

// The transport finds the same end of a body as http.Transport, and keeps the same connections.
func TestSameAsNetHTTP(t *testing.T) {
	for _, s := range scripts {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			want, wantNext := s.run(t, func(server *site) http.RoundTripper { return netHTTP(t, server) })
			got, gotNext := s.run(t, func(server *site) http.RoundTripper { return transport(t, server) })
			for _, pair := range [][2]outcome{{got, want}, {gotNext, wantNext}} {
				if !reflect.DeepEqual(pair[0], pair[1]) {
					t.Errorf("got  %+v\nwant %+v", pair[0], pair[1])
				}
			}
		})
	}
}
