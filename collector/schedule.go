package collector

import (
	"container/heap"
	"context"
	"math"
	"runtime"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"session_exporter/config"
)

// wakeWindow is how far apart the schedule wakes: probes whose phases fall in
// between are due together, at its end. Waking for each costs four times the
// CPU of a probe on a virtual machine.
const wakeWindow = 100 * time.Millisecond

// spareSlots are those beyond the slots that probes need when all of them time
// out.
const spareSlots = 16

// maxIdle is how many goroutines wait for the next probe. Each has a stack that
// has grown to what a probe needs, which takes a new one a tenth of the probe's CPU.
const maxIdle = 256

// startsAtOnce is how many probes are started before everything else that can run
// gets its turn. When many are due and each has to make a connection and log in, as
// when we start or when a network comes back, they take all processors for a
// while: if all were started, a scrape would wait behind every one of them for each
// 10 ms that it runs, and half of them would time out for want of a processor.
const startsAtOnce = 16

// never is when to wake where only the end of a probe can change anything:
// nothing waits, or what is due has no slot.
const never = 100 * 365 * 24 * time.Hour

// schedule starts each endpoint's probes at their times. Those are pinned to
// absolute time with a phase from the endpoint's name, so that neither a
// restart nor a replica bunches them. An endpoint is not in the queue while its
// probe runs, so its probes cannot overlap.
type schedule struct {
	metrics *ownMetrics

	mu       sync.Mutex // guards the fields below
	queue    queue
	current  map[*target]*config.Endpoint // what is to be probed, and how
	slots    int                          // how many probes may be in flight
	room     func(probes int) bool        // whether there is any for so many in flight
	inFlight int
	idle     int           // goroutines that wait for a probe in next, or are about to
	next     chan entry    // hands one of them a probe
	wakeAt   time.Time     // when run wakes next by itself
	wake     chan struct{} // wakes it earlier; has room for one
}

func newSchedule(metrics *ownMetrics) *schedule {
	return &schedule{metrics: metrics, slots: spareSlots, room: func(int) bool { return true }, next: make(chan entry), wake: make(chan struct{}, 1)}
}

// set makes these the endpoints that are probed. Those that were before keep
// their times, as far as their intervals are the same.
func (s *schedule) set(all []watched) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	waiting := make(map[*target]entry, len(s.queue))
	for _, e := range s.queue {
		waiting[e.target] = e
	}
	before := s.current
	s.current = make(map[*target]*config.Endpoint, len(all))
	s.queue = make(queue, 0, len(all))
	// Slots enough for every endpoint to take its whole timeout every time: one
	// that hangs must not take another's place. Phases are as good as random, so
	// beyond the mean there are four times its standard deviation (Poisson's).
	need := 0.0
	for _, w := range all {
		s.current[w.target] = w.endpoint
		need += float64(w.endpoint.Timeout) / float64(w.endpoint.Interval)
		e, waits := waiting[w.target]
		old, known := before[w.target]
		switch {
		case known && !waits:
			continue // its probe runs, and puts it back
		case !known || old.Interval != w.endpoint.Interval:
			e = entry{w.target, nextDue(w.endpoint.Name, w.endpoint.Interval, now)}
		}
		s.queue = append(s.queue, e)
	}
	s.slots = spareSlots + int(need+4*math.Sqrt(need))
	heap.Init(&s.queue)
	s.signal()
}

// bound lets room bound what is in flight, beside the slots.
func (s *schedule) bound(room func(probes int) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room = room
}

// places returns how many probes can be in flight.
func (s *schedule) places() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return min(s.slots, len(s.current))
}

// free reports whether one more probe may begin. Where there is no room, the end of
// one that runs is what wakes run again, so there must be one. The caller holds mu.
func (s *schedule) free() bool {
	return s.inFlight == 0 || s.inFlight < s.slots && s.room(s.inFlight+1)
}

// hasten makes endpoints due now, except those whose probes are running.
func (s *schedule) hasten(targets map[*target]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for i := range s.queue {
		if targets[s.queue[i].target] {
			s.queue[i].target.askedAt(time.Time{})
			s.queue[i].due = now
		}
	}
	heap.Init(&s.queue)
	s.signal()
}

