package direct

import (
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// script is what a server sends when it is asked.
type script struct {
	name, method, answer string
	last                 bool // the client asks for no more on the connection
	hangsUp              bool // it closes the connection behind the answer
	kept                 bool // the next request has the same connection
}

// head returns an answer's beginning with such headers.
func head(lines ...string) string {
	return "HTTP/1.1 200 OK\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
}

var scripts = []script{
	// The ends of bodies.
	{name: "content length", answer: ok, kept: true},
	{name: "empty body", answer: head("Content-Length: 0"), kept: true},
	{name: "longer than the buffer", answer: head("Content-Length: 20000") + strings.Repeat("0123456789", 2000), kept: true},
	{name: "chunked", answer: head("Transfer-Encoding: chunked") + "3;ext=1\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", kept: true},
	{name: "trailers", answer: head("Transfer-Encoding: chunked", "Trailer: Sum") + "5\r\nhello\r\n0\r\nSum: 42\r\n\r\n", kept: true},
	{name: "chunked and content length", answer: head("Transfer-Encoding: chunked", "Content-Length: 2") + "5\r\nhello\r\n0\r\n\r\n", kept: true},
	{name: "the same content length twice", answer: head("Content-Length: 5", "Content-Length: 5") + "hello", kept: true},
	{name: "until the end", answer: head("Server: old") + "hello", hangsUp: true},
	{name: "HTTP/1.0", answer: "HTTP/1.0 200 OK\r\n\r\nhello", hangsUp: true},
	{name: "HTTP/1.0 with content length", answer: "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"},
	{name: "HTTP/1.0 that keeps", answer: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", kept: true},
	{name: "connection close", answer: head("Connection: close", "Content-Length: 5") + "hello"},
	{name: "the last request", answer: ok, last: true},
	{name: "gzip that is left packed", answer: head("Content-Encoding: gzip", "Content-Length: 5") + "\x1f\x8b\x08\x00\x00", kept: true},

	// Those that have none.
	{name: "204", answer: "HTTP/1.1 204 No Content\r\n\r\n", kept: true},
	{name: "304", answer: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", kept: true},
	{name: "HEAD", method: http.MethodHead, answer: head("Content-Length: 5"), kept: true},
	{name: "HEAD chunked", method: http.MethodHead, answer: head("Transfer-Encoding: chunked"), kept: true},
	{name: "HEAD without a length", method: http.MethodHead, answer: head("Server: old"), kept: true},

	// More than was asked for.
	{name: "bytes behind the body", answer: ok + "more"},
	{name: "two answers", answer: ok + ok},
	{name: "HEAD with a body", method: http.MethodHead, answer: ok},
	{name: "204 with a body", answer: "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"},

	// Answers before the answer.
	{name: "100", answer: "HTTP/1.1 100 Continue\r\n\r\n" + ok, kept: true},
	{name: "103", answer: "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" + ok, kept: true},
	{name: "100, 102 and 103", answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + ok, kept: true},
	{name: "100 and no more", answer: "HTTP/1.1 100 Continue\r\n\r\n", hangsUp: true},
	{name: "101", answer: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n", hangsUp: true},
	{name: "101 to nothing", answer: "HTTP/1.1 101 Switching Protocols\r\n\r\n"},

	// Those cut off.
	{name: "truncated body", answer: head("Content-Length: 10") + "hello", hangsUp: true},
	{name: "truncated chunk", answer: head("Transfer-Encoding: chunked") + "10\r\nhello", hangsUp: true},
	{name: "truncated between chunks", answer: head("Transfer-Encoding: chunked") + "5\r\nhello\r\n", hangsUp: true},
	{name: "truncated headers", answer: "HTTP/1.1 200 OK\r\nContent-Le", hangsUp: true},
	{name: "truncated status", answer: "HTTP/1.1 2", hangsUp: true},
	{name: "not a byte", hangsUp: true},

	// Odd ones.
	{name: "line feeds alone", answer: "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", kept: true},
	{name: "no reason", answer: "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", kept: true},
	{name: "empty reason", answer: "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello", kept: true},
	{name: "status 999", answer: "HTTP/1.1 999 Denied\r\nContent-Length: 5\r\n\r\nhello", kept: true},
	{name: "header with a space before its colon", answer: head("Server : a", "Content-Length: 5") + "hello", kept: true},
	{name: "folded header", answer: head("Server: one", " two", "Content-Length: 5") + "hello", kept: true},
	{name: "many headers", answer: head(strings.Repeat("A: b\r\n", 1000)+"Content-Length: 5") + "hello", kept: true},
	{name: "as many headers as may be", answer: headOf(maxHeaders) + "hello", kept: true},
	{name: "HTTP/2.0", answer: "HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", kept: true},

	// Those that are none.
	{name: "headers too large", answer: headOf(maxHeaders+1) + "hello"},
	{name: "headers without an end", answer: "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", maxHeaders)},
	{name: "1xx without an end", answer: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", maxHeaders/20)},
	{name: "SSH", answer: "SSH-2.0-OpenSSH_9.6\r\n"},
	{name: "another protocol's bytes", answer: "\x15\x03\x01\x00\x02\x02\x16\r\n"},
	{name: "malformed version", answer: "HTTP/one 200 OK\r\n\r\n"},
	{name: "status without a number", answer: "HTTP/1.1 OK\r\n\r\n"},
	{name: "negative status", answer: "HTTP/1.1 -20 OK\r\n\r\n"},
	{name: "status 99", answer: "HTTP/1.1 99 Low\r\n\r\n"},
	{name: "status 1000", answer: "HTTP/1.1 1000 High\r\n\r\n"},
	{name: "header without a colon", answer: head("Server", "Content-Length: 5") + "hello"},
	{name: "conflicting content lengths", answer: head("Content-Length: 5", "Content-Length: 6") + "hello"},
	{name: "negative content length", answer: head("Content-Length: -5") + "hello"},
	{name: "unknown transfer encoding", answer: head("Transfer-Encoding: br") + "hello"},
	{name: "malformed chunk", answer: head("Transfer-Encoding: chunked") + "hello\r\n"},
}

// headOf returns an answer's beginning of so many bytes.
func headOf(size int) string {
	rest := head("Content-Length: 5", "A: ")
	return head("Content-Length: 5", "A: "+strings.Repeat("b", size-len(rest)))
}

// outcome is what a client sees of an answer.
type outcome struct {
	Failed, BodyFailed bool // how is told apart by texts only
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

// run asks such a server twice, over as many connections as that takes.
func (s script) run(t *testing.T, with func(*site) http.RoundTripper) (first, second outcome) {
	t.Helper()
	server := newSite(t, func(conn net.Conn) {
		respond(conn, func(int, *http.Request, string) (string, bool) { return s.answer, s.hangsUp })
	})
	transport := with(server)
	req := request(t, s.method, "http://example.com/", "")
	req.Close = s.last
	first = observe(transport, req)
	if !s.kept {
		// Or http.Transport would have the next request meet the bytes that
		// nobody has asked for, now and then.
		await(t, server.dialled()[0].closed, "the connection is closed")
	}
	second = observe(transport, req)
	dialled := 2
	if s.kept {
		dialled = 1
	}
	if n := len(server.dialled()); n != dialled {
		t.Errorf("%T has made %d connections, want %d", transport, n, dialled)
	}
	return first, second
}

// What an answer is, where its body ends and whether there can be another behind it,
// is decided as http.Transport does.
func TestAsNetHTTP(t *testing.T) {
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
