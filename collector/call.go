package collector

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"session_exporter/probe"
	"session_exporter/probe/transport"
	"session_exporter/sessionapi"
)

// call is a probe that waits for its slot or runs. Concurrent requests share it.
// golang.org/x/sync/singleflight cannot be used: it does not tell whether a call has
// started, whether a caller got one in flight or its own, and it does not let a caller
// give up its own while others wait.
type call struct {
	started bool          // it has its slot; guarded by the target's mu
	done    chan struct{} // closed at its end
	result  *probe.Result // set before done is closed; nil if err is set
	err     error
}

// wait waits for the end of the probe and returns its error.
func (c *call) wait(ctx context.Context) error {
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// job describes a probe to run: when it was due, and its options.
type job struct {
	due       time.Time       // its scheduled time, zero for a probe outside the schedule
	abandoned <-chan struct{} // closed when the request ends, nil for a probe without one
	options   probe.Options
}

// errAbandoned is the error of a call whose request ended before the probe had a slot.
var errAbandoned = errors.New("the request ended before its probe was started")

// probe runs one probe and records it, unless ctx is done. If a call is in flight, it
// waits for that instead.
func (t *target) probe(ctx context.Context, j job) error {
	for {
		t.mu.Lock()
		current := t.call
		own := t.beginCallLocked()
		t.mu.Unlock()
		if own != nil {
			return t.do(ctx, own, j)
		}
		if err := current.wait(ctx); !errors.Is(err, errAbandoned) {
			return err
		}
	}
}

// beginCallLocked returns a new call, nil if one is in flight.
func (t *target) beginCallLocked() *call {
	if t.call != nil {
		return nil
	}
	t.call = &call{done: make(chan struct{})}
	return t.call
}

// do runs the probe of a call and records it.
func (t *target) do(ctx context.Context, c *call, j job) error {
	defer func() {
		t.mu.Lock()
		t.call = nil
		t.mu.Unlock()
		close(c.done)
	}()
	c.result, c.err = t.probeInSlot(ctx, c, j)
	return c.err
}

// probeInSlot runs a probe as soon as nothing else uses the prober and a slot is free.
func (t *target) probeInSlot(ctx context.Context, c *call, j job) (*probe.Result, error) {
	if err := t.acquire(ctx); err != nil {
		return nil, err
	}
	defer t.release()
	slow := t.isSlow()
	if err := t.slots.acquire(ctx, j.abandoned, slow); err != nil {
		return nil, err
	}
	defer t.slots.release(slow)
	t.mu.Lock()
	c.started = true
	t.mu.Unlock()
	t.metrics.inFlight.Inc()
	defer t.metrics.inFlight.Dec()
	if !j.due.IsZero() {
		t.metrics.delay.Observe(time.Since(j.due).Seconds())
	}
	if err := t.install(ctx); err != nil {
		t.named().Warn(sessionMayBeLeft, "err", err)
	}
	if t.takeBackoffEnded() {
		t.prober.EndBackoff()
	}
	result, err := t.runProber(ctx, j.options)
	if err != nil {
		return nil, err // ctx is canceled, and there is no result
	}
	t.record(result)
	return result, nil
}

// isWaiting reports whether a call waits for its slot.
func (t *target) isWaiting() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.call != nil && !t.call.started
}

// isProbing reports whether a call has its slot and has not ended.
func (t *target) isProbing() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.call != nil && t.call.started
}

// runProber runs one probe. A panic becomes that probe's InvalidResponse: all other probes
// continue, and the session is still logged out at the end.
func (t *target) runProber(ctx context.Context, options probe.Options) (result *probe.Result, err error) {
	start := time.Now()
	defer func() {
		if cause := recover(); cause != nil {
			t.reportPanic(cause)
			result, err = t.panicked(start), nil
		}
	}()
	return t.prober.Probe(ctx, options)
}

// closeProber logs out. A panic becomes its error.
func (t *target) closeProber(ctx context.Context, prober Prober) (result *probe.Result, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			t.reportPanic(cause)
			result, err = &probe.Result{}, fmt.Errorf("the logout panicked (%T); its session may be left on the appliance", cause)
		}
	}()
	return prober.Close(ctx)
}

// reportPanic counts and logs a panic. It logs a value only if that is a runtime.Error:
// others may quote a response, and with it a secret. The stack shows strings as addresses.
func (t *target) reportPanic(cause any) {
	t.metrics.panics.Inc()
	stack := debug.Stack()
	if sending, ok := cause.(*transport.Panic); ok {
		cause, stack = sending.Value, sending.Stack
	}
	logger := t.named().With("type", fmt.Sprintf("%T", cause), "stack", string(stack))
	if err, ok := cause.(runtime.Error); ok {
		logger = logger.With("err", err)
	}
	logger.Error("probe panicked")
}

// panicked returns the result of a probe that panicked. Whether it sent a request, and
// what became of its session, is unknown: the next probe finds out.
func (t *target) panicked(start time.Time) *probe.Result {
	last := t.lastResult()
	return &probe.Result{
		State:       sessionapi.InvalidResponse,
		Start:       start,
		Duration:    time.Since(start),
		Established: last.Established,
		Attempted:   true,
		Diagnosis:   "The exporter failed while it probed this endpoint (a panic). Other endpoints are not affected.",
		Advice:      "Report this as a bug of the exporter, with the stack trace in its log.",

		NegativeControl: last.NegativeControl,
	}
}
