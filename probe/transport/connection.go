package transport

import (
	"time"

	"session_exporter/probe/transport/http1"
)

// Connection is the connection that an endpoint's probes share. It decides whether the
// connection is kept after a probe. All requests of a probe use it (with net/http's
// transport, at least a login and its check), because another connection through a load
// balancer may lead to a node that does not know the session. It is not safe for concurrent
// use.
type Connection struct {
	Client  *Client
	Counter *ConnCounter // shared by all endpoints
	// Interval is the interval of the probes. If MaxAge does not exceed it, each probe
	// has its own connection.
	Interval, MaxAge time.Duration
	// Offset shifts the periods of MaxAge: all endpoints connect when the exporter
	// starts, but must not all reconnect at the same time.
	Offset time.Duration

	// certSeenAt is when the connection was made, zero if it is not kept.
	certSeenAt time.Time
	renewedFor int64  // the period that a connection was last closed for
	unanswered int    // consecutive requests on kept connections without a response
	lease      *Lease // of the probe in progress, nil if none
	inUse      bool   // by a probe in progress
	closing    bool   // close the connection after the probe
}

// Lease ties the requests of one probe to one connection. It may be used after its
// release.
type Lease = http1.Lease

// maxUnanswered is the number of consecutive requests on kept connections without a
// response after which connections are no longer kept. Otherwise every other probe would
// fail if a firewall or load balancer forgets idle connections, or if the appliance closes
// them at the probe's interval and the request is not repeated.
const maxUnanswered = 2

// Acquire starts a probe's use of the connection, which Release ends. It decides
// whether the connection is kept, once for all requests of the probe.
func (c *Connection) Acquire() {
	c.inUse, c.closing = true, c.expires() || !c.keeps()
	// Without a lease, the last request of the probe closes the connection.
	if t, ok := c.Client.Transport.(*http1.Transport); ok {
		c.lease = t.NewLease(c.perProbe())
	}
}

// Release keeps or closes the connection after a probe.
func (c *Connection) Release() {
	if c.lease != nil {
		c.lease.Release(!c.closing)
	}
	c.lease, c.inUse, c.closing = nil, false, false
}

// Lease returns the lease of the probe in progress, nil if none.
func (c *Connection) Lease() *Lease { return c.lease }

// ClosesWithRequest reports whether the last request of the probe must close the
// connection.
func (c *Connection) ClosesWithRequest() bool { return c.closing && c.lease == nil }

// OnlyForProbe reports whether a probe with its own connection is in progress.
func (c *Connection) OnlyForProbe() bool { return c.inUse && c.perProbe() }

// Record records the outcome of a request on the connection.
func (c *Connection) Record(x *Exchange) {
	c.certSeenAt = x.CertSeenAt
	if c.closing || x.request != nil && x.request.Close {
		c.certSeenAt = time.Time{}
	}
	switch {
	case !x.Reused:
	case x.FirstByte.IsZero():
		c.unanswered++
	default:
		c.unanswered = 0
	}
}

// keeps reports whether a connection is kept unless it is too old. At the limit of open
// connections, a kept one stays: closing it would only require another.
func (c *Connection) keeps() bool {
	return c.unanswered < maxUnanswered && (!c.certSeenAt.IsZero() || !c.Counter.full())
}

// perProbe reports whether each probe has its own connection.
func (c *Connection) perProbe() bool { return c.MaxAge <= c.Interval }

// expires reports whether the connection will be too old for the next probe, which may
// come half an interval late.
func (c *Connection) expires() bool {
	if c.perProbe() {
		return true
	}
	if c.certSeenAt.IsZero() {
		return false
	}
	next := time.Now().Add(c.Interval + c.Interval/2)
	if next.Sub(c.certSeenAt) > c.MaxAge {
		return true
	}
	// Probes on demand may come much earlier: they must not close the next connection too.
	period := c.maxAgePeriod(next)
	ends := period != c.maxAgePeriod(c.certSeenAt.Add(c.Interval/2)) && period != c.renewedFor
	if ends {
		c.renewedFor = period
	}
	return ends
}

// maxAgePeriod numbers the periods of MaxAge. A connection is closed at the end of its
// period.
func (c *Connection) maxAgePeriod(at time.Time) int64 {
	return (at.UnixNano() - int64(c.Offset)) / int64(c.MaxAge)
}
