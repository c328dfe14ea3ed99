// Package control schedules the negative controls of an endpoint, and remembers when an
// impossible token was last presented to its API and whether the API refused it. It sends
// nothing, and knows no API.
package control

import (
	"context"
	"sync"
	"time"

	"session_exporter/sessionapi"
)

// maxInFlight limits the negative controls of all endpoints, so that their connections do not
// take file descriptors from the probes. Ten thousand endpoints take a few minutes.
const maxInFlight = 4

// Slots are shared by the controls of all endpoints. They are safe for concurrent use.
type Slots chan struct{}

// NewSlots returns free slots.
func NewSlots() Slots { return make(Slots, maxInFlight) }

// Control schedules the negative controls of an endpoint and keeps the last verdict. It
// outlives a prober, so that a reload repeats none. It is safe for concurrent use.
type Control struct {
	slots Slots

	mu        sync.Mutex // guards the fields below
	presented time.Time  // when an impossible token was last presented, whatever the result
	verdict   Verdict
	cancel    context.CancelFunc
	done      chan struct{} // closed when the last control ends; nil before the first
}

// Verdict is the last conclusive verdict of an API on an impossible token.
type Verdict struct {
	Time    time.Time `json:"time"`    // of the response, in UTC; zero before the first verdict
	Refused bool      `json:"refused"` // the token was refused, as it must be
}

// New returns the Control of an endpoint that has made no negative control yet.
func New(slots Slots) *Control { return &Control{slots: slots} }

// Begin begins a control if the last one began at least a period ago and a slot is free. It
// returns the control's context, nil if none began. End must be called with the verdict.
func (c *Control) Begin(ctx context.Context, period, timeout time.Duration) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.cancel != nil || !c.presented.IsZero() && now.Sub(c.presented) < period {
		return nil
	}
	select {
	case c.slots <- struct{}{}:
	default:
		return nil // the control remains due
	}
	ctx, c.cancel = context.WithTimeout(context.WithoutCancel(ctx), timeout)
	c.presented, c.done = now, make(chan struct{})
	return ctx
}

// End ends a control. An inconclusive verdict leaves the last one in force.
func (c *Control) End(verdict sessionapi.Verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if verdict != sessionapi.Inconclusive {
		c.verdict = Verdict{Time: time.Now().UTC(), Refused: verdict == sessionapi.Refused}
	}
	c.cancel()
	c.cancel = nil
	close(c.done)
	<-c.slots
}

// Verdict returns the last conclusive verdict.
func (c *Control) Verdict() Verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.verdict
}

// Stop interrupts a control that is in flight, and waits for its end within ctx.
func (c *Control) Stop(ctx context.Context) {
	c.mu.Lock()
	done := c.done
	if c.cancel != nil {
		c.cancel()
	}
	c.mu.Unlock()
	if done == nil {
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}
