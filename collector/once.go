package collector

import (
	"context"
	"errors"
	"sync"
	"time"

	"session_exporter/config"
	"session_exporter/probe"
)

// maxAllInFlight limits the probes that ProbeAll, ProbeEach or ProbeEvery has in flight.
const maxAllInFlight = 64

// EndpointResult is an endpoint and the result of one probe of it.
type EndpointResult struct {
	Endpoint *config.Endpoint
	Result   probe.Result
}

// ProbeAll probes every endpoint once, outside the schedule, and logs out. The results are
// in the order of the configuration. The error names sessions that may have been left on an
// appliance.
func (c *Collector) ProbeAll(ctx context.Context) ([]EndpointResult, error) {
	return c.ProbeEach(ctx, func(EndpointResult) {})
}

// ProbeEach is ProbeAll, and calls done after the logout of each endpoint, concurrently.
func (c *Collector) ProbeEach(ctx context.Context, done func(EndpointResult)) ([]EndpointResult, error) {
	watched := c.applied.Load().watched
	results := make([]EndpointResult, len(watched))
	errs := make([]error, len(watched))
	sem := make(chan struct{}, maxAllInFlight)
	var running sync.WaitGroup
	for i, w := range watched {
		sem <- struct{}{}
		running.Go(func() {
			defer func() { <-sem }()
			_ = w.probe(ctx, job{}) // it fails only when ctx is canceled; there is no result then
			results[i] = EndpointResult{w.endpoint, w.lastResult()}
			closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
			defer cancel()
			errs[i] = w.close(closing)
			done(results[i])
		})
	}
	running.Wait()
	return results, errors.Join(errs...)
}

// ProbeEvery probes every endpoint at its interval, the first time immediately, until ctx
// is canceled. It calls done after each probe, concurrently. Sessions are held between
// probes, and the lockout guard and back-off apply, as in Run. At the end it logs out, and
// its error names sessions that may have been left on an appliance.
func (c *Collector) ProbeEvery(ctx context.Context, done func(EndpointResult)) error {
	watched := c.applied.Load().watched
	sem := make(chan struct{}, maxAllInFlight)
	var running sync.WaitGroup
	for _, w := range watched {
		running.Go(func() {
			for w.probeIn(ctx, sem) {
				done(EndpointResult{w.endpoint, w.lastResult()})
				wait := w.endpoint.Interval - time.Since(w.lastResult().Start)
				if queued := w.queuedWait(); queued > 0 {
					wait = min(wait, queued)
				}
				select {
				case <-time.After(wait):
				case <-ctx.Done():
					return
				}
			}
		})
	}
	running.Wait()
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	return summarize(closeAll(closing, watched))
}

// probeIn runs a probe within the limit of a semaphore. It returns false, without a result,
// if ctx is canceled.
func (w watched) probeIn(ctx context.Context, sem chan struct{}) bool {
	select {
	case sem <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	defer func() { <-sem }()
	return w.probe(ctx, job{}) == nil
}
