package probe

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// pause is a time in which nothing is sent, because the appliance asked for
// it, because a login failed in a way that trying again at once would only make
// worse, or because the answer to a secret is still to come. The finding that
// began it stands meanwhile.
type pause struct {
	found    *finding
	until    time.Time
	failures int   // logins in a row that came to nothing
	fate     *fate // of the secret sent last, nil when it is known
}

// loginBackoff is how many intervals to let pass between logins that fail for
// another reason than a refused password, by how many have failed.
var loginBackoff = [...]int{1, 2, 4, 8, 15}

// maxLoginBackoff and maxRetryAfter bound what is waited in any case.
const (
	maxLoginBackoff = 10 * time.Minute
	maxRetryAfter   = time.Hour
)

// finding returns the one that stands while the pause lasts, else nil. It waits
// for the fate of what was sent, within ctx, and takes that into the result.
func (p *pause) finding(ctx context.Context, r *Result) *finding {
	if !p.learn(ctx, r) {
		return p.fate.found
	}
	if p.found == nil || !time.Now().Before(p.until) {
		p.found = nil
		return nil
	}
	standing := *p.found
	standing.resumeAt = p.until
	return &standing
}

// learn waits for the fate of the secret sent last, and takes it into a result.
// It reports whether it is known.
func (p *pause) learn(ctx context.Context, r *Result) bool {
	if p.fate == nil {
		return true
	}
	select {
	case <-p.fate.known:
	case <-ctx.Done():
		return false
	}
	r.Unanswered += p.fate.result.Unanswered
	r.Logouts += p.fate.result.Logouts
	r.LogoutFailures += p.fate.result.LogoutFailures
	p.fate = nil
	return true
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
