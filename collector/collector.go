// Package collector decides when each endpoint is probed, keeps the results, and exposes
// them to Prometheus.
//
// Data flows one way: the schedule starts a probe, its result is recorded in the
// endpoint's state, and a scrape reads that state. A scrape of /metrics never waits for
// a probe. Probes run concurrently, at most as many as there are slots.
// The package knows nothing of HTTP.
package collector

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	dto "github.com/prometheus/client_model/go"

	"session_exporter/collector/exposition"
	"session_exporter/config"
	"session_exporter/probe"
)

// ErrStopped is the error of requests and reloads while the collector is stopping.
var ErrStopped = errors.New("the exporter is stopping")

// Prober is the part of probe.Prober that the collector uses.
type Prober interface {
	// Probe runs one probe. It fails only when ctx is canceled.
	Probe(ctx context.Context, options probe.Options) (*probe.Result, error)
	// EndBackoff ends the back-off after failed logins, so that the next probe may log in.
	EndBackoff()
	// Close logs out of the session that is held, if any. Of its result, only the counts of
	// logouts, failed logouts, expirations and unanswered logins are used, with Lifetime and
	// LastRequest.
	Close(ctx context.Context) (*probe.Result, error)
	// Release gives up the session that is held, nil if none is, for another prober to
	// adopt.
	Release() *probe.Session
	// Adopt takes over a session and reports whether it could.
	Adopt(session *probe.Session) bool
}

// Collector watches the endpoints of a configuration.
type Collector struct {
	logger   *slog.Logger
	schedule *schedule
	slots    *slots // nil for no limit
	metrics  *exporterMetrics
	applied  atomic.Pointer[applied]
	onDemand onDemand

	applying sync.Mutex // held by Apply, which may hang while it creates probers
	swapping sync.Mutex // guards stopped, and the switch to another configuration
	stopped  bool

	logouts sync.WaitGroup // in the background
	removed sync.Map       // *target; no longer watched, and not logged out of yet
}

// applied is the configuration in effect. It is immutable.
type applied struct {
	config    *config.Config
	newProber NewProber
	watched   []watched
	byName    map[string]watched
	families  []family // those not denied, sorted by name
	caches    []*exposition.Cache
}

// NewProber creates an endpoint's prober. It must be safe for concurrent use.
type NewProber func(*config.Endpoint) (Prober, error)

// watched is a target with its settings in one configuration. The target outlives it.
type watched struct {
	*target
	endpoint *config.Endpoint
	labels   []*dto.LabelPair // of all its series, sorted by name
	info     []string         // see endpointInfo
}

// New returns a collector that watches nothing yet. credentials returns the status of
// all credentials.
func New(credentials func() []probe.CredentialStatus, logger *slog.Logger) *Collector {
	metrics := newExporterMetrics(credentials)
	c := &Collector{logger: logger, metrics: metrics, schedule: newSchedule(metrics)}
	empty := &applied{config: &config.Config{}}
	empty.caches = newCaches(empty)
	c.applied.Store(empty)
	c.onDemand.init()
	return c
}

// LimitInFlight limits how many probes and logouts are in flight, whatever starts them: see
// slots. It is called before the first Apply.
func (c *Collector) LimitInFlight(probes int) { c.slots = newSlots(probes) }

// Config returns the configuration in effect.
func (c *Collector) Config() *config.Config { return c.applied.Load().config }

// Reloaded records whether the last attempt to load a configuration succeeded.
func (c *Collector) Reloaded(successful bool) {
	c.metrics.reloadSuccessful.Set(truth(successful))
	if successful {
		c.metrics.reloadSuccess.SetToCurrentTime()
	}
}

// ProbeSoon makes endpoints that wait for a new secret of a credential due immediately.
func (c *Collector) ProbeSoon(credential string) { c.probeWaiting(credential, (*target).wantsSecret) }

// Resume ends the back-off of all endpoints that use a credential. Those that wait
// for a login are probed immediately.
func (c *Collector) Resume(credential string) {
	for _, w := range c.onDemand.all() { // ad-hoc targets are not scheduled
		if w.endpoint.Uses(credential) {
			w.endBackoff()
		}
	}
	c.probeWaiting(credential, (*target).endBackoff)
}

// probeWaiting makes the endpoints that use a credential due immediately, if waits is true
// for them.
func (c *Collector) probeWaiting(credential string, waits func(*target) bool) {
	waiting := make(map[*target]bool)
	for _, w := range c.applied.Load().watched {
		if w.endpoint.Uses(credential) && waits(w.target) {
			waiting[w.target] = true
		}
	}
	c.schedule.probeSoon(waiting)
}
