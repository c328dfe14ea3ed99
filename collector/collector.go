// Package collector decides when each endpoint is probed, keeps what was found,
// and exposes it to Prometheus.
//
// Data flows one way: the schedule starts a probe, its result is recorded in
// the endpoint's state, and a scrape reads that state. A scrape never waits for
// a probe, and no probe for another. The package speaks no HTTP.
package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	dto "github.com/prometheus/client_model/go"

	"session_exporter/config"
	"session_exporter/exposition"
	"session_exporter/probe"
)

// shutdownTimeout is how long a shutdown may take. The whole program has 5 s.
const shutdownTimeout = 4 * time.Second

// closesPerHost is how many logouts one host gets at once when we stop: a thousand
// connections in the making at a time would all be too late.
const closesPerHost = 100

// leaveTimeout is how long the logout of an endpoint that a reload removed or
// changed may take, beside a probe that still runs.
const leaveTimeout = time.Minute

// ErrStopped is the error of what is asked of a collector that is stopping.
var ErrStopped = errors.New("the exporter is stopping")

// Prober is what the collector needs of a probe.Prober.
type Prober interface {
	// Probe makes one probe. It fails only when ctx is cancelled.
	Probe(ctx context.Context) (*probe.Result, error)
	// Close logs out of the session that is held, if any. It returns what it did,
	// of which only the counts are of interest.
	Close(ctx context.Context) (*probe.Result, error)
	// Release gives up the session that is held, nil if none is, for another
	// prober to adopt.
	Release() *probe.Session
	// Adopt takes over a session, and reports whether it could.
	Adopt(session *probe.Session) bool
}

// Collector watches the endpoints of a configuration.
type Collector struct {
	logger   *slog.Logger
	schedule *schedule
	metrics  *ownMetrics
	applied  atomic.Pointer[applied]
	demand   demand

	applying sync.Mutex // held by Apply; guards stopped
	stopped  bool
	// later are the logouts that reloads, and those who ask no more, have begun.
	later sync.WaitGroup
	// leaving has the targets among them that are not watched any more.
	leaving sync.Map
}

// applied is a configuration at work. It is immutable.
type applied struct {
	config    *config.Config
	newProber NewProber
	watched   []watched
	byName    map[string]watched
	families  []family // that are exposed, sorted by name
	pages     []*exposition.Page
}

// NewProber makes an endpoint's prober. It must be safe for concurrent use.
type NewProber func(*config.Endpoint) (Prober, error)

// watched is a target as one configuration wants it. The target outlives it.
type watched struct {
	*target
	endpoint *config.Endpoint
	// labels are those of all its series, sorted by name.
	labels []*dto.LabelPair
}

// New returns a collector that watches nothing yet. credentials tells how the
// credentials at work stand.
func New(credentials func() []probe.CredentialStatus, logger *slog.Logger) *Collector {
	metrics := newOwnMetrics(credentials)
	c := &Collector{logger: logger, metrics: metrics, schedule: newSchedule(metrics)}
	nothing := &applied{config: &config.Config{}}
	nothing.pages = newPages(nothing)
	c.applied.Store(nothing)
	c.demand.init()
	return c
}

// Apply watches the endpoints of a configuration from now on, in place of those
// of the one before. newProber makes an endpoint's prober; when it fails for
// one, nothing is applied.
//
// What an endpoint of the same name and API has counted goes on. One whose
// settings are the same keeps its prober, and one with the same account at the
// same place its session. All other sessions are logged out.
func (c *Collector) Apply(settings *config.Config, newProber NewProber) error {
	c.applying.Lock()
	defer c.applying.Unlock()
	if c.stopped {
		return ErrStopped
	}
	before := maps.Clone(c.applied.Load().byName)
	next := &applied{
		config:    settings,
		newProber: newProber,
		byName:    make(map[string]watched, len(settings.Endpoints)),
		families:  newFamilies(settings),
	}
	replaced := make(map[*target]Prober)
	timeouts := make(map[*target]time.Duration) // of what is replaced
	var errs []error
	for _, endpoint := range settings.Endpoints {
		old, stays := before[endpoint.Name]
		stays = stays && old.endpoint.API == endpoint.API
		w := watched{old.target, endpoint, endpointLabels(endpoint, settings.LabelNames)}
		if !stays || !old.endpoint.ProbedLike(endpoint) {
			prober, err := newProber(endpoint)
			switch {
			case err != nil:
				errs = append(errs, err)
			case stays:
				replaced[old.target], timeouts[old.target] = prober, old.endpoint.Timeout
			default:
				w.target = c.newTarget(endpoint, prober)
			}
		}
		if stays {
			delete(before, endpoint.Name)
		}
		next.watched = append(next.watched, w)
		next.byName[endpoint.Name] = w
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("applying %s: %w", settings.File, err)
	}
	for t, prober := range replaced {
		t.replace(prober)
	}
	next.pages = newPages(next)
	c.applied.Store(next)
	c.schedule.set(next.watched)
	for t := range replaced {
		c.behind(timeouts[t], t.settle)
	}
	for _, gone := range before {
		c.leave(gone)
	}
	c.revisit(next)
	return nil
}

