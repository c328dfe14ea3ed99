package web

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// connections limits the server's open connections, so that file descriptors are left
// for probes. It tracks them through http.Server's ConnState, which works with every
// kind of listener.
//
// At the limit, a new connection replaces the first one whose grace period is over: minInactive
// without a complete request, because one may be on its way; maxStalled without progress of its
// response; or maxActive since its request. If several are over, inactive connections are
// replaced first, then stalled ones, and the oldest of each first. While a new connection waits,
// the server accepts no other, and closes each connection after its response, so that clients
// that send request after request take turns with new ones.
type connections struct {
	max     int
	stopped chan struct{}
	stop    func() // closes stopped, so that no connection waits for room

	mu      sync.Mutex // guards the fields below
	open    map[net.Conn]connection
	changed chan struct{} // closed and replaced when a connection is closed or changes its phase
	waiting int           // new connections that wait for room; at most one per listener
}

type connection struct {
	phase phase
	since time.Time // start of the phase; while responding, of the last progress
}

type phase int

const (
	inactive   phase = iota // no complete request
	active                  // a complete request is being handled
	responding              // the response has started
)

const (
	// minInactive suffices for a TLS handshake and a request, and lets a scraper in
	// within its timeout even if silent connections were accepted before it.
	minInactive = 500 * time.Millisecond
	maxActive   = writeDeadline
	// maxStalled exceeds the interval at which timedWriter reports progress.
	maxStalled = 2 * time.Second
)

func newConnections(maximum int) *connections {
	c := &connections{
		max:     maximum,
		stopped: make(chan struct{}),
		open:    make(map[net.Conn]connection),
		changed: make(chan struct{}),
	}
	c.stop = sync.OnceFunc(func() { close(c.stopped) })
	return c
}

// connState implements http.Server's ConnState. While it blocks with a new connection,
// the server accepts no other.
func (c *connections) connState(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		c.add(conn)
	case http.StateClosed, http.StateHijacked:
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.open, conn)
		c.signalLocked()
	case http.StateIdle:
		c.deactivate(conn)
	case http.StateActive: // the request's body may be incomplete: see activate
	}
}

type connKey struct{}

// tracked is a connection, and the set that it belongs to.
type tracked struct {
	*connections
	conn net.Conn
}

// mustNotWait reports whether a request must fail immediately instead of waiting for a probe.
func mustNotWait(r *http.Request) bool {
	t, ok := r.Context().Value(connKey{}).(tracked)
	return ok && !t.mayWait()
}

// connContext implements http.Server's ConnContext.
func (c *connections) connContext(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, tracked{c, conn})
}

// activate records that a complete request has arrived. It reports whether new
// connections wait for room, so that this one should be closed after its response.
func (c *connections) activate(r *http.Request) (full bool) {
	t, ok := r.Context().Value(connKey{}).(tracked)
	if !ok {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// Further requests of an HTTP/2 connection must not make it look new.
	if known, ok := c.open[t.conn]; ok && known.phase == inactive {
		c.setLocked(t.conn, active)
	}
	return c.waiting > 0
}

// progress records that a part of the response is being written.
func (c *connections) progress(r *http.Request) {
	if t, ok := r.Context().Value(connKey{}).(tracked); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.setLocked(t.conn, responding)
	}
}

// deactivate records that a connection is inactive. A request that was never activated,
// such as one that exporter-toolkit refused with 401, does not restart the time for which the
// connection has been inactive.
func (c *connections) deactivate(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[conn].phase != inactive {
		c.setLocked(conn, inactive)
	}
}

func (c *connections) setLocked(conn net.Conn, now phase) {
	if _, known := c.open[conn]; known { // otherwise it is being closed
		c.open[conn] = connection{now, time.Now()}
		c.signalLocked()
	}
}

// add adds a connection, after waiting for room if necessary.
func (c *connections) add(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting++ // visible to others only if makeRoomLocked waits
	defer func() { c.waiting-- }()
	for len(c.open) >= c.max {
		if stopped := c.makeRoomLocked(); stopped {
			return
		}
	}
	c.open[conn] = connection{since: time.Now()}
}

// makeRoomLocked closes a connection if one may be replaced, and otherwise waits until one may
// be, or one is closed or changes its phase. stopped reports whether the server is stopping.
func (c *connections) makeRoomLocked() (stopped bool) {
	victim, wait := c.victimLocked()
	if wait <= 0 {
		delete(c.open, victim)
		abort(victim)
		return false
	}
	changed := c.changed
	c.mu.Unlock()
	defer c.mu.Lock()
	select {
	case <-changed:
	case <-time.After(wait):
	case <-c.stopped:
		return true
	}
	return false
}

// mayWait reports whether a request may wait for a probe. Half of the connections are
// reserved for requests that do not wait, such as scrapes.
func (c *connections) mayWait() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	pending := 0
	for _, conn := range c.open {
		if conn.phase == active {
			pending++
		}
	}
	return pending <= c.max/2
}

// victimLocked returns the connection to replace, and how long to wait before that.
func (c *connections) victimLocked() (victim net.Conn, wait time.Duration) {
	now := time.Now()
	var worst connection
	for conn, candidate := range c.open {
		safe := max(candidate.safeFor(now), 0)
		order := cmp.Or(cmp.Compare(safe, wait), cmp.Compare(candidate.grace(), worst.grace()), candidate.since.Compare(worst.since))
		if victim == nil || order < 0 {
			victim, worst, wait = conn, candidate, safe
		}
	}
	return victim, wait
}

// grace returns how long a connection in this phase is kept before it may be replaced.
func (c connection) grace() time.Duration {
	switch c.phase {
	case active:
		return maxActive
	case responding:
		return maxStalled
	default:
		return minInactive
	}
}

// safeFor returns the rest of the grace period, negative once it is over.
func (c connection) safeFor(now time.Time) time.Duration { return c.grace() - now.Sub(c.since) }

func (c *connections) signalLocked() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// abort closes the underlying connection, because closing a tls.Conn may block on its
// peer.
func abort(conn net.Conn) {
	if outer, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = outer.NetConn()
	}
	_ = conn.Close() // the connection is discarded either way
}
