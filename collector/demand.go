package collector

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"session_exporter/config"
)

// ErrNoEndpoint is the error for an endpoint that the configuration does not have.
var ErrNoEndpoint = errors.New("the configuration has no endpoint of this name")

// ErrTooManyTargets is the error for one target more than are kept.
var ErrTooManyTargets = errors.New("too many targets are asked for; list them as `endpoints` in the configuration")

const (
	// maxTargets is how many targets that only requests name are kept: who
	// names a target must not be able to fill the memory.
	maxTargets = 10_000
	// A target is given up, and logged out of, when nobody has asked for it for
	// so long, or for so many of its intervals.
	minIdle       = 5 * time.Minute
	idleIntervals = 3
)

// Answer is what a probe that somebody asked for found, and its metrics.
type Answer struct {
	Probed
	Metrics prometheus.Collector
}

// demand are the targets that no configuration names, but requests do. They are
// kept from one request to the next with what an endpoint has: a session, and
// what an appliance and the lockout guard want observed.
type demand struct {
	ctx  context.Context // of the probes that are asked for; over when we stop
	stop context.CancelFunc

	mu      sync.Mutex // guards the fields below
	targets map[string]*visited
	ended   bool
}

// visited is one of them.
type visited struct {
	watched
	module string
	idle   *time.Timer // gives it up
}

func (d *demand) init() {
	d.ctx, d.stop = context.WithCancel(context.Background())
	d.targets = make(map[string]*visited)
}

// Probe probes an endpoint of the configuration now, within its timeout and, if
// that is not zero, within the time given. Who asks while a probe of it is under
// way shares that one. The schedule leaves alone who is asked for at its interval.
// The error is ErrNoEndpoint, ErrStopped or ctx's: what a probe finds is none.
func (c *Collector) Probe(ctx context.Context, endpoint string, within time.Duration) (*Answer, error) {
	now := c.applied.Load()
	w, known := now.byName[endpoint]
	if !known {
		return nil, ErrNoEndpoint
	}
	return c.ask(ctx, now, w, within)
}

// ProbeTarget probes a target that the configuration does not name, as one of
// its modules says; else it is like Probe. Its further errors are those of
// config.Config's Target, and ErrTooManyTargets.
func (c *Collector) ProbeTarget(ctx context.Context, module, url string, within time.Duration) (*Answer, error) {
	now := c.applied.Load()
	endpoint, err := now.config.Target(module, url)
	if err != nil {
		return nil, err
	}
	w, err := c.visit(now, endpoint)
	if err != nil {
		return nil, err
	}
	return c.ask(ctx, now, w, within)
}

// ask probes for somebody. The probe does not end when they go away: others may
// share it, and the session that it may give would be held by nobody.
func (c *Collector) ask(ctx context.Context, now *applied, w watched, within time.Duration) (*Answer, error) {
	probed := make(chan error, 1)
	go func() {
		var probing context.Context = asked{c.demand.ctx, ctx}
		if within > 0 {
			var cancel context.CancelFunc
			probing, cancel = context.WithTimeout(probing, within)
			defer cancel()
		}
		asked := time.Now()
		err := w.probe(probing)
		if err == nil { // else nothing was found, and the schedule must go on
			w.asked.Store(asked.UnixNano())
		}
		probed <- err
	}()
	select {
	case err := <-probed:
		if c.demand.ctx.Err() != nil || errors.Is(err, errClosed) {
			return nil, ErrStopped
		}
		if err != nil {
			return nil, err
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return &Answer{Probed{w.endpoint, w.found()}, &one{now, w}}, nil
}

// asked is the context of a probe: it ends with ours, and has the values of the
// request's, which may want it traced.
type asked struct {
	context.Context
	request context.Context
}

// Value implements context.Context.
func (a asked) Value(key any) any {
	if value := a.Context.Value(key); value != nil {
		return value
	}
	return a.request.Value(key)
}

// visit returns the target of an endpoint, which is kept until nobody has asked
// for it for a while.
func (c *Collector) visit(now *applied, endpoint *config.Endpoint) (watched, error) {
	d := &c.demand
	d.mu.Lock()
	defer d.mu.Unlock()
	key := endpoint.Module + " " + endpoint.Name
	idle := max(minIdle, idleIntervals*endpoint.Interval)
	known, kept := d.targets[key]
	switch {
	case d.ended:
		return watched{}, ErrStopped
	case kept:
		known.idle.Reset(idle)
		return known.watched, nil
	case len(d.targets) >= maxTargets:
		return watched{}, ErrTooManyTargets
	}
	prober, err := now.newProber(endpoint)
	if err != nil {
		return watched{}, err
	}
	v := &visited{module: endpoint.Module, watched: watched{
		target:   c.newTarget(endpoint, prober),
		endpoint: endpoint,
		labels:   endpointLabels(endpoint, now.config.LabelNames),
	}}
	v.idle = time.AfterFunc(idle, func() { c.giveUp(key) })
	d.targets[key] = v
	return v.watched, nil
}

// giveUp forgets a target and logs out of it.
func (c *Collector) giveUp(key string) {
	d := &c.demand
	d.mu.Lock()
	defer d.mu.Unlock()
	if v, kept := d.targets[key]; kept && !d.ended {
		delete(d.targets, key)
		c.leave(v.close)
	}
}

// revisit brings the targets that are kept under another configuration. Those
// that it does not allow, or that it asks differently, are given up: a target
// that is still asked for comes back by itself.
func (c *Collector) revisit(now *applied) {
	d := &c.demand
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, v := range d.targets {
		endpoint, err := now.config.Target(v.module, v.endpoint.URL.String())
		if err == nil && endpoint.ProbedLike(v.endpoint) {
			v.labels = endpointLabels(endpoint, now.config.LabelNames)
			continue
		}
		v.idle.Stop()
		delete(d.targets, key)
		c.leave(v.close)
	}
}

// all returns the targets that are kept.
func (d *demand) all() []watched {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]watched, 0, len(d.targets))
	for v := range maps.Values(d.targets) {
		all = append(all, v.watched)
	}
	return all
}

// end ends the probes that are under way. None begins afterwards, and no target
// is added to those that are kept.
func (d *demand) end() {
	d.stop()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	for v := range maps.Values(d.targets) {
		v.idle.Stop()
	}
}

// one exposes one endpoint, as Collector does all.
type one struct {
	now *applied
	watched
}

func (o *one) Describe(chan<- *prometheus.Desc)    {}
func (o *one) Collect(ch chan<- prometheus.Metric) { o.now.expose(ch, o.watched) }
