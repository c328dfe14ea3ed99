// Package guard keeps logins from locking accounts: it decides when a secret may be
// sent, and remembers the verdicts.
//
// It knows accounts, secrets, endpoints and verdicts. It sends nothing, knows neither
// HTTP nor the outcome of probes, and keeps only the secret in use; it remembers others
// by a keyed hash. It writes no file: a restart forgets the refusals.
package guard

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"session_exporter/config"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// slowLogin is how long a login may be in flight before another one may be sent
// concurrently, unless the secret has been refused: an appliance that hangs must not
// block the account for the others.
const slowLogin = 5 * time.Second

// maxOrdered is how long the head of the queue may wait before an accepted login clears
// all logins in flight, not only those granted before it: see clearLocked.
const maxOrdered = time.Second

// secondTry is how long an endpoint waits after its first refusal of a secret that was
// accepted within trustFor: directories occasionally refuse a valid password. It is the
// default interval minus the default timeout, so that the next probe is the second try,
// before the alert's 90 s have passed.
const (
	secondTry = 50 * time.Second
	trustFor  = time.Hour
)

// accountBudget limits the refusals of all secrets of an account within retry_after, as
// a multiple of max_refusals.
const accountBudget = 3

// maxResumes limits the logins that Resume grants within retry_after.
const maxResumes = 3

// Guard is the lockout guard of one credential. Credentials with the same username and
// secret, and those that name the same account, share one state. A Guard is safe for
// concurrent use.
type Guard struct {
	registry *Registry
	identity string // of the account, without its secret: a username, for instance
	joined   string // `lockout_guard.account`; empty if not set

	// registry.mu guards the fields below.
	settings config.LockoutGuard
	account  *account
	secret   secret.Secret // in use
	record   *secretRecord // its record; nil before its first use
	refusals *tally        // of all its secrets; shared with its predecessors
}

// tally counts events since a point in time.
type tally struct {
	count int
	since time.Time
}

// Suspension is the error of a login that is held back.
type Suspension struct {
	// Refusals is the number of refusals after which the secret is held back from all
	// endpoints; 0 if it is held back from this endpoint only.
	Refusals int
	// Account is set if the refusals are those of all secrets of the account.
	Account bool
	Until   time.Time
}

func (s *Suspension) Error() string { return "held back until " + s.Until.Format(time.RFC3339) }

// ErrInFlight is the error of a login that waited too long for other logins.
var ErrInFlight = errors.New("other logins of the account are in flight")

// Acquire blocks until the secret may be sent to an endpoint. It fails with a
// *Suspension, with ErrInFlight when ctx's deadline passes, or with ctx's error
// when it is canceled. The permit must be recorded or released.
func (g *Guard) Acquire(ctx context.Context, text secret.Secret, endpoint string) (*Permit, error) {
	w := g.enqueue(text, endpoint)
	select {
	case <-w.ready: // even if ctx is done: it did not wait
		return w.permit, w.err
	default:
	}
	select {
	case <-w.ready:
		return w.permit, w.err
	case <-ctx.Done():
	}
	if permit := g.abandon(w); permit != nil { // granted meanwhile
		permit.Release()
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, ErrInFlight
	}
	return nil, ctx.Err()
}

func (g *Guard) enqueue(text secret.Secret, endpoint string) *waiter {
	g.registry.mu.Lock()
	defer g.registry.mu.Unlock()
	now := time.Now()
	w := &waiter{guard: g, secret: g.useLocked(text), endpoint: endpoint, since: now, ready: make(chan struct{})}
	if w.firstLocked() && w.tryLocked(now) {
		return w
	}
	w.secret.waitLocked(w)
	return w
}

func (g *Guard) abandon(w *waiter) *Permit {
	g.registry.mu.Lock()
	defer g.registry.mu.Unlock()
	w.gone = true
	return w.permit
}

// Held makes a secret the one in use, and returns why it may not be sent to an endpoint now,
// nil if it may. Acquire may still have to wait for other logins.
func (g *Guard) Held(text secret.Secret, endpoint string) *Suspension {
	g.registry.mu.Lock()
	defer g.registry.mu.Unlock()
	s := g.useLocked(text)
	if s.resume != notResumed {
		return nil
	}
	return s.heldLocked(g.settings, endpoint, time.Now())
}

// Refused reports whether the last conclusive verdict of an endpoint on the secret was a
// refusal.
func (g *Guard) Refused(text secret.Secret, endpoint string) bool {
	g.registry.mu.Lock()
	defer g.registry.mu.Unlock()
	record := g.useLocked(text).endpoints[endpoint]
	return record != nil && record.refusals > 0
}

