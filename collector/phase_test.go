package collector

import (
	"fmt"
	"testing"
	"time"
	"unsafe"

	"session_exporter/sessionapi"
)

func TestNextDue(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	for _, interval := range []time.Duration{100 * time.Millisecond, time.Second, 7 * time.Second, time.Minute, time.Hour, 24 * time.Hour} {
		t.Run(interval.String(), func(t *testing.T) {
			due := nextDue("hcx-site-a", interval, now)
			for _, tc := range []struct {
				name string
				now  time.Time
				want time.Time
			}{
				{"again", now, due},
				{"just before it", due.Add(-1), due},
				{"at it", due, due.Add(interval)},
				{"just after it", due.Add(1), due.Add(interval)},
				{"after a restart 1000 intervals later", due.Add(1000 * interval), due.Add(1001 * interval)},
				{"in another time zone", now.In(time.FixedZone("", 3600)), due},
			} {
				if got := nextDue("hcx-site-a", interval, tc.now); !got.Equal(tc.want) {
					t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
				}
			}
			if wait := due.Sub(now); wait <= 0 || wait > interval {
				t.Errorf("due in %s", wait)
			}
			if due.UnixNano()%int64(wakeWindow) != 0 {
				t.Errorf("due at %s, within a wake window", due)
			}
		})
	}
}

// 1,000 endpoints over a minute are 17 a second. If they are placed at random, the fullest
// second has about 30.
func TestPhasesSpread(t *testing.T) {
	for _, names := range []string{"endpoint-%d", "hcx-site-%03d.example.com", "%d"} {
		t.Run(names, func(t *testing.T) {
			now := time.Unix(1_700_000_000, 0)
			var seconds [60]int
			for i := range 1000 {
				seconds[nextDue(fmt.Sprintf(names, i), time.Minute, now).Unix()%60]++
			}
			for second, endpoints := range seconds {
				if endpoints < 3 || endpoints > 35 {
					t.Errorf("%d endpoints in second %d", endpoints, second)
				}
			}
		})
	}
}

// adjusted returns the same moment on a wall clock that is wrong. It keeps the monotonic
// reading: see the comment of time.Time.wall, which counts seconds from bit 30 on.
func adjusted(t *testing.T, now time.Time, by time.Duration) time.Time {
	t.Helper()
	wrong := now
	*(*uint64)(unsafe.Pointer(&wrong)) += uint64(by/time.Second) << 30
	if wrong.Sub(now) != 0 || wrong.Unix()-now.Unix() != int64(by/time.Second) {
		t.Fatal("the layout of time.Time has changed")
	}
	return wrong
}

// The wall clock is set. This cannot be tested in a bubble, whose clock has no monotonic
// reading.
func TestAdjustedClock(t *testing.T) {
	for _, tc := range []struct {
		name string
		by   time.Duration // how far it was ahead before
	}{
		{"right", 0},
		{"set forward", -time.Hour},
		{"set forward a little", -3 * time.Second},
		{"set back", time.Hour},
		{"set back a little", 3 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := watch(t, newSettings(newEndpoint("a")), idle)
			s := c.schedule
			due := nextDue("a", 1000*time.Hour, time.Now()) // not during this test
			s.queue[0].due = adjusted(t, due, tc.by)
			if wake := s.startDue(t.Context()); wake.Sub(due) != 0 {
				t.Errorf("wakes %s after the probe is due", wake.Sub(due))
			}

			waiting := s.queue[0]
			waiting.due = adjusted(t, time.Now(), tc.by)
			s.queue = s.queue[:0]
			if err := waiting.target.probe(t.Context(), job{}); err != nil {
				t.Fatal(err)
			}
			s.finish(waiting)
			if skipped := valueOf(t, c.metrics.skipped); skipped != 0 {
				t.Errorf("%v skipped", skipped)
			}
			if wait := time.Until(s.queue[0].due); wait <= 0 || wait > time.Minute {
				t.Errorf("due again in %s", wait)
			}
			if state := waiting.target.state.Result.State; state != sessionapi.Valid {
				t.Errorf("found %s", state)
			}
		})
	}
}
