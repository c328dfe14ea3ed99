package collector

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
)

// Half of a large fleet hangs: each of its probes takes the whole timeout. The probes of the
// other half start on time, and memory, histories aside, grows by at most half.
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
			t.Errorf("%d probes in flight: nothing hung", j.most)
		}
		// Histories fill up meanwhile, with or without hanging endpoints.
		histories := uint64(10 * len(endpoints) * 2 * 80)
		if during-min(during, histories) > before+before/2 {
			t.Errorf("%d MiB in use, before %d", during>>20, before>>20)
		}
		t.Logf("%d MiB in use, before %d; %d probes in flight", during>>20, before>>20, j.most)
	})
}

func memoryInUse() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc + stats.StackInuse
}
