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
	"sync"
	"sync/atomic"
	"time"

	"session_exporter/config"
	"session_exporter/probe"
)

// The time that a shutdown may take. The whole program has 5 s.
const shutdownTimeout = 4 * time.Second

// Prober is what the collector needs of a probe.Prober.
type Prober interface {
	// Probe makes one probe. It fails only when ctx is cancelled.
	Probe(ctx context.Context) (probe.Result, error)
	// Close logs out of the session that is held, if any.
	Close(ctx context.Context) error
}

// Collector watches the endpoints of a configuration.
type Collector struct {
	logger   *slog.Logger
	schedule *schedule
	metrics  *ownMetrics
	applied  atomic.Pointer[applied]
}

// applied is a configuration at work. It is immutable.
type applied struct {
	config   *config.Config
	targets  []*target
	families []family
}

// New returns a collector that watches nothing yet.
func New(logger *slog.Logger) *Collector {
	metrics := newOwnMetrics()
	c := &Collector{logger: logger, metrics: metrics, schedule: newSchedule(metrics)}
	c.applied.Store(&applied{config: &config.Config{}})
	return c
}

// Apply begins to watch the endpoints of a configuration. newProber makes an
// endpoint's prober; when it fails for one, nothing is applied.
func (c *Collector) Apply(settings *config.Config, newProber func(*config.Endpoint) (Prober, error)) error {
	next := &applied{config: settings, families: newFamilies(settings.LabelNames)}
	var errs []error
	for _, endpoint := range settings.Endpoints {
		prober, err := newProber(endpoint)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		next.targets = append(next.targets, newTarget(endpoint, prober, settings.LabelNames, c.logger))
	}
	if err := errors.Join(errs...); err != nil {
		c.metrics.reloaded(false)
		return fmt.Errorf("applying %s: %w", settings.File, err)
	}
	c.applied.Store(next)
	c.schedule.set(next.targets)
	c.metrics.reloaded(true)
	return nil
}

// Run probes until ctx is cancelled, and then logs out of every session that is
// held, side by side, for at most a few seconds. Its error says which sessions
// may have been left on an appliance.
func (c *Collector) Run(ctx context.Context) error {
	c.schedule.run(ctx)
	// A deadline of its own: ctx is over already.
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	targets := c.applied.Load().targets
	errs := make([]error, len(targets))
	var running sync.WaitGroup
	for i, t := range targets {
		running.Go(func() { errs[i] = t.close(closing) })
	}
	running.Wait()
	return errors.Join(errs...)
}
