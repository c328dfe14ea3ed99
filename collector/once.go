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
	targets := c.applied.Load().targets
	found := make([]Probed, len(targets))
	errs := make([]error, len(targets))
	slots := make(chan struct{}, atOnce)
	var running sync.WaitGroup
	for i, t := range targets {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			t.probe(ctx)
			t.mu.Lock()
			found[i] = Probed{t.endpoint, t.state.result}
			t.mu.Unlock()
			closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
			defer cancel()
			errs[i] = t.close(closing)
		})
	}
	running.Wait()
	return found, errors.Join(errs...)
}
