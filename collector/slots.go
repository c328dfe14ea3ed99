package collector

import (
	"context"
	"time"
)

// slots limits how many probes and logouts are in flight, whatever starts them, so that
// their connections do not exhaust the files that the process may open. Only a logout goes
// ahead without a slot, after maxLogoutWait. A nil *slots has no limit.
//
// Probes that are expected to take long share half of the slots. However many appliances
// hang, and whatever targets /probe gets, the other half remains for those that
// respond.
type slots struct {
	all, slow chan struct{}
}

// slowProbe is how long a failed probe must take for the next one to count as slow.
const slowProbe = time.Second

// maxLogoutWait is how long a logout waits for a slot before it goes ahead without one. A
// session left on its appliance is worse than a connection that may exceed the open-file
// limit.
const maxLogoutWait = time.Second

func newSlots(n int) *slots {
	return &slots{all: make(chan struct{}, n), slow: make(chan struct{}, max(n/2, 1))}
}

// acquire waits for a slot, until ctx is done or the channel abandoned is closed. A nil
// channel is never closed. Slots are granted in the order of the calls.
func (s *slots) acquire(ctx context.Context, abandoned <-chan struct{}, slow bool) error {
	if s == nil {
		return ctx.Err()
	}
	if slow {
		if err := acquireFrom(ctx, s.slow, abandoned); err != nil {
			return err
		}
	}
	err := acquireFrom(ctx, s.all, abandoned)
	if err != nil && slow {
		<-s.slow
	}
	return err
}

func acquireFrom(ctx context.Context, sem chan<- struct{}, abandoned <-chan struct{}) error {
	select {
	case sem <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-abandoned:
		return errAbandoned
	}
}

// release returns a slot.
func (s *slots) release(slow bool) {
	if s == nil {
		return
	}
	<-s.all
	if slow {
		<-s.slow
	}
}
