package guard

import "time"

// waiter is a login that waits to be granted.
type waiter struct {
	guard    *Guard
	secret   *secretRecord
	endpoint string
	since    time.Time
	ready    chan struct{} // closed once permit or err is set
	permit   *Permit
	err      error
	gone     bool // Acquire has returned
}

// queue holds the logins that wait for those in flight, in order of arrival. Logins to
// endpoints whose last login had no verdict come last: if half of an account's
// appliances hang, the others must not wait for the same ones over and over.
type queue struct{ first, last []*waiter }

func (q *queue) empty() bool { return q.peek() == nil }

// peek returns the next waiter, nil if the queue is empty.
func (q *queue) peek() *waiter {
	for _, list := range []*[]*waiter{&q.first, &q.last} {
		for len(*list) > 0 && (*list)[0].gone {
			*list = (*list)[1:]
		}
		if len(*list) > 0 {
			return (*list)[0]
		}
	}
	return nil
}

// waited returns how long the next waiter has waited, 0 if the queue is empty.
func (q *queue) waited(now time.Time) time.Duration {
	if w := q.peek(); w != nil {
		return now.Sub(w.since)
	}
	return 0
}

// pop removes the waiter that peek returns.
func (q *queue) pop() {
	if len(q.first) > 0 {
		q.first = q.first[1:]
	} else {
		q.last = q.last[1:]
	}
}

// firstLocked reports whether no other login comes before this one: the queue is empty,
// or this one is held back and does not wait.
func (w *waiter) firstLocked() bool {
	s := w.secret
	return s.queue.empty() || s.resume == notResumed && s.heldLocked(w.guard.settings, w.endpoint, time.Now()) != nil
}

func (s *secretRecord) waitLocked(w *waiter) {
	if record := s.endpoints[w.endpoint]; record != nil && record.inconclusive {
		s.queue.last = append(s.queue.last, w)
	} else {
		s.queue.first = append(s.queue.first, w)
	}
	s.armLocked()
}

// tryLocked grants the login or sets why it is held back. It returns false if the
// login has to wait.
func (w *waiter) tryLocked(now time.Time) bool {
	s, settings := w.secret, w.guard.settings
	held := s.heldLocked(settings, w.endpoint, now)
	switch {
	case held != nil && s.resume == notResumed:
		w.err = held
	case held != nil && (s.resume == resumeInFlight || len(s.inFlight) > 0):
		return false
	case held != nil:
		s.grantLocked(w, now, true)
	case !s.hasRoomLocked(settings, now):
		return false
	default:
		s.grantLocked(w, now, false)
	}
	close(w.ready)
	return true
}

// serveLocked grants waiting logins in order, until one has to wait.
func (s *secretRecord) serveLocked() {
	now := time.Now()
	for w := s.queue.peek(); w != nil && w.tryLocked(now); w = s.queue.peek() {
		s.queue.pop()
	}
	s.armLocked()
}

// armLocked starts the timer that serves the queue when the logins in flight become
// slow.
func (s *secretRecord) armLocked() {
	if s.timer != nil || s.queue.empty() {
		return
	}
	if s.refusals > 0 {
		return // no login counts as slow: the next verdict serves the queue
	}
	delay := slowLogin - time.Since(s.sentAt)
	if delay <= 0 {
		delay = slowLogin // other secrets of the account have used the room
	}
	r := s.account.registry
	s.timer = time.AfterFunc(delay, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		s.timer = nil
		s.serveLocked()
	})
}
