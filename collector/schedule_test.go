package collector

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
)

// takes makes all probes take d.
func takes(d time.Duration) func(*config.Endpoint) time.Duration {
	return func(*config.Endpoint) time.Duration { return d }
}

func TestInterval(t *testing.T) {
	for _, tc := range []struct {
		name     string
		interval time.Duration
		takes    time.Duration
		probes   int // in an hour; with the shortest interval, in ten minutes
	}{
		{"shortest", 100 * time.Millisecond, 90 * time.Millisecond, 6000},
		{"second", time.Second, 10 * time.Millisecond, 3600},
		{"second, slow", time.Second, 900 * time.Millisecond, 3600},
		{"half a minute", 30 * time.Second, time.Second, 120},
		{"minute", time.Minute, 0, 60},
		{"minute, times out", time.Minute, 10 * time.Second, 60},
		{"hour", time.Hour, time.Second, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				endpoints := newEndpoints(3)
				for _, e := range endpoints {
					e.Interval, e.Timeout = tc.interval, min(e.Timeout, tc.interval)
				}
				j := newJournal(takes(tc.takes))
				c := watch(t, newSettings(endpoints...), j.prober)
				runFor(t, c, time.Duration(tc.probes)*tc.interval+wakeWindow/2)
				j.checkPunctual(t, start, endpoints)
				for _, e := range endpoints {
					starts := j.starts[e.Name]
					if len(starts) != tc.probes {
						t.Errorf("%s: %d probes, want %d", e.Name, len(starts), tc.probes)
					}
					for i := range starts[1:] {
						if gap := starts[i+1].Sub(starts[i]); gap != tc.interval {
							t.Fatalf("%s: %s between two probes", e.Name, gap)
						}
					}
				}
				if skipped := valueOf(t, c.metrics.skipped); skipped != 0 {
					t.Errorf("%v skipped", skipped)
				}
				if counted := valueOf(t, c.metrics.delay); int(counted) != 3*tc.probes {
					t.Errorf("%v delays observed, want %d", counted, 3*tc.probes)
				}
			})
		})
	}
}

// A probe that takes longer than its interval skips the times that pass, and delays no
// other endpoint.
func TestSlowEndpointSkips(t *testing.T) {
	for _, tc := range []struct {
		name            string
		takes           time.Duration
		probes, skipped int // in an hour
	}{
		{"in time", 59 * time.Second, 60, 0},
		{"one and a half", 90 * time.Second, 30, 30},
		{"two and a half", 150 * time.Second, 20, 40},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				endpoints := newEndpoints(20)
				slow, others := endpoints[0], endpoints[1:]
				j := newJournal(func(e *config.Endpoint) time.Duration {
					if e == slow {
						return tc.takes
					}
					return time.Second
				})
				c := watch(t, newSettings(endpoints...), j.prober)
				runFor(t, c, time.Hour+wakeWindow/2)
				j.checkPunctual(t, start, others)
				if probes := len(j.starts[slow.Name]); probes != tc.probes {
					t.Errorf("%d probes, want %d", probes, tc.probes)
				}
				if skipped := valueOf(t, c.metrics.skipped); int(skipped) != tc.skipped {
					t.Errorf("%v skipped, want %d", skipped, tc.skipped)
				}
			})
		})
	}
}

// One appliance hangs, 500 others do not.
func TestHangingEndpointDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		endpoints := newEndpoints(501)
		j := newJournal(func(e *config.Endpoint) time.Duration {
			if e == endpoints[250] {
				return e.Timeout
			}
			return 30 * time.Millisecond
		})
		c := watch(t, newSettings(endpoints...), j.prober)
		runFor(t, c, time.Hour+wakeWindow/2)
		j.checkPunctual(t, start, endpoints)
		for _, e := range endpoints {
			if probes := len(j.starts[e.Name]); probes != 60 {
				t.Errorf("%s: %d probes", e.Name, probes)
			}
		}
	})
}

// Without a limit of slots, all probes are punctual, however many time out.
func TestPunctualWhenAllTimeOut(t *testing.T) {
	for _, tc := range []struct {
		name string
		n    int
	}{{"1", 1}, {"10", 10}, {"60", 60}, {"200", 200}, {"1000", 1000}, {"5000", 5000}} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				endpoints := newEndpoints(tc.n)
				j := newJournal(takes(10 * time.Second))
				c := watch(t, newSettings(endpoints...), j.prober)
				runFor(t, c, 3*time.Minute+wakeWindow/2)
				j.checkPunctual(t, start, endpoints)
				if skipped := valueOf(t, c.metrics.skipped); skipped != 0 {
					t.Errorf("%v skipped", skipped)
				}
			})
		})
	}
}

