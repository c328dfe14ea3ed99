package collector

import (
	"context"
	"errors"
	"sync"
	"time"

	"session_exporter/config"
)

// ErrTooManyTargets is the error of a request for a new target when no more can be kept.
var ErrTooManyTargets = errors.New("too many targets are requested; list them as `endpoints` in the configuration")

const (
	// maxTargets limits the ad-hoc targets, so that requests cannot fill the memory.
	maxTargets = 10_000
	// maxPerOrigin limits those of one origin, so that requests for many paths of one
	// appliance do not crowd out the others.
	maxPerOrigin = 1000
	// A target is logged out of and dropped when it has not been requested for minIdle, or
	// for idleIntervals times its interval if that is longer.
	minIdle       = 15 * time.Minute
	idleIntervals = 3
)

// onDemand holds the targets that requests name and the configuration does not list. Between
// requests they keep the same state as an endpoint: the session, a Retry-After of the
// appliance, and what the lockout guard holds back.
type onDemand struct {
	ctx  context.Context // of all requested probes; canceled when we stop
	stop context.CancelFunc

	mu      sync.Mutex // guards the fields below
	targets map[string]*adhocTarget
	origins map[config.Origin]int // number of targets
	ended   bool
}

// adhocTarget is a target that the configuration does not list.
type adhocTarget struct {
	watched
	module    string
	idle      *time.Timer // drops it
	requested time.Time
}

func (d *onDemand) init() {
	d.ctx, d.stop = context.WithCancel(context.Background())
	d.targets = make(map[string]*adhocTarget)
	d.origins = make(map[config.Origin]int)
}

// lookup returns an ad-hoc target and the configuration that it belongs to. It creates the
// target if it does not exist.
func (c *Collector) lookup(module, url string) (*applied, watched, error) {
	d := &c.onDemand
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return nil, watched{}, ErrStopped
	}
	current := c.applied.Load()
	endpoint, err := current.config.Target(module, url)
	if err != nil {
		return nil, watched{}, err
	}
	key := module + " " + endpoint.Name
	if t, ok := d.targets[key]; ok {
		if endpoint.SameProbe(t.endpoint) {
			t.requested = time.Now()
			t.idle.Reset(t.idleTimeout())
			return current, t.watched, nil
		}
		c.dropLocked(key, t)
	}
	if !c.makeRoomLocked(endpoint) {
		return nil, watched{}, ErrTooManyTargets
	}
	t, err := c.newAdhocTarget(current, module, endpoint)
	if err != nil {
		return nil, watched{}, err
	}
	t.idle = time.AfterFunc(t.idleTimeout(), func() { c.dropIdle(key, t) })
	d.targets[key] = t
	d.origins[originOf(endpoint)]++
	return current, t.watched, nil
}

func (c *Collector) newAdhocTarget(current *applied, module string, endpoint *config.Endpoint) (*adhocTarget, error) {
	prober, err := current.newProber(endpoint)
	if err != nil {
		return nil, err
	}
	t := &adhocTarget{module: module, requested: time.Now(), watched: watched{
		target:   c.newTarget(endpoint, prober),
		endpoint: endpoint,
		labels:   endpointLabels(endpoint, current.config.LabelNames),
		info:     endpointInfo(endpoint),
	}}
	t.adhoc = true
	return t, nil
}

// makeRoomLocked makes room for a target if the table, or its origin's share of it, is
// full. It drops the target with the oldest request among those that were never valid and
// are not being probed, and reports whether there is room.
func (c *Collector) makeRoomLocked(endpoint *config.Endpoint) bool {
	d := &c.onDemand
	ofOrigin := d.origins[originOf(endpoint)]
	if len(d.targets) < maxTargets && ofOrigin < maxPerOrigin {
		return true
	}
	var oldest *adhocTarget
	var oldestKey string
	for key, t := range d.targets {
		older := oldest == nil || t.requested.Before(oldest.requested)
		if older && (ofOrigin < maxPerOrigin || originOf(t.endpoint) == originOf(endpoint)) && t.isDispensable() {
			oldest, oldestKey = t, key
		}
	}
	if oldest == nil {
		return false
	}
	c.dropLocked(oldestKey, oldest)
	return true
}

func originOf(e *config.Endpoint) config.Origin {
	return config.Origin{Scheme: e.URL.Scheme, Host: e.URL.Host} // the host includes the port
}

// idleTimeout is how long the target is kept after a request.
func (t *adhocTarget) idleTimeout() time.Duration {
	return max(minIdle, idleIntervals*t.endpoint.Interval)
}

// dropIdle drops a target, unless it was requested again in the meantime.
func (c *Collector) dropIdle(key string, t *adhocTarget) {
	d := &c.onDemand
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.ended && d.targets[key] == t && time.Since(t.requested) >= t.idleTimeout() {
		c.dropLocked(key, t)
	}
}

// dropLocked removes a target and logs out of it in the background.
func (c *Collector) dropLocked(key string, t *adhocTarget) {
	t.idle.Stop()
	delete(c.onDemand.targets, key)
	origin := originOf(t.endpoint)
	c.onDemand.origins[origin]--
	if c.onDemand.origins[origin] == 0 {
		delete(c.onDemand.origins, origin)
	}
	c.logoutRemoved(t.watched)
}

// switchTo makes a configuration the one in effect, and moves the ad-hoc targets to it. It
// drops those that the configuration forbids or probes differently; the next request creates
// the latter again.
func (c *Collector) switchTo(current *applied) {
	d := &c.onDemand
	d.mu.Lock() // the labels of a target are those of the configuration in effect
	defer d.mu.Unlock()
	c.applied.Store(current)
	for key, t := range d.targets {
		endpoint, err := current.config.Target(t.module, t.endpoint.URL.String())
		if err == nil && endpoint.SameProbe(t.endpoint) {
			t.labels = endpointLabels(endpoint, current.config.LabelNames)
			continue
		}
		c.dropLocked(key, t)
	}
}

func (d *onDemand) all() []watched {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]watched, 0, len(d.targets))
	for _, t := range d.targets {
		all = append(all, t.watched)
	}
	return all
}

// end cancels all requested probes. No probe begins and no target is added afterwards.
func (d *onDemand) end() {
	d.stop()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	for _, t := range d.targets {
		t.idle.Stop()
	}
}
