package collector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"session_exporter/probe"
)

// minProbeNow is the minimum time between two calls of ProbeNow for an endpoint.
const minProbeNow = 10 * time.Second

// TooSoonError is the error of a call of ProbeNow too soon after the previous one for the
// same endpoint.
type TooSoonError struct {
	Until time.Time // when the next one is accepted
}

// Error implements error.
func (e *TooSoonError) Error() string {
	return fmt.Sprintf("the endpoint is probed on demand at most once every %s", minProbeNow)
}

// ProbeNow probes an endpoint of the configuration regardless of back-off, but not
// of the lockout guard or a Retry-After. Its result says whether a request was
// attempted. The schedule is not affected. The error is ErrNoEndpoint, ErrStopped,
// a TooSoonError, ErrBusy if the probe was not started before ctx was done, or ctx's
// if the probe continues.
func (c *Collector) ProbeNow(ctx context.Context, endpoint string) (*EndpointResult, error) {
	for {
		w, known := c.applied.Load().byName[endpoint]
		if !known {
			return nil, ErrNoEndpoint
		}
		var result *probe.Result
		probed := make(chan error, 1)
		go func() { // not canceled with ctx, or the session that it establishes would be lost
			var err error
			result, err = w.probeNow(c.onDemand.ctx, ctx.Done())
			probed <- err
		}()
		var err error
		select {
		case err = <-probed:
		case <-ctx.Done():
			if !w.isProbing() {
				return nil, ErrBusy // the call is abandoned
			}
			return nil, ctx.Err()
		}
		switch {
		case c.onDemand.ctx.Err() != nil:
			return nil, ErrStopped
		case errors.Is(err, errClosed): // a reload replaced the target
			continue
		case errors.Is(err, errAbandoned):
			return nil, ErrBusy
		case err != nil:
			return nil, err
		}
		return &EndpointResult{w.endpoint, *result}, nil
	}
}

// probeNow runs a probe that ignores back-off and records it. If a call is in flight, it
// waits for that instead, and probes itself only if that one sent nothing.
func (t *target) probeNow(ctx context.Context, abandoned <-chan struct{}) (*probe.Result, error) {
	for {
		now := time.Now()
		t.mu.Lock()
		current := t.call
		if until := t.probedNow.Add(minProbeNow); current == nil && now.Before(until) {
			t.mu.Unlock()
			return nil, &TooSoonError{until}
		}
		own := t.beginCallLocked()
		if own != nil {
			t.probedNow = now
		}
		t.mu.Unlock()
		if own != nil {
			err := t.do(ctx, own, job{abandoned: abandoned, options: probe.Options{IgnoreBackoff: true}})
			return own.result, err
		}
		switch err := current.wait(ctx); {
		case errors.Is(err, errAbandoned):
		case err != nil:
			return nil, err
		case current.result.Attempted:
			return current.result, nil
		}
	}
}

// endBackoff ends the back-off before the next probe. It reports whether the target
// waits for a login.
func (t *target) endBackoff() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.backoffEnded = true
	return t.wantsSecretLocked() || !t.state.Result.BackoffUntil.IsZero()
}

// takeBackoffEnded reports whether endBackoff was called since the last probe.
func (t *target) takeBackoffEnded() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	ended := t.backoffEnded
	t.backoffEnded = false
	return ended
}
