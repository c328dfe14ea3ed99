package transport

import (
	"context"
	"net"
	"sync/atomic"
	"time"
)

// ConnCounter counts the open connections to all endpoints, to limit how many are kept. The
// zero ConnCounter has no limit. It is safe for concurrent use.
type ConnCounter struct {
	open    atomic.Int64
	maxKept atomic.Int64 // 0: no limit
}

// SetMaxKept sets the number of open connections at which new ones are no longer kept; 0
// means no limit.
func (c *ConnCounter) SetMaxKept(maxKept int) { c.maxKept.Store(int64(maxKept)) }

// Count returns how many connections are open.
func (c *ConnCounter) Count() int64 { return c.open.Load() }

// full reports whether a new connection must not be kept.
func (c *ConnCounter) full() bool {
	maxKept := c.maxKept.Load()
	return maxKept > 0 && c.open.Load() >= maxKept
}

// Track returns dial with its connections counted until they are closed, and the time of
// each recorded.
func (c *ConnCounter) Track(dial DialFunc) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		c.open.Add(1)
		return &trackedConn{Conn: conn, certSeenAt: time.Now(), open: &c.open}, nil
	}
}

// trackedConn is a connection with the time at which it was made, which transports do not
// report. The appliance shows its certificate only then, because no TLS session is resumed.
type trackedConn struct {
	net.Conn
	certSeenAt time.Time
	open       *atomic.Int64 // counts it until it is closed
	closed     atomic.Bool
}

// NetConn returns the wrapped connection, as tls.Conn's does.
func (c *trackedConn) NetConn() net.Conn { return c.Conn }

func (c *trackedConn) Close() error {
	if !c.closed.Swap(true) {
		c.open.Add(-1)
	}
	return c.Conn.Close()
}