// Bound lets a probe begin only where room says that so many may be in flight. It is
// asked again whenever a probe ends, and one may run in any case, so that one ends. It
// must not wait for anything.
func (c *Collector) Bound(room func(probes int) bool) { c.schedule.bound(room) }

// Places returns how many probes are in flight at most, where there is room: as many
// as when all endpoints take their whole timeout every time.
func (c *Collector) Places() int { return c.schedule.places() }

// Config returns the configuration at work.
func (c *Collector) Config() *config.Config { return c.applied.Load().config }

// Reloaded notes whether the last attempt to load a configuration succeeded.
func (c *Collector) Reloaded(successful bool) { c.metrics.reloaded(successful) }

// Hasten probes at once the endpoints that wait for a better secret of a
// credential.
func (c *Collector) Hasten(credential string) {
	waiting := make(map[*target]bool)
	for _, w := range c.applied.Load().watched {
		if w.endpoint.Uses(credential) && w.wantsSecret() {
			waiting[w.target] = true
		}
	}
	c.schedule.hasten(waiting)
}

// leave logs out of a target that is not watched any more, in the background.
func (c *Collector) leave(w watched) {
	c.leaving.Store(w.target, nil)
	c.behind(w.endpoint.Timeout, func(ctx context.Context) error {
		defer c.leaving.Delete(w.target)
		return w.close(ctx)
	})
}

// behind logs out of a session in the background, behind a probe that may take so
// long.
func (c *Collector) behind(probing time.Duration, logout func(context.Context) error) {
	c.later.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), probing+leaveTimeout)
		defer cancel()
		if err := logout(ctx); err != nil {
			c.logger.Warn("a session may have been left on its appliance", "err", err)
		}
	})
}

// Run probes until ctx is cancelled, and then logs out of every session that is
// held, side by side, for at most a few seconds. Its error says which sessions
// may have been left on an appliance.
func (c *Collector) Run(ctx context.Context) error {
	c.schedule.run(ctx)
	// A deadline of its own: ctx is over already.
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	c.applying.Lock()
	c.stopped = true
	c.applying.Unlock()
	c.demand.end()
	all := slices.Concat(c.applied.Load().watched, c.demand.all())
	errs := make([]error, len(all))
	places := make(map[string]chan struct{}) // by host
	var running sync.WaitGroup
	for i, w := range all {
		place, known := places[w.endpoint.URL.Host]
		if !known {
			place = make(chan struct{}, closesPerHost)
			places[w.endpoint.URL.Host] = place
		}
		running.Go(func() {
			place <- struct{}{} // each gives its own up in time
			defer func() { <-place }()
			errs[i] = w.close(closing)
		})
	}
	running.Wait()
	return errors.Join(errors.Join(errs...), c.wait(closing))
}

// wait waits for the logouts that are under way, until ctx is over. Its error names
// those that are not watched any more and did not end. One that is watched is named
// by its close, which comes behind.
func (c *Collector) wait(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		c.later.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	var errs []error
	for left := range c.leaving.Range {
		errs = append(errs, left.(*target).unended()) //nolint:forcetypeassert // leaving holds nothing else
	}
	return errors.Join(errs...)
}
