package http1

import (
	"net/http"
	"sync"
)

// Lease keeps related requests on one connection: through a load balancer, another
// connection may lead to a node that does not know the session.
type Lease struct {
	transport *Transport
	fresh     bool // use no existing connection

	mu       sync.Mutex // guards the fields below
	conn     *conn      // between two exchanges; else nil
	released bool
	keep     bool // keep the connection, once released
}

// NewLease returns a lease whose requests, one after another, share a connection: a new
// one if fresh, else perhaps an idle one. If the server closes it, another is made.
//
// The lease must be released, possibly while a request is in flight.
func (t *Transport) NewLease(fresh bool) *Lease { return &Lease{transport: t, fresh: fresh} }

// RoundTrip is Transport.RoundTrip on the lease's connection.
func (l *Lease) RoundTrip(req *http.Request) (*http.Response, error) {
	return l.transport.roundTrip(req, l)
}

// Release keeps or closes the connection.
func (l *Lease) Release(keep bool) {
	l.mu.Lock()
	c := l.conn
	l.conn, l.released, l.keep = nil, true, keep
	l.mu.Unlock()
	switch {
	case c == nil:
	case keep:
		c.transport.keep(c)
	default:
		_ = c.Close() // not in use
	}
}

// getConn returns the connection if it leads to an origin, else nil. A nil lease has
// none.
func (l *Lease) getConn(to origin) *conn {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.conn
	if c == nil || c.origin != to {
		return nil
	}
	l.conn = nil
	return c
}

// put takes a connection back after an exchange.
func (l *Lease) put(c *conn) {
	l.mu.Lock()
	leased := l.conn == nil && !l.released
	if leased {
		l.conn = c
	}
	kept := !leased && (!l.released || l.keep)
	l.mu.Unlock()
	switch {
	case leased:
	case kept:
		c.transport.keep(c)
	default:
		_ = c.Close() // it was to be closed with the lease
	}
}