// Ready reports whether Acquire would grant a permit immediately, without a grant of Resume.
func (g *Guard) Ready(text secret.Secret, endpoint string) bool {
	g.registry.mu.Lock()
	defer g.registry.mu.Unlock()
	s, now := g.useLocked(text), time.Now()
	return s.heldLocked(g.settings, endpoint, now) == nil && s.queue.empty() && s.hasRoomLocked(g.settings, now)
}

// stalledAfter is the time in flight after which a login counts as stalled.
const stalledAfter = time.Second

// Stalled reports whether a login would have to wait for stalled ones.
func (g *Guard) Stalled(text secret.Secret) bool {
	g.registry.mu.Lock()
	defer g.registry.mu.Unlock()
	s, now := g.useLocked(text), time.Now()
	return !s.hasRoomLocked(g.settings, now) && now.Sub(s.sentAt) >= stalledAfter
}

// MarkUnresponsive puts an endpoint's logins after those of others until one gets a
// verdict: the endpoint did not respond to a request without a secret.
func (g *Guard) MarkUnresponsive(text secret.Secret, endpoint string) {
	g.registry.mu.Lock()
	defer g.registry.mu.Unlock()
	g.useLocked(text).endpointLocked(endpoint, time.Now()).inconclusive = true
}

// Resume grants one login of a secret that is held back, to the first endpoint that
// tries it. If Resume was called too often within retry_after, it returns the time of
// the next grant and false.
func (g *Guard) Resume() (next time.Time, granted bool) {
	g.registry.mu.Lock()
	defer g.registry.mu.Unlock()
	s, now := g.record, time.Now()
	if s == nil || s.resume != notResumed || !s.heldAnywhereLocked(g.settings, now, nil) {
		return time.Time{}, true
	}
	if next = s.account.resumeLocked(now, g.settings.RetryAfter); !next.IsZero() {
		return next, false
	}
	s.resume, s.resumedAt = resumeGranted, now
	return time.Time{}, true
}

// Status reports whether logins are held back from any watched endpoint, and the total
// number of refusals.
func (g *Guard) Status(watched func(endpoint string) bool) (suspended bool, refusals int) {
	g.registry.mu.Lock()
	defer g.registry.mu.Unlock()
	return g.record != nil && g.record.heldAnywhereLocked(g.settings, time.Now(), watched), g.refusals.count
}

// Since returns when the guard, or the first of its predecessors, started to count
// refusals.
func (g *Guard) Since() time.Time { return g.refusals.since }

// useLocked makes a secret the one in use and returns its record. A secret that was not
// in use before has a record of its own: that is how a changed secret ends a suspension.
func (g *Guard) useLocked(text secret.Secret) *secretRecord {
	if g.record != nil && g.secret.Equal(text) {
		g.record.usedAt = time.Now()
		return g.record
	}
	s := g.registry.secretLocked(g, text)
	g.secret, g.record, g.account = text, s, s.account
	return s
}

// Permit allows one login, which may send the secret in several requests. It is safe for
// concurrent use.
type Permit struct {
	guard    *Guard
	secret   *secretRecord
	endpoint string
	number   int  // sequence number among the secret's permits
	resumed  bool // granted by Resume
	once     sync.Once
}

// Record records the verdict on the secret.
func (p *Permit) Record(v sessionapi.Verdict) {
	p.once.Do(func() {
		r := p.guard.registry
		r.mu.Lock()
		defer r.mu.Unlock()
		p.finishLocked(notResumed)
		if v == sessionapi.Refused {
			p.guard.refusals.count++
		}
		p.secret.judgeLocked(p, v, time.Now())
		p.serveLocked()
	})
}

// Release returns the permit when nothing was sent.
func (p *Permit) Release() {
	p.once.Do(func() {
		r := p.guard.registry
		r.mu.Lock()
		defer r.mu.Unlock()
		p.finishLocked(resumeGranted)
		p.serveLocked()
	})
}

// serveLocked grants the logins that wait for this one: a verdict on one secret makes room
// for the account's others. The account may have forgotten a secret that a guard still
// uses, see evictLocked.
func (p *Permit) serveLocked() {
	p.secret.serveLocked()
	for _, s := range p.secret.account.secrets {
		s.serveLocked()
	}
}

// Trusted reports whether the last conclusive verdict on the secret was Accepted.
func (p *Permit) Trusted() bool {
	p.guard.registry.mu.Lock()
	defer p.guard.registry.mu.Unlock()
	return p.secret.trusted
}

// finishLocked removes the login from those in flight. next is the new state of a grant of
// Resume.
func (p *Permit) finishLocked(next resume) {
	if p.resumed {
		p.secret.resume = next
	}
	p.secret.inFlight = slices.DeleteFunc(p.secret.inFlight, func(other *Permit) bool { return other == p })
}
