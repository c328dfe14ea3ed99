package collector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// limited returns a collector with a number of slots that watches nothing yet.
func limited(t *testing.T, slots int) *Collector {
	t.Helper()
	c := watch(t, newSettings(), idle)
	c.LimitInFlight(slots)
	return c
}

// blackHole returns a prober whose probes all time out.
func blackHole(e *config.Endpoint) Prober {
	return &fake{probe: func(ctx context.Context) (probe.Result, error) {
		select {
		case <-time.After(e.Timeout):
			result := found(sessionapi.Timeout)
			result.Duration = e.Timeout
			return result, nil
		case <-ctx.Done():
			return probe.Result{}, ctx.Err()
		}
	}}
}

// Hundreds of requests for targets in a black hole do not delay the listed endpoints, and
// have no more probes in flight than half of the slots.
func TestBlackHoleOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		listed := newEndpoint("listed")
		j := newJournal(takes(30 * time.Millisecond))
		var inFlight, most atomic.Int32
		c := limited(t, 20)
		settings := withOrigins(listed)
		err := c.Apply(settings, func(e *config.Endpoint) (Prober, error) {
			if e == listed {
				return j.prober(e), nil
			}
			hole := blackHole(e)
			return &fake{probe: func(ctx context.Context) (probe.Result, error) {
				most.Store(max(most.Load(), inFlight.Add(1)))
				defer inFlight.Add(-1)
				result, err := hole.Probe(ctx, probe.Options{})
				return *result, err
			}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var timeouts, busy atomic.Int32
		var requesting sync.WaitGroup
		for i := range 240 {
			requesting.Go(func() {
				response, err := c.ProbeTarget(t.Context(), "m", fmt.Sprintf("https://a%d.test", i), RequestOptions{MaxWait: 30 * time.Second})
				switch {
				case errors.Is(err, ErrBusy):
					busy.Add(1)
				case err != nil || response.Result.State != sessionapi.Timeout:
					t.Errorf("%+v, %v", response, err)
				default:
					timeouts.Add(1)
				}
			})
		}
		runFor(t, c, 5*time.Minute+wakeWindow/2)
		requesting.Wait()
		j.checkPunctual(t, start, []*config.Endpoint{listed})
		if n := len(j.starts["listed"]); n != 5 {
			t.Errorf("%d probes of the listed endpoint in five minutes, want 5", n)
		}
		if most.Load() != 10 || timeouts.Load() < 20 || timeouts.Load()+busy.Load() != 240 {
			t.Errorf("%d in flight, %d timeouts, %d busy", most.Load(), timeouts.Load(), busy.Load())
		}
	})
}

// If far more endpoints hang than there are slots, those that respond are punctual.
func TestManyHangWithFewSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		endpoints := newEndpoints(200)
		j := newJournal(takes(30 * time.Millisecond))
		hangs := make(map[*config.Endpoint]bool)
		for _, e := range endpoints[20:] {
			hangs[e] = true
		}
		c := limited(t, 8)
		reload(t, c, func(e *config.Endpoint) Prober {
			if hangs[e] {
				return blackHole(e)
			}
			return j.prober(e)
		}, endpoints...)
		runFor(t, c, 20*time.Minute+wakeWindow/2)
		for _, e := range endpoints[:20] {
			late := 0
			for _, began := range j.starts[e.Name] {
				// In the first minutes it is unknown which of them hang.
				if began.Sub(start) > 5*time.Minute && began.Sub(nextDue(e.Name, e.Interval, began.Add(-wakeWindow))) > time.Second {
					late++
				}
			}
			if n := len(j.starts[e.Name]); late > 0 || n < 15 {
				t.Errorf("%s was probed %d times in 20 minutes, %d of them late", e.Name, n, late)
			}
		}
	})
}

// A probe that waits for its slot ends with its request, unless another request waits for
// it.
func TestAbandonedBeforeItsSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(takes(10 * time.Second))
		c := limited(t, 1)
		reload(t, c, j.prober, newEndpoint("a"), newEndpoint("b"), newEndpoint("c"))
		var requesting sync.WaitGroup
		for _, tc := range []struct {
			endpoint string
			within   time.Duration
			want     error
		}{
			{"a", time.Minute, nil},
			{"b", time.Second, context.DeadlineExceeded},
			{"b", 30 * time.Second, nil},
			{"c", 2 * time.Second, context.DeadlineExceeded},
		} {
			requesting.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), tc.within)
				defer cancel()
				if _, err := c.Probe(ctx, tc.endpoint, RequestOptions{}); !errors.Is(err, tc.want) {
					t.Errorf("%s: error %v, want %v", tc.endpoint, err, tc.want)
				}
			})
			synctest.Wait()
		}
		requesting.Wait()
		time.Sleep(time.Minute)
		if a, b, c := len(j.starts["a"]), len(j.starts["b"]), len(j.starts["c"]); a != 1 || b != 1 || c != 0 {
			t.Errorf("%d, %d and %d probes, want 1, 1 and 0", a, b, c)
		}
	})
}

// A logout goes ahead without a slot if others hang.
func TestLogoutWithoutASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed atomic.Int32
		c := limited(t, 1)
		reload(t, c, func(*config.Endpoint) Prober {
			return &fake{close: func(ctx context.Context) error {
				closed.Add(1)
				<-ctx.Done()
				return nil
			}}
		}, newEndpoints(3)...)
		runFor(t, c, time.Second)
		if closed.Load() != 3 {
			t.Errorf("%d of 3 were logged out of", closed.Load())
		}
	})
}
