package transport

import (
	"context"
	"net"
	"sync/atomic"
	"time"
)

// DialFunc makes a connection, like net.Dialer's DialContext.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// within limits the time to connect by its own timeout instead of ctx's deadline:
// net.Dialer would divide the deadline, however distant, among a host's addresses, and
// report it with its own error before ctx is done.
func (dial DialFunc) within(timeout time.Duration) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		return dial(bounded, network, address)
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

// certSeenAt returns when the appliance showed its certificate on a connection, zero
// for a connection that is not tracked.
func certSeenAt(conn net.Conn) time.Time {
	for {
		if tracked, ok := conn.(*trackedConn); ok {
			return tracked.certSeenAt
		}
		outer, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return time.Time{}
		}
		conn = outer.NetConn()
	}
}
