package collector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// shutdownTimeout limits the logouts of a shutdown. The whole program has 5 s, and on a
// loaded machine all timeouts together overrun by up to a second.
const shutdownTimeout = 3500 * time.Millisecond

// closesPerHost is how many concurrent logouts one host gets. If it had a thousand new
// connections to accept at the same time, all of them would be too late.
const closesPerHost = 100

// sessionMayBeLeft is the log message of a logout that failed.
const sessionMayBeLeft = "a session may have been left on its appliance"

// Run probes until ctx is canceled. It then logs out of all sessions concurrently, for
// at most a few seconds. Its error names the sessions that may have been left on an
// appliance.
func (c *Collector) Run(ctx context.Context) error {
	c.schedule.run(ctx)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	c.swapping.Lock()
	c.stopped = true
	c.swapping.Unlock()
	c.onDemand.end()
	errs := closeAll(closing, slices.Concat(c.applied.Load().watched, c.onDemand.all()))
	return summarize(slices.Concat(errs, c.waitForLogouts(closing)))
}

// closeAll logs out of all targets and returns their errors.
func closeAll(ctx context.Context, all []watched) []error {
	errs := make([]error, len(all))
	sems := make(map[string]chan struct{}) // by host
	var running sync.WaitGroup
	for i, w := range all {
		sem, ok := sems[w.endpoint.URL.Host]
		if !ok {
			sem = make(chan struct{}, closesPerHost)
			sems[w.endpoint.URL.Host] = sem
		}
		running.Go(func() {
			sem <- struct{}{} // bounded by ctx: every close returns when it is done
			defer func() { <-sem }()
			errs[i] = w.close(ctx)
		})
	}
	running.Wait()
	return errs
}

// maxReported is how many sessions the error of a shutdown names.
const maxReported = 10

// summarize joins errors: the first ones, and the number of the others.
func summarize(errs []error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if more := len(errs) - maxReported; more > 0 {
		errs = append(errs[:maxReported:maxReported], fmt.Errorf("and %d more", more))
	}
	return errors.Join(errs...)
}

// waitForLogouts waits for the logouts in the background until ctx is done. It returns an
// error for each target that is no longer watched and was not logged out of. Run's own
// logouts report the others.
func (c *Collector) waitForLogouts(ctx context.Context) []error {
	done := make(chan struct{})
	go func() {
		c.logouts.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	var errs []error
	for left := range c.removed.Range {
		errs = append(errs, left.(*target).logoutTimeoutError()) //nolint:forcetypeassert // removed holds nothing else
	}
	return errs
}