// With too few slots, no more probes run than there are slots, and all endpoints are probed.
func TestTooFewSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		endpoints := newEndpoints(100)
		j := newJournal(takes(10 * time.Second))
		c := limited(t, 4)
		reload(t, c, j.prober, endpoints...)
		runFor(t, c, time.Hour)
		if j.most != 4 {
			t.Errorf("%d probes in flight, want 4", j.most)
		}
		probes := make([]int, 0, len(endpoints))
		total := 0
		for _, e := range endpoints {
			probes = append(probes, len(j.starts[e.Name]))
			total += len(j.starts[e.Name])
		}
		// 4 slots × 360 probes of 10 s, except at the beginning.
		if total < 1430 || total > 1440 {
			t.Errorf("%d probes, so slots lay idle", total)
		}
		if least, most := slices.Min(probes), slices.Max(probes); most-least > 3 {
			t.Errorf("between %d and %d probes an endpoint", least, most)
		}
		if skipped := valueOf(t, c.metrics.skipped); skipped == 0 {
			t.Error("none skipped")
		}
		if inFlight := valueOf(t, c.metrics.inFlight); inFlight != 0 {
			t.Errorf("%v in flight at the end", inFlight)
		}
	})
}

// A probe that waits for a slot starts as soon as one is free, however long its interval.
func TestFreeSlotIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		endpoints := newEndpoints(2)
		for _, e := range endpoints {
			e.Interval = 1000 * time.Hour
		}
		j := newJournal(takes(10 * time.Second))
		c := limited(t, 1)
		reload(t, c, j.prober, endpoints...)
		due := time.Now().Add(time.Minute)
		c.schedule.queue[0].due, c.schedule.queue[1].due = due, due
		runFor(t, c, 10*time.Hour)
		starts := slices.Concat(j.starts["endpoint-0"], j.starts["endpoint-1"])
		slices.SortFunc(starts, time.Time.Compare)
		if len(starts) != 2 || !starts[0].Equal(due) || !starts[1].Equal(due.Add(10*time.Second)) {
			t.Errorf("started at %s", starts)
		}
	})
}

// A removed endpoint releases its slot after its last probe, and a waiting endpoint gets it.
func TestSlotOfARemovedEndpointIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone, next := newEndpoint("gone"), newEndpoint("next")
		next.Interval = 5 * time.Second
		j := newJournal(takes(10 * time.Second))
		c := limited(t, 1)
		reload(t, c, j.prober, gone)
		time.AfterFunc(time.Until(nextDue(gone.Name, gone.Interval, time.Now()))+time.Second, func() { reload(t, c, j.prober, next) })
		runFor(t, c, 10*time.Minute)
		if len(j.starts[gone.Name]) != 1 {
			t.Errorf("%d probes of what was removed, want 1", len(j.starts[gone.Name]))
		}
		if probes := len(j.starts[next.Name]); probes < 30 { // each takes almost three intervals
			t.Errorf("%d probes in ten minutes", probes)
		}
	})
}

// However many probes ran concurrently, at most maxIdle goroutines wait for the next, and
// they end when we stop.
func TestIdleGoroutinesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 3 * maxIdle
		endpoints := newEndpoints(n)
		for _, e := range endpoints {
			e.Interval = 1000 * time.Hour // none becomes due
		}
		c := watch(t, newSettings(endpoints...), newJournal(takes(time.Second)).prober)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			if err := c.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		all := make(map[*target]bool, n)
		for _, w := range c.applied.Load().watched {
			all[w.target] = true
		}
		for round := range 3 {
			c.schedule.probeSoon(all)
			time.Sleep(time.Second / 2)
			if probing := goroutines(); probing != n {
				t.Errorf("round %d: %d goroutines probe, want %d", round, probing, n)
			}
			time.Sleep(time.Second)
			if waiting := goroutines(); waiting != maxIdle {
				t.Errorf("round %d: %d goroutines wait, want %d", round, waiting, maxIdle)
			}
		}
		stop()
		running.Wait()
		synctest.Wait()
		if left := goroutines(); left != 0 {
			t.Errorf("%d goroutines are left", left)
		}
	})
}

// goroutines counts the goroutines that the schedule has started.
func goroutines() int {
	stacks := make([]byte, 16<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "created by session_exporter/collector.(*schedule).startDue")
}

func TestNothingToProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runFor(t, watch(t, newSettings(), idle), 10*time.Hour)
	})
}
