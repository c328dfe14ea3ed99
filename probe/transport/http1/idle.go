package http1

import (
	"maps"
	"net/url"
	"slices"
	"time"
)

// sweepEvery is how often idle connections are checked.
const sweepEvery = 10 * time.Second

// origin identifies the requests that may share connections.
type origin struct{ scheme, host string }

func originOf(u *url.URL) origin { return origin{u.Scheme, u.Host} }

// getIdle returns a kept connection that is still open, nil if none. The connection of the
// lease comes first.
func (t *Transport) getIdle(from origin, l *Lease) *conn {
	next := func() *conn {
		if c := l.getConn(from); c != nil || l != nil && l.fresh {
			return c
		}
		return t.pop(from)
	}
	for c := next(); c != nil; c = next() {
		if c.isIdle() {
			return c
		}
		_ = c.Close() // the server has closed it or sent unsolicited bytes
	}
	return nil
}

func (t *Transport) pop(from origin) *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := t.idle[from]
	if len(kept) == 0 {
		return nil
	}
	c := kept[len(kept)-1]
	t.removeLocked(from, len(kept)-1)
	return c
}

func (t *Transport) removeLocked(from origin, at int) {
	if kept := slices.Delete(t.idle[from], at, at+1); len(kept) > 0 {
		t.idle[from] = kept
	} else {
		delete(t.idle, from)
	}
}

// keep takes a connection back after an exchange.
func (t *Transport) keep(c *conn) {
	if !t.push(c) {
		_ = c.Close() // enough connections are kept
	}
}

func (t *Transport) push(c *conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := t.idle[c.origin]
	if len(kept) >= t.MaxIdleConnsPerHost {
		return false
	}
	if t.idle == nil {
		t.idle = make(map[origin][]*conn)
	}
	c.idleSince = time.Now()
	t.idle[c.origin] = append(kept, c)
	if t.sweeper == nil {
		t.sweeper = time.AfterFunc(sweepEvery, t.sweep)
	}
	return true
}

// sweep closes the connections that have been idle for too long or that the server has
// closed, which nothing else would notice: no goroutine reads from them.
func (t *Transport) sweep() {
	t.mu.Lock()
	all := slices.Concat(slices.Collect(maps.Values(t.idle))...)
	t.mu.Unlock()
	for _, c := range all {
		if t.giveUp(c) {
			_ = c.Close() // not in use
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.idle) == 0 {
		t.sweeper = nil
	} else {
		t.sweeper.Reset(sweepEvery)
	}
}

// giveUp removes an idle connection that should be closed, and reports whether it did.
func (t *Transport) giveUp(c *conn) bool {
	t.mu.Lock() // here and not in sweep, which may check thousands of connections
	defer t.mu.Unlock()
	at := slices.Index(t.idle[c.origin], c)
	if at < 0 || time.Since(c.idleSince) < t.IdleConnTimeout && c.isIdle() {
		return false
	}
	t.removeLocked(c.origin, at)
	return true
}

// CloseIdleConnections closes the idle connections.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	all := t.idle
	t.idle = nil
	if t.sweeper != nil {
		t.sweeper.Stop()
		t.sweeper = nil
	}
	t.mu.Unlock()
	for _, kept := range all {
		for _, c := range kept {
			_ = c.Close() // not in use
		}
	}
}
