package collector

import (
	"context"
	"errors"
	"sync"

	"session_exporter/config"
	"session_exporter/probe"
)

// atOnce is how many probes ProbeAll has in flight.
const atOnce = 64

// Probed is an endpoint and what one probe of it found.
type Probed struct {
	Endpoint *config.Endpoint
	Result   probe.Result
}

// ProbeAll probes every endpoint once, outside the schedule, and logs out
// again. It returns what it found in the order of the configuration; its error
// is about sessions that may have been left on an appliance.
func (c *Collector) ProbeAll(ctx context.Context) ([]Probed, error) {
	return c.ProbeEach(ctx, func(Probed) {})
}

// ProbeEach is ProbeAll for those who cannot wait: it calls ended whenever it is
// done with an endpoint, logout included, from many goroutines at once.
func (c *Collector) ProbeEach(ctx context.Context, ended func(Probed)) ([]Probed, error) {
	watched := c.applied.Load().watched
	found := make([]Probed, len(watched))
	errs := make([]error, len(watched))
	slots := make(chan struct{}, atOnce)
	var running sync.WaitGroup
	for i, w := range watched {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			_ = w.probe(ctx) // it fails only when ctx is over, and then nothing was found
			found[i] = Probed{w.endpoint, w.found()}
			closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
			defer cancel()
			errs[i] = w.close(closing)
			ended(found[i])
		})
	}
	running.Wait()
	return found, errors.Join(errs...)
}
