package http1

import (
	"errors"
	"net/http"
	"testing"
)

// The error of a response with malformed headers has the status of the response. It is 0 if the
// first line is not a status line, or too short for one.
func TestStatusOfMalformedResponses(t *testing.T) {
	for response, want := range map[string]int{
		"HTTP/1.1 401 Unauthorized\r\nServer\r\n\r\n":                       401,
		"HTTP/1.0 503\nServer\n\n":                                          503,
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n": 200,
		"HTTP/1.1 401x\r\n\r\n":                                             0,
		"SSH-2.0-OpenSSH_9.6\r\n":                                           0,
		"short\r\n":                                                         0,
	} {
		server := newPipes(t, always(response))
		_, err := get(transport(t, server), request(t, http.MethodGet, "http://example.com/", ""))
		malformed, ok := errors.AsType[*ResponseError](err)
		if !ok || malformed.StatusCode != want {
			t.Errorf("%q: %#v, want status %d", response, err, want)
		}
	}
}
