package collector

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
)

// Half of a large fleet falls into a black hole: each of its probes takes its
// whole timeout. The others' begin within a second of their time, and memory
// stays within one and a half times.
func TestHalfOfTheFleetHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		outage := start.Add(5 * time.Minute)
		endpoints := newEndpoints(4000)
		var others []*config.Endpoint
		hangs := make(map[*config.Endpoint]bool)
		for i, e := range endpoints {
			if hangs[e] = i%2 == 0; !hangs[e] {
				others = append(others, e)
			}
		}
		j := newJournal(func(e *config.Endpoint) time.Duration {
			if hangs[e] && time.Now().After(outage) {
				return e.Timeout
			}
			return 30 * time.Millisecond
		})
		c := watch(t, newSettings(endpoints...), j.prober)
		var before, during uint64
		time.AfterFunc(outage.Sub(start), func() { before = memoryInUse() })
		for i := range 6 { // in the last of ten minutes
			time.AfterFunc(outage.Sub(start)+9*time.Minute+time.Duration(10*i)*time.Second, func() { during = max(during, memoryInUse()) })
		}
		runFor(t, c, outage.Sub(start)+10*time.Minute+wakeWindow/2)
		j.checkPunctual(t, start, others)
		if skipped := valueOf(t, c.metrics.skipped); skipped != 0 {
			t.Errorf("%v skipped", skipped)
		}
		if j.most < 300 {
			t.Errorf("%d probes at once: nothing hung", j.most)
		}
		// Histories fill meanwhile, which they do anyway.
		histories := uint64(10 * len(endpoints) * 2 * 80)
		if during-min(during, histories) > before+before/2 {
			t.Errorf("%d MiB in use, before %d", during>>20, before>>20)
		}
		t.Logf("%d MiB in use, before %d; %d probes at once", during>>20, before>>20, j.most)
	})
}

func memoryInUse() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc + stats.StackInuse
}

// Where there is room for a few only, no more run.
func TestBound(t *testing.T) {
	for name, c := range map[string]struct{ room, want int }{"five": {5, 5}, "none, but one runs all the same": {0, 1}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := newJournal(takes(10 * time.Second))
				watched := watch(t, newSettings(newEndpoints(100)...), j.prober)
				watched.Bound(func(probes int) bool { return probes <= c.room })
				runFor(t, watched, 10*time.Minute)
				if j.most != c.want {
					t.Errorf("%d probes at once, want %d", j.most, c.want)
				}
				total := 0
				for _, starts := range j.starts {
					total += len(starts)
				}
				if want := 60 * c.want; total < want-2*c.want || total > want { // 10 s each
					t.Errorf("%d probes, want %d: places lay idle", total, want)
				}
			})
		})
	}
}

// Room may come and go. Who waits for it begins when a probe has ended.
func TestRoomComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		j := newJournal(takes(10 * time.Second))
		c := watch(t, newSettings(newEndpoints(100)...), j.prober)
		c.Bound(func(probes int) bool { return probes <= 2 || time.Since(start) >= 5*time.Minute })
		during := 0
		time.AfterFunc(5*time.Minute-time.Second, func() {
			j.mu.Lock()
			defer j.mu.Unlock()
			during = j.most
		})
		runFor(t, c, 10*time.Minute)
		if during != 2 {
			t.Errorf("%d probes at once, want 2", during)
		}
		if j.most < 10 || j.most > c.Places() {
			t.Errorf("then %d probes at once, of %d", j.most, c.Places())
		}
	})
}

// There are places enough for all, and not more than there are endpoints.
func TestPlaces(t *testing.T) {
	for n, want := range map[int]int{0: 0, 10: 10, 6000: 1000 + 126 + spareSlots} {
		c := watch(t, newSettings(newEndpoints(n)...), idle)
		if got := c.Places(); got != want {
			t.Errorf("%d endpoints: %d places, want %d", n, got, want)
		}
	}
}
