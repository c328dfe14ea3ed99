package probe

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
)

// filesOfProbe is how many files a probe may have at once: it has one connection, or
// makes one, which takes two where two addresses are dialled, or two questions asked
// of DNS, side by side.
const filesOfProbe = 2

// connections counts those that are open, of all endpoints, so that no more are
// kept than there are files for, and no more probes begin.
type connections struct {
	open atomic.Int64
	most atomic.Int64 // to keep; 0 for no bound

	mu      sync.Mutex // guards the fields below, and those of all holders
	probing int        // probes under way
	others  int        // files of connections that none of these has
}

// holder is a probe that has connections, by what its context says. What it leaves
// open when it is over idles, or awaits an answer that comes late.
type holder struct {
	files int // while it is under way
	over  bool
}

type holderKey struct{}

// holderOf returns the probe that a context is of, nil where it is none's.
func holderOf(ctx context.Context) *holder {
	h, _ := ctx.Value(holderKey{}).(*holder)
	return h
}

// begin begins a probe.
func (c *connections) begin() *holder {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.probing++
	return new(holder)
}

// end ends it. What it leaves open is nobody's.
func (c *connections) end(h *holder) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.probing--
	c.others += h.files
	h.over = true
}

// add notes that somebody has so many files more. The caller holds mu.
func (c *connections) add(h *holder, files int) {
	if h == nil || h.over {
		c.others += files
	} else {
		h.files += files
	}
}

// files returns how many files may come to be open with so many probes under way, or
// with those that are if they are more.
func (c *connections) files(probes int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.others + filesOfProbe*max(probes, c.probing)
}

// full reports whether one that is new must not be kept.
func (c *connections) full() bool {
	most := c.most.Load()
	return most > 0 && c.open.Load() >= most
}

// counting counts the connections that dial makes.
func (c *connections) counting(dial DialFunc) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		h := holderOf(ctx)
		c.note(h, filesOfProbe)
		conn, err := dial(ctx, network, address)
		if err != nil {
			c.note(h, -filesOfProbe)
			return nil, err
		}
		c.note(h, 1-filesOfProbe)
		c.open.Add(1)
		return &countedConn{Conn: conn, all: c, holder: h}, nil
	}
}

func (c *connections) note(h *holder, files int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(h, files)
}

// countedConn counts as open until it is closed.
type countedConn struct {
	net.Conn
	all *connections

	// These are guarded by all's mu.
	holder *holder
	closed bool
}

// NetConn returns the connection within, as tls.Conn's does.
func (c *countedConn) NetConn() net.Conn { return c.Conn }

func (c *countedConn) Close() error {
	err := c.Conn.Close()
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	if !c.closed {
		c.closed = true
		c.all.open.Add(-1)
		c.all.add(c.holder, -1)
	}
	return err
}

// heldBy passes the connection to a probe that takes it from those that idle.
func (c *countedConn) heldBy(h *holder) {
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	if !c.closed {
		c.all.add(c.holder, -1)
		c.all.add(h, 1)
		c.holder = h
	}
}
