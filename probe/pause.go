package probe

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// pause is a time in which nothing is sent, because the appliance asked for
// it, because a login failed in a way that trying again at once would only make
// worse, or because the answer to a secret that is not trusted is still to come.
// The finding that began it stands meanwhile.
type pause struct {
	found    *finding
	until    time.Time
	failures int     // logins in a row that came to nothing
	fates    []*fate // of secrets sent, that were not known when last looked at
}

// loginBackoff is how many intervals to let pass between logins that fail for
// another reason than a refused password, by how many have failed.
var loginBackoff = [...]int{1, 2, 4, 8, 15}

// maxLoginBackoff and maxRetryAfter bound what is waited in any case.
const (
	maxLoginBackoff = 10 * time.Minute
	maxRetryAfter   = time.Hour
)

// finding returns the one that stands while the pause lasts, else nil. It takes
// the fates that are known into the result. It waits for those of secrets that are
// not trusted, within ctx.
func (p *pause) finding(ctx context.Context, r *Result) *finding {
	for _, f := range p.fates {
		if !f.guard.trusts() && !f.await(ctx) {
			break
		}
	}
	p.learn(r)
	for _, f := range slices.Backward(p.fates) {
		if !f.guard.trusts() {
			return f.found
		}
	}
	if p.found == nil || !time.Now().Before(p.until) {
		p.found = nil
		return nil
	}
	standing := *p.found
	standing.resumeAt = p.until
	return &standing
}

// await waits until the fates of a step are known, and reports whether they are.
func (p *pause) await(ctx context.Context, step Step) bool {
	for _, f := range p.fates {
		if f.found.x.step == step && !f.await(ctx) {
			return false
		}
	}
	return true
}

// learn takes the fates that are known into a result.
func (p *pause) learn(r *Result) {
	p.fates = slices.DeleteFunc(p.fates, func(f *fate) bool {
		select {
		case <-f.known:
			r.Unanswered += f.result.Unanswered
			r.Logouts += f.result.Logouts
			r.LogoutFailures += f.result.LogoutFailures
			if f.refused && p.found == f.found {
				p.found = nil // it did not stand: see admit
			}
			return true
		default:
			return false
		}
	})
}

// shorten ends a pause that the appliance did not ask for: the endpoint's settings
// were changed, which may be what it takes.
func (p *pause) shorten() {
	p.failures = 0
	if p.found != nil && p.found.retryAfter == 0 {
		p.found = nil
	}
}

// note begins a pause where a finding asks for one.
func (p *pause) note(found *finding, interval time.Duration) {
	wait := found.retryAfter
	switch {
	case found.vainLogin():
		intervals := loginBackoff[min(p.failures, len(loginBackoff)-1)]
		p.failures++
		// Half an interval less, so that the probe that is due then is not
		// missed by a hair.
		wait = max(wait, min(time.Duration(intervals)*interval, maxLoginBackoff)-interval/2)
	case found.state.Verdict() == Accepted:
		p.failures = 0
	}
	if wait > 0 {
		p.found, p.until = found, time.Now().Add(wait)
	}
	if found.retryAfter > 0 {
		found.resumeAt = p.until
	}
}

// retryAfter returns how long an answer asks to be left alone (RFC 9110,
// 10.2.3: seconds, or a date by the clock that set the answer's Date).
func retryAfter(header http.Header) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(max(seconds, 0), int64(maxRetryAfter/time.Second))) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		now, err := http.ParseTime(header.Get("Date"))
		if err != nil {
			now = time.Now()
		}
		return min(max(date.Sub(now), 0), maxRetryAfter)
	}
	return 0
}
