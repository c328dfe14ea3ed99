package guard

import (
	"maps"
	"slices"
	"time"

	"session_exporter/config"
	"session_exporter/sessionapi"
)

// secretRecord is the state of one secret of an account. Guarded by Registry.mu.
type secretRecord struct {
	account *account
	usedAt  time.Time

	trusted     bool      // the last conclusive verdict was Accepted
	acceptedAt  time.Time // last time, zero for never
	refusals    int       // since acceptedAt
	suspensions int       // since acceptedAt
	until       time.Time // end of the last suspension

	// inFlight lists the logins without a verdict that no acceptance has cleared, see
	// clearLocked.
	inFlight []*Permit
	granted  int       // total number of permits
	refused  int       // highest number of a refused permit
	sentAt   time.Time // when the last permit was granted

	// resume grants one login although the secret is held back. Until it has a verdict,
	// other logins wait.
	resume    resume
	resumedAt time.Time

	endpoints map[string]*endpointRecord // those whose last verdict was not Accepted
	queue     queue
	timer     *time.Timer // serves the queue when a login becomes slow; nil if not needed
}

// resume is the state of a login granted by Resume.
type resume int

const (
	notResumed resume = iota
	resumeGranted
	resumeInFlight
)

// endpointRecord is the state of an endpoint whose last verdict was not Accepted.
type endpointRecord struct {
	refusals     int // consecutive
	refusedAt    time.Time
	until        time.Time
	secondTried  bool // after the first refusal, see secondTry
	inconclusive bool // the last login had no verdict, or the preflight request no response
}

// heldLocked returns why the secret is held back from an endpoint, nil if it is not. The
// endpoint itself may be held back for longer than the others.
func (s *secretRecord) heldLocked(settings config.LockoutGuard, endpoint string, now time.Time) *Suspension {
	everywhere := s.heldEverywhereLocked(settings, now)
	until := everywhere
	if record := s.endpoints[endpoint]; record != nil && record.until.After(until) {
		until = record.until
	}
	switch {
	case !now.Before(until):
		return nil
	case everywhere.IsZero():
		return &Suspension{Until: until}
	case everywhere.Equal(s.until):
		return &Suspension{Refusals: s.refusals, Until: until}
	default:
		return &Suspension{Refusals: len(s.account.refusals), Account: true, Until: until}
	}
}

// heldEverywhereLocked returns the time until which the secret is held back from all
// endpoints, zero if it is not.
func (s *secretRecord) heldEverywhereLocked(settings config.LockoutGuard, now time.Time) time.Time {
	if now.Before(s.until) {
		return s.until
	}
	if s.trusted {
		return time.Time{} // refusals of other secrets do not affect a trusted one
	}
	return s.account.spentUntilLocked(settings, now)
}

// heldAnywhereLocked reports whether the secret is held back from any watched endpoint,
// or from any at all if watched is nil.
func (s *secretRecord) heldAnywhereLocked(settings config.LockoutGuard, now time.Time, watched func(string) bool) bool {
	if !s.heldEverywhereLocked(settings, now).IsZero() {
		return true
	}
	for endpoint, record := range s.endpoints {
		if now.Before(record.until) && (watched == nil || watched(endpoint)) {
			return true
		}
	}
	return false
}

// hasRoomLocked reports whether another login may be in flight. A trusted secret may have
// up to max_refusals logins without a verdict, any other secret a single one, if the account's
// budget has room for it. If all of them are slow and the secret has not been refused, another
// may be sent every slowLogin.
func (s *secretRecord) hasRoomLocked(settings config.LockoutGuard, now time.Time) bool {
	limit := 1
	if s.trusted {
		limit = settings.MaxRefusals
	} else if !s.account.hasRoomLocked(settings) {
		return false
	}
	slow := s.refusals == 0 && now.Sub(s.sentAt) >= slowLogin
	return len(s.inFlight) < limit || slow
}

func (s *secretRecord) grantLocked(w *waiter, now time.Time, resumed bool) {
	if resumed {
		s.resume = resumeInFlight
	}
	s.granted++
	s.sentAt = now
	w.permit = &Permit{guard: w.guard, secret: s, endpoint: w.endpoint, number: s.granted, resumed: resumed}
	s.inFlight = append(s.inFlight, w.permit)
}

