package collector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"session_exporter/probe"
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
	minIdle       = 15 * time.Minute
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
	asked  time.Time
}

func (d *demand) init() {
	d.ctx, d.stop = context.WithCancel(context.Background())
	d.targets = make(map[string]*visited)
}

// Probe probes an endpoint of the configuration now. Who asks while a probe of it
// is under way shares that one. The schedule leaves alone who is asked for at its
// interval. Unless it is zero, within is how long the caller waits: the answer to
// a probe that takes longer is a timeout for the caller alone, and it goes on. The
// error is ErrNoEndpoint, ErrStopped or ctx's: what a probe finds is none.
func (c *Collector) Probe(ctx context.Context, endpoint string, within time.Duration) (*Answer, error) {
	return c.ask(ctx, within, func() (*applied, watched, error) {
		now := c.applied.Load()
		w, known := now.byName[endpoint]
		if !known {
			return nil, watched{}, ErrNoEndpoint
		}
		return now, w, nil
	})
}

// ProbeTarget probes a target that the configuration does not name, as one of
// its modules says; else it is like Probe. Its further errors are those of
// config.Config's Target, and ErrTooManyTargets.
func (c *Collector) ProbeTarget(ctx context.Context, module, url string, within time.Duration) (*Answer, error) {
	return c.ask(ctx, within, func() (*applied, watched, error) { return c.visit(module, url) })
}

// ask probes what find finds for somebody who waits so long.
func (c *Collector) ask(ctx context.Context, within time.Duration, find func() (*applied, watched, error)) (*Answer, error) {
	start := time.Now()
	var up <-chan time.Time
	if within > 0 {
		up = time.After(within)
	}
	for {
		now, w, err := find()
		if err != nil {
			return nil, err
		}
		select {
		case err = <-c.start(ctx, w, start):
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-up:
			w = w.missed(start, within)
		}
		switch {
		case c.demand.ctx.Err() != nil:
			return nil, ErrStopped
		case errors.Is(err, errClosed): // by a reload; or nobody asked for it for long
			continue
		case err != nil:
			return nil, err
		}
		return &Answer{Probed{w.endpoint, w.found()}, &one{now, w}}, nil
	}
}

// start begins a probe that somebody asked for, and yields its error. It does not
// end when they go away: others may share it, and the session that it may give
// would be held by nobody.
func (c *Collector) start(ctx context.Context, w watched, at time.Time) <-chan error {
	probed := make(chan error, 1)
	go func() {
		err := w.probe(asked{c.demand.ctx, ctx})
		if err == nil { // else nothing was found, and the schedule must go on
			w.askedAt(at)
		}
		probed <- err
	}()
	return probed
}

// missed returns a target as somebody is told of it whose time is up while its
// probe goes on. Nothing is counted: whoever sees the end of the probe would see
// the counters go back.
func (w watched) missed(start time.Time, within time.Duration) watched {
	w.mu.Lock()
	defer w.mu.Unlock()
	view := &target{name: w.name, api: w.api, state: w.state.copied()}
	result := &view.state.result
	result.State, result.Start, result.Duration = probe.Timeout, start, within
	result.Diagnosis = fmt.Sprintf("The probe did not end within %s, which is how long was waited for it here. It goes on.", within.Round(time.Millisecond))
	result.Advice = "Let the scrape time out later than the endpoint, or look at /metrics, which waits for no probe."
	result.Steps, result.Identity, result.RolesExpected, result.ClockSkew = nil, nil, nil, nil
	result.ResumeAt = time.Time{}
	w.target = view
	return w
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

// visit returns a target, which is kept until nobody has asked for it for a while,
// and the configuration that it is of.
func (c *Collector) visit(module, url string) (*applied, watched, error) {
	d := &c.demand
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return nil, watched{}, ErrStopped
	}
	now := c.applied.Load() // revisit comes after what is stored there
	endpoint, err := now.config.Target(module, url)
	if err != nil {
		return nil, watched{}, err
	}
	key := module + " " + endpoint.Name
	known, kept := d.targets[key]
	if kept && !endpoint.ProbedLike(known.endpoint) {
		c.drop(key, known)
		kept = false
	}
	switch {
	case kept:
		known.asked = time.Now()
		known.idle.Reset(known.patience())
		return now, known.watched, nil
	case len(d.targets) >= maxTargets:
		return nil, watched{}, ErrTooManyTargets
	}
	prober, err := now.newProber(endpoint)
	if err != nil {
		return nil, watched{}, err
	}
	v := &visited{module: module, asked: time.Now(), watched: watched{
		target:   c.newTarget(endpoint, prober),
		endpoint: endpoint,
		labels:   endpointLabels(endpoint, now.config.LabelNames),
	}}
	v.idle = time.AfterFunc(v.patience(), func() { c.giveUp(key, v) })
	d.targets[key] = v
	return now, v.watched, nil
}

// patience is how long a target is kept that nobody asks for.
func (v *visited) patience() time.Duration {
	return max(minIdle, idleIntervals*v.endpoint.Interval)
}

// giveUp drops a target, unless somebody has asked for it just now.
func (c *Collector) giveUp(key string, v *visited) {
	d := &c.demand
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.ended && d.targets[key] == v && time.Since(v.asked) >= v.patience() {
		c.drop(key, v)
	}
}

// drop forgets a target and logs out of it. The caller holds mu.
func (c *Collector) drop(key string, v *visited) {
	v.idle.Stop()
	delete(c.demand.targets, key)
	c.leave(v.watched)
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
		c.drop(key, v)
	}
}

// all returns the targets that are kept.
func (d *demand) all() []watched {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]watched, 0, len(d.targets))
	for _, v := range d.targets {
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
	for _, v := range d.targets {
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