// dueTimes returns when each of these is probed next. One whose probe runs has no
// time yet.
func (s *schedule) dueTimes(targets map[*target]bool) map[*target]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	due := make(map[*target]time.Time, len(targets))
	for _, e := range s.queue {
		if targets[e.target] {
			due[e.target] = e.due
		}
	}
	return due
}

// run starts probes until ctx is cancelled. Probes that run then are ctx's to
// end; run does not wait for them.
func (s *schedule) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.wake:
		}
		wait := time.Until(s.startDue(ctx))
		for ; wait <= 0 && ctx.Err() == nil; wait = time.Until(s.startDue(ctx)) {
			runtime.Gosched() // behind those that can run: see startsAtOnce
		}
		timer.Reset(wait)
	}
}

// startDue starts what is due and has a slot, but not too much of it. It returns when
// to look again.
func (s *schedule) startDue(ctx context.Context) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for started := 0; len(s.queue) > 0 && !s.queue[0].due.After(now) && s.free(); started++ {
		if started == startsAtOnce {
			s.wakeAt = now
			return now
		}
		next := heap.Pop(&s.queue).(entry) //nolint:forcetypeassert // queue holds nothing else
		if later := next.target.freshUntil(s.current[next.target].Interval); later.After(now) {
			heap.Push(&s.queue, entry{next.target, later})
			continue
		}
		s.inFlight++
		s.metrics.delay.Observe(now.Sub(next.due).Seconds())
		select {
		case s.next <- next:
			s.idle--
		default:
			go s.work(ctx, next)
		}
	}
	s.wakeAt = now.Add(never)
	if len(s.queue) > 0 && s.queue[0].due.After(now) {
		s.wakeAt = s.queue[0].due
	}
	return s.wakeAt
}

// work runs one probe after the other, until ctx is cancelled or others enough wait
// for the next.
func (s *schedule) work(ctx context.Context, e entry) {
	for waits := true; waits; {
		_ = e.target.probe(ctx) // it fails only when we are stopping, or when a reload removed the endpoint
		if waits = s.finish(e); waits {
			select {
			case e = <-s.next:
			case <-ctx.Done():
				return
			}
		}
	}
}

// finish puts an endpoint whose probe has ended back into the queue, at its next
// time, unless a reload removed it. Times that passed meanwhile are skipped. It
// reports whether who made the probe is to wait for another.
func (s *schedule) finish(e entry) (waits bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight--
	if waits = s.idle < maxIdle; waits {
		s.idle++
	}
	endpoint, stays := s.current[e.target]
	if !stays {
		s.signal() // for who waits for its slot
		return waits
	}
	next := nextDue(endpoint.Name, endpoint.Interval, time.Now())
	// Rounded, for the wall clock that its times are pinned to may be adjusted.
	passed := (next.Sub(e.due) + endpoint.Interval/2) / endpoint.Interval
	s.metrics.skipped.Add(float64(max(passed-1, 0)))
	heap.Push(&s.queue, entry{e.target, next})
	if next.Before(s.wakeAt) {
		s.signal()
	}
	return waits
}

// signal wakes run. The caller holds mu.
func (s *schedule) signal() {
	select {
	case s.wake <- struct{}{}:
	default: // it is awake, or about to be
	}
}

// nextDue returns the first time behind now at which an endpoint is due: the
// end of the wake window in which its phase comes round.
func nextDue(name string, interval time.Duration, now time.Time) time.Time {
	phase := time.Duration(xxhash.Sum64String(name) % uint64(interval))
	since := time.Duration(now.UnixNano())
	window := since.Truncate(wakeWindow)
	pinned := window + interval - (window-phase)%interval
	due := (pinned + wakeWindow - 1).Truncate(wakeWindow)
	// Add keeps now's monotonic reading: when somebody sets the wall clock, the
	// schedule must neither sleep through what is due nor spin until it is.
	return now.Add(due - since)
}

// entry is an endpoint that waits for its time.
type entry struct {
	target *target
	due    time.Time
}

// queue is a heap of entries, the earliest first.
type queue []entry

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(entry)) } //nolint:forcetypeassert // heap.Interface has no types
func (q *queue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = entry{}
	*q = (*q)[:last]
	return e
}
