package probe

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
)

// connections counts those that are open, of all endpoints, so that no more are
// kept than there are files for.
type connections struct {
	open atomic.Int64
	most atomic.Int64 // to keep; 0 for no bound
}

// full reports whether one that is new must not be kept.
func (c *connections) full() bool {
	most := c.most.Load()
	return most > 0 && c.open.Load() >= most
}

// counting counts the connections that dial makes.
func (c *connections) counting(dial DialFunc) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		c.open.Add(1)
		return &countedConn{Conn: conn, open: &c.open}, nil
	}
}

// countedConn counts as open until it is closed first.
type countedConn struct {
	net.Conn
	open *atomic.Int64
	left sync.Once
}

// NetConn returns the connection within, as tls.Conn's does.
func (c *countedConn) NetConn() net.Conn { return c.Conn }

func (c *countedConn) Close() error {
	defer c.left.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}
