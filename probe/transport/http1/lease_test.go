package http1

import (
	"net"
	"net/http"
	"testing"
)

// The requests of a lease share a connection that no other request gets.
func TestLeaseIsOneConnection(t *testing.T) {
	s := newPipes(t, always(ok))
	client := transport(t, s)
	req := request(t, http.MethodGet, "http://example.com/", "")
	one, two := client.NewLease(true), client.NewLease(true)
	for range 3 {
		mustGet(t, one, req)
		mustGet(t, two, req)
	}
	s.expect(t, 2, 2)
	mustGet(t, client, req)
	s.expect(t, 3, 3)
	one.Release(false)
	s.expect(t, 3, 2)
	two.Release(true)
	s.expect(t, 3, 2)
	three := client.NewLease(false)
	mustGet(t, three, req)
	s.expect(t, 3, 2)
	three.Release(true)
}

// A fresh lease does not use an idle connection; another lease does.
func TestFreshLease(t *testing.T) {
	for fresh, dialed := range map[bool]int{false: 1, true: 2} {
		s := newPipes(t, always(ok))
		client := transport(t, s)
		req := request(t, http.MethodGet, "http://example.com/", "")
		mustGet(t, client, req)
		lease := client.NewLease(fresh)
		mustGet(t, lease, req)
		s.expect(t, dialed, dialed)
		lease.Release(false)
		s.expect(t, dialed, dialed-1)
	}
}

// A server may close the connection of a lease after a request. The next one has another
// connection.
func TestLeaseOutlivesItsConnection(t *testing.T) {
	once := func(conn net.Conn) {
		respond(conn, func(int, *http.Request, string) (string, bool) {
			return "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", true
		})
	}
	s := newPipes(t, once)
	req, lease := request(t, http.MethodGet, "http://example.com/", ""), transport(t, s).NewLease(true)
	mustGet(t, lease, req)
	mustGet(t, lease, req)
	s.expect(t, 2, 0)
	lease.Release(true)
}

// A request may be in flight when its lease is released: its connection is kept or
// closed as usual.
func TestLeaseReleasedDuringARequest(t *testing.T) {
	for keep, open := range map[bool]int{false: 0, true: 1} {
		s := newPipes(t, always(ok))
		lease := transport(t, s).NewLease(false)
		response, err := lease.RoundTrip(request(t, http.MethodGet, "http://example.com/", ""))
		if err != nil {
			t.Fatal(err)
		}
		lease.Release(keep)
		s.expect(t, 1, 1)
		body := make([]byte, 10)
		for err == nil {
			_, err = response.Body.Read(body)
		}
		_ = response.Body.Close()
		s.expect(t, 1, open)
	}
}

// Two concurrent requests of a lease have a connection each, one of which is kept for
// the next request.
func TestLeaseOfConcurrentRequests(t *testing.T) {
	s := newPipes(t, always(ok))
	client := transport(t, s)
	req, lease := request(t, http.MethodGet, "http://example.com/", ""), client.NewLease(true)
	response, err := lease.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	mustGet(t, lease, req)
	body := make([]byte, 10)
	for err == nil {
		_, err = response.Body.Read(body)
	}
	_ = response.Body.Close()
	s.expect(t, 2, 2)
	lease.Release(false)
	client.CloseIdleConnections()
	s.expect(t, 2, 0)
}
