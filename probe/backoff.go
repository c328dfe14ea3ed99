package probe

import (
	"context"
	"time"

	"session_exporter/probe/control"
	"session_exporter/sessionapi"
)

// endpointBackoff is the time in which nothing is sent to an endpoint: the appliance sent
// a Retry-After, a login failed in a way that trying again soon would make worse, or the
// response to an untrusted secret is pending. Until it ends, probes report the outcome that
// began it.
type endpointBackoff struct {
	outcome              *outcome  // nil before the first one
	until                time.Time // end of the back-off
	retryUntil           time.Time // end of the Retry-After
	failedWithoutVerdict int       // consecutive logins

	logins  pendingLogins
	control *control.Control // outlives a prober too; nil without negative controls
}

// loginBackoff is the number of intervals between logins that fail for a reason other
// than a refused password, by the number of failures.
var loginBackoff = [...]int{1, 2, 4, 8, 15}

const (
	// maxErrorBackoff limits the back-off after a login whose response was an error.
	maxErrorBackoff = 2 * time.Minute
	// maxLeftoverBackoff limits it after a login that may have left a session on
	// the appliance.
	maxLeftoverBackoff = 10 * time.Minute
)

// awaitOrHold waits within ctx for the responses to untrusted secrets, and adds the counts of
// the logins that are done to the result. It returns the outcome in force and its end, zero
// if unknown, or nil if requests may be sent.
func (b *endpointBackoff) awaitOrHold(ctx context.Context, r *Result, ignoreBackoff bool) (*outcome, time.Time) {
	b.logins.awaitUntrusted(ctx)
	b.addDone(r)
	if l := b.logins.untrusted(); l != nil {
		return l.outcome, time.Time{}
	}
	if until := b.end(ignoreBackoff); !until.IsZero() {
		return b.outcome, until
	}
	return nil, time.Time{}
}

// addDone adds the counts of the logins that are done to the result.
func (b *endpointBackoff) addDone(r *Result) {
	for _, l := range b.logins.takeDone() {
		r.Unanswered += l.result.Unanswered
		r.Logouts += l.result.Logouts
		r.LogoutFailures += l.result.LogoutFailures
		if l.limited != nil {
			b.outcome, b.retryUntil = l.limited, l.retryUntil
		}
		if l.refusal != nil && b.outcome != nil && b.outcome.exchange == l.outcome.exchange {
			b.until = time.Time{} // the refusal is reported instead: see sender.suspended
		}
	}
}

// observe begins a back-off if an outcome calls for one, and returns its end if it
// comes from a Retry-After. An accepted session ends the back-off.
func (b *endpointBackoff) observe(o *outcome, interval time.Duration) (resumeAt time.Time) {
	now := time.Now()
	switch {
	case o.failedWithoutVerdict():
		intervals := loginBackoff[min(b.failedWithoutVerdict, len(loginBackoff)-1)]
		b.failedWithoutVerdict++
		// Half an interval less, so that the probe due at that time is not
		// skipped by a small margin.
		wait := min(time.Duration(intervals)*interval, maxBackoff(o)) - interval/2
		b.outcome, b.until = o, now.Add(wait)
	case o.state.Verdict() == sessionapi.Accepted:
		b.reset()
	}
	if o.retryAfter > 0 {
		b.outcome, b.retryUntil = o, now.Add(o.retryAfter)
		return b.end(false)
	}
	return time.Time{}
}

// maxBackoff limits the back-off after a failed login. The longer limit applies if a session
// may be left, even one that was refused immediately, or if a proxy refused the proxy
// password, because proxies lock accounts too.
func maxBackoff(o *outcome) time.Duration {
	if o.mayLeaveSession() || o.refusedImmediately || o.exchange.RefusedByProxy() {
		return maxLeftoverBackoff
	}
	return maxErrorBackoff
}

// reset ends the back-off and forgets the failed logins. A Retry-After remains in force.
func (b *endpointBackoff) reset() {
	b.failedWithoutVerdict, b.until = 0, time.Time{}
}

// end returns when the back-off or the Retry-After ends, whichever is later, and
// zero if neither is in force.
func (b *endpointBackoff) end(ignoreBackoff bool) time.Time {
	until := b.retryUntil
	if !ignoreBackoff && b.until.After(until) {
		until = b.until
	}
	if !time.Now().Before(until) {
		return time.Time{}
	}
	return until
}

// report adds what holds back the next requests to a result.
func (b *endpointBackoff) report(r *Result) {
	now := time.Now()
	if now.Before(b.until) {
		r.BackoffUntil = b.until
	}
	if now.Before(b.retryUntil) {
		r.RetryAfterUntil = b.retryUntil
	}
	r.Pending = !r.Attempted && b.logins.untrusted() != nil
}
