package transport

import (
	"context"
	"net"
	"time"
)

// DialFunc makes a connection, like net.Dialer's DialContext.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// within limits the time to connect by its own timeout instead of ctx's deadline, which may
// be distant: net.Dialer divides a deadline among a host's addresses, so an unresponsive one
// would take too long. It would also report ctx's deadline with its own error, before ctx is
// done.
func (dial DialFunc) within(timeout time.Duration) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		return dial(bounded, network, address)
	}
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