// judgeLocked applies the verdict on a login at an endpoint.
func (s *secretRecord) judgeLocked(p *Permit, v sessionapi.Verdict, now time.Time) {
	switch v {
	case sessionapi.Accepted:
		delete(s.endpoints, p.endpoint)
		s.clearLocked(p, now)
		if p.number < s.refused {
			return // a login granted later was refused: the secret may have changed meanwhile
		}
		s.trusted, s.acceptedAt = true, now
		s.refusals, s.suspensions, s.until = 0, 0, time.Time{}
		// The secret is right, so its earlier refusals were due to the endpoints. If Resume
		// granted this login, the cause of the refusals before that has been fixed.
		s.account.refusals = slices.DeleteFunc(s.account.refusals, func(r refusal) bool { return r.secret == s })
		if p.resumed {
			maps.DeleteFunc(s.endpoints, func(_ string, record *endpointRecord) bool { return record.refusedAt.Before(s.resumedAt) })
		}
		if s.resume == resumeGranted && !s.heldAnywhereLocked(p.guard.settings, now, nil) {
			s.resume = notResumed // nothing to resume
		}
	case sessionapi.Refused:
		s.trusted = false
		s.refused = max(s.refused, p.number)
		s.refusals++
		s.account.refusals = append(s.account.refusals, refusal{s, now})
		s.holdBackLocked(p, now)
		if s.refusals >= p.guard.settings.MaxRefusals && !now.Before(s.until) {
			s.suspensions++
			s.until = now.Add(wait(p.guard.settings, s.suspensions))
		}
	case sessionapi.Inconclusive:
		s.endpointLocked(p.endpoint, now).inconclusive = true
	}
}

// clearLocked stops counting the logins in flight that were granted before an accepted
// one: if they hang, they must not block others. Those granted after it may still be
// refused, so they count, unless the queue has waited for too long: a fleet of
// thousands starts within minutes only if each acceptance makes room for several logins.
func (s *secretRecord) clearLocked(accepted *Permit, now time.Time) {
	if s.queue.waited(now) > maxOrdered {
		s.inFlight = nil
		return
	}
	s.inFlight = slices.DeleteFunc(s.inFlight, func(p *Permit) bool { return p.number < accepted.number })
}

// holdBackLocked holds the secret back from an endpoint that refused it.
func (s *secretRecord) holdBackLocked(p *Permit, now time.Time) {
	record := s.endpointLocked(p.endpoint, now)
	record.refusals++
	record.inconclusive, record.refusedAt = false, now
	switch recent := !s.acceptedAt.IsZero() && now.Sub(s.acceptedAt) < trustFor; {
	case record.refusals == 1 && recent:
		record.secondTried = true
		record.until = now.Add(min(secondTry, p.guard.settings.RetryAfter))
	case record.secondTried:
		record.until = now.Add(wait(p.guard.settings, record.refusals-1))
	default:
		record.until = now.Add(wait(p.guard.settings, record.refusals))
	}
}

// Once there are pruneThreshold endpoint records, those that hold nothing back are dropped:
// the guard does not learn that endpoints are removed.
const pruneThreshold = 10_000

func (s *secretRecord) endpointLocked(name string, now time.Time) *endpointRecord {
	record := s.endpoints[name]
	if record != nil {
		return record
	}
	if s.endpoints == nil {
		s.endpoints = make(map[string]*endpointRecord)
	}
	if len(s.endpoints) >= pruneThreshold {
		maps.DeleteFunc(s.endpoints, func(_ string, record *endpointRecord) bool { return !now.Before(record.until) })
	}
	record = new(endpointRecord)
	s.endpoints[name] = record
	return record
}

// wait returns the duration of the nth suspension: retry_after, doubled each time up to
// max_retry_after.
func wait(settings config.LockoutGuard, n int) time.Duration {
	wait := settings.RetryAfter
	for range n - 1 {
		if wait >= settings.MaxRetryAfter {
			break
		}
		wait *= 2
	}
	return min(wait, settings.MaxRetryAfter)
}
