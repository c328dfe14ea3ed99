package collector

import (
	"container/heap"
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"session_exporter/config"
)

// wakeWindow is the resolution of the times at which probes are due: those whose phases fall
// into the same window are due together, at its end. With a wake-up for each, a probe takes
// four times as much CPU on a virtual machine.
const wakeWindow = 100 * time.Millisecond

// maxIdle limits the goroutines that wait for a probe. Their stacks have grown to the
// size that a probe needs; growing a new one takes a tenth of the probe's CPU.
const maxIdle = 256

// startBatch is how many probes are started before other goroutines run. If many are due
// and each has to connect and log in, at startup or after a network failure, they use all
// processors for a while. If all were started together, a scrape would be preempted every
// 10 ms and then wait for all of them, and half of the probes would time out.
const startBatch = 16

// queuedRetry is the time until the next probe of an endpoint whose login was queued: see
// probe.Result.Queued. It is short because the login has lost its place in the guard's queue.
// After quickRetries of them in a row, about 5 minutes with the default timeout, it is
// slowRetry, because each makes a connection.
const (
	queuedRetry  = time.Second
	slowRetry    = 32 * time.Second
	quickRetries = 50
)

// never is the time to sleep while the queue is empty. The end of a probe or a reload wakes
// the schedule.
const never = 100 * 365 * 24 * time.Hour

// schedule starts each endpoint's probes when they are due: at fixed absolute times, with a
// phase from the endpoint's name, so that probes are not bunched after a restart, and
// replicas probe at the same times. An endpoint is not in the queue while its probe runs,
// so that its probes cannot overlap.
type schedule struct {
	metrics *exporterMetrics

	mu      sync.Mutex // guards the fields below
	queue   queue
	current map[*target]*config.Endpoint // all targets, with their settings
	idle    int                          // goroutines that receive from next, or are about to
	next    chan entry                   // passes a probe to one of them
	wakeAt  time.Time                    // when run's timer fires
	wake    chan struct{}                // wakes run earlier; buffers one
}

func newSchedule(metrics *exporterMetrics) *schedule {
	return &schedule{metrics: metrics, next: make(chan entry), wake: make(chan struct{}, 1)}
}

// set sets the endpoints that are probed. An endpoint that is kept with the same interval
// keeps its time.
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
	for _, w := range all {
		s.current[w.target] = w.endpoint
		e, waits := waiting[w.target]
		old, known := before[w.target]
		switch {
		case known && !waits:
			continue // its probe runs, and puts it back
		case !known || old.Interval != w.endpoint.Interval:
			e = entry{target: w.target, due: nextDue(w.endpoint.Name, w.endpoint.Interval, now)}
		}
		s.queue = append(s.queue, e)
	}
	heap.Init(&s.queue)
	s.signalLocked()
}

// probeSoon makes endpoints due now, except those whose probes are running: these read
// the secret again before they send it.
func (s *schedule) probeSoon(targets map[*target]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for i := range s.queue {
		if targets[s.queue[i].target] {
			s.queue[i].target.setRequested(time.Time{})
			s.queue[i].due = now
		}
	}
	heap.Init(&s.queue)
	s.signalLocked()
}

// dueTimes returns when each of these targets is probed next. It omits those whose probes
// are running.
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

// run starts probes until ctx is canceled, which also cancels the running ones. It does
// not wait for them.
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
			runtime.Gosched() // see startBatch
		}
		timer.Reset(wait)
	}
}

// startDue starts up to startBatch of the probes that are due. It returns when to call it
// again. A probe without a slot is a goroutine that waits for one (see slots).
func (s *schedule) startDue(ctx context.Context) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for started := 0; len(s.queue) > 0 && !s.queue[0].due.After(now); started++ {
		if started == startBatch {
			s.wakeAt = now
			return now
		}
		next := heap.Pop(&s.queue).(entry) //nolint:forcetypeassert // queue holds nothing else
		if resume := next.target.skipUntil(s.current[next.target].Interval); resume.After(now) {
			heap.Push(&s.queue, entry{target: next.target, due: resume})
			continue
		}
		select {
		case s.next <- next:
			s.idle--
		default:
			go s.work(ctx, next)
		}
	}
	s.wakeAt = now.Add(never)
	if len(s.queue) > 0 {
		s.wakeAt = s.queue[0].due
	}
	return s.wakeAt
}

// work runs one probe after the other, until ctx is canceled or maxIdle other goroutines
// wait for the next.
func (s *schedule) work(ctx context.Context, e entry) {
	for idle := true; idle; {
		_ = e.target.probe(ctx, job{due: e.due}) // it fails only when we are stopping, or after a reload removed the endpoint
		if idle = s.finish(e); idle {
			select {
			case e = <-s.next:
			case <-ctx.Done():
				return
			}
		}
	}
}

// finish puts an endpoint back into the queue after its probe, at its next time, unless a
// reload removed it. Times that have passed are skipped. finish reports whether the
// caller's goroutine is to wait for another probe.
func (s *schedule) finish(e entry) (idle bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if idle = s.idle < maxIdle; idle {
		s.idle++
	}
	endpoint, kept := s.current[e.target]
	if !kept {
		return idle
	}
	now := time.Now()
	next := nextDue(endpoint.Name, endpoint.Interval, now)
	if wait := e.target.queuedWait(); wait > 0 && now.Add(wait).Before(next) {
		next = now.Add(wait)
	}
	// Rounded, because the wall clock may have been adjusted.
	passed := (next.Sub(e.due) + endpoint.Interval/2) / endpoint.Interval
	s.metrics.skipped.Add(float64(max(passed-1, 0)))
	heap.Push(&s.queue, entry{e.target, next})
	if next.Before(s.wakeAt) {
		s.signalLocked()
	}
	return idle
}

// signalLocked wakes run.
func (s *schedule) signalLocked() {
	select {
	case s.wake <- struct{}{}:
	default: // it is awake, or about to wake
	}
}

// nextDue returns the first time after now at which an endpoint is due: the end of the wake
// window that its phase falls into.
func nextDue(name string, interval time.Duration, now time.Time) time.Time {
	phase := time.Duration(xxhash.Sum64String(name) % uint64(interval))
	since := time.Duration(now.UnixNano())
	window := since.Truncate(wakeWindow)
	exact := window + interval - (window-phase)%interval
	due := (exact + wakeWindow - 1).Truncate(wakeWindow)
	// Add keeps now's monotonic reading. If the wall clock is set, the schedule must neither
	// oversleep nor spin.
	return now.Add(due - since)
}

// entry is an endpoint and the time of its next probe.
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
