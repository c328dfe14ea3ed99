package probe

import (
	"context"
	"sync"
	"time"

	"session_exporter/config"
)

// slowLogin is how long a login may take before another may be sent in its
// place, unless the secret has been refused: an appliance that hangs must not
// keep the account from all others. It is longer than the delay with which
// logins are commonly refused.
const slowLogin = 5 * time.Second

// guard keeps one account from being locked: it decides when its secret may be
// sent to be judged. It sends nothing itself.
//
// A secret that was not accepted last is tried by one login at a time, and after
// max_refusals refusals without an acceptance in between not at all until the
// time is up, which doubles with each further time. With one that was accepted
// last, logins run side by side, but where there are more than lately each waits a
// little for those before it, in case they are refused; and those that can wait
// do: see renewing. An endpoint that refused it waits as long by itself, whatever
// the others say.
type guard struct {
	mu          sync.Mutex // guards the fields below, and every patience
	settings    config.LockoutGuard
	secret      config.Secret
	epoch       int // of the secret: what is known belongs to one of them
	trusted     bool
	accepted    burst // of the secret, while it is trusted
	refusals    int   // since the last acceptance
	suspensions int   // since then
	until       time.Time
	total       int // refusals ever
	// underWay are the logins sent that are not judged and not slow. freed is
	// closed when there is one less; nil when nobody waits for that.
	underWay int
	freed    chan struct{}
	// patience is each endpoint's, by name. It outlives the endpoint's prober,
	// which a reload may replace.
	patience map[string]*patience
	// pruneAt is how many there are when those that wait for nothing are let go.
	pruneAt int

	// renewing has room for those who replace a session that is still good: as
	// many as may be refused. Were it all at once, a password that was changed
	// would be refused by all of them.
	renewing chan struct{}
}

func newGuard(settings config.LockoutGuard) *guard {
	return &guard{settings: settings, renewing: make(chan struct{}, settings.MaxRefusals)}
}

// suspension is the error of a login that the guard withholds.
type suspension struct {
	refusals int // of the credential when it is suspended everywhere for them, else 0
	until    time.Time
}

func (s *suspension) Error() string { return "suspended until " + s.until.Format(time.RFC3339) }

// admit waits for leave to send the secret to an endpoint, and no longer than it
// is asked to for those before it when the secret is trusted. It fails with a
// suspension, ctx's error, or load's. The secret is loaded anew behind each
// wait: one that has changed meanwhile must not be tried any more.
func (g *guard) admit(ctx context.Context, load func() (config.Secret, error), own *patience, courtesy time.Duration) (*leave, error) {
	polite, cancel := context.WithTimeout(ctx, courtesy)
	defer cancel()
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		secret, err := load()
		if err != nil {
			return nil, err
		}
		urgent := polite.Err() != nil
		admitted, wait, err := g.tryAdmit(secret, own, urgent)
		if wait == nil {
			return admitted, err
		}
		until := polite
		if urgent {
			until = ctx
		}
		select {
		case <-wait:
			g.yield(until, own)
		case <-until.Done():
		}
	}
}

// headStart is by how much who was not judged last lets others go first.
const headStart = 100 * time.Millisecond

// yield lets those go first who wait beside an endpoint whose last login was not
// judged. Where half of an account's appliances hang, their turns else come round at
// the times of the same ones: the others would be suspended for ever.
func (g *guard) yield(ctx context.Context, own *patience) {
	g.mu.Lock()
	unjudged := own.unjudged
	g.mu.Unlock()
	if !unjudged {
		return
	}
	select {
	case <-time.After(headStart):
	case <-ctx.Done():
	}
}

// tryAdmit gives leave, or what to wait for, or why not.
func (g *guard) tryAdmit(secret config.Secret, own *patience, urgent bool) (admitted *leave, wait <-chan struct{}, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.secret.Equal(secret) {
		g.secret = secret
		g.forget()
	}
	if own.epoch != g.epoch {
		*own = patience{epoch: g.epoch}
	}
	now := time.Now()
	switch {
	case now.Before(g.until):
		return nil, nil, &suspension{refusals: g.refusals, until: g.until}
	case now.Before(own.until):
		return nil, nil, &suspension{until: own.until}
	case g.crowded(urgent):
		if g.freed == nil {
			g.freed = make(chan struct{})
		}
		return nil, g.freed, nil
	}
	g.underWay++
	own.unjudged = true
	free := sync.OnceFunc(g.free)
	slow := time.AfterFunc(slowLogin, func() {
		if !g.doubted() {
			free()
		}
	})
	return &leave{guard: g, own: own, epoch: g.epoch, secret: secret, beside: g.underWay, free: free, slow: slow}, nil, nil
}

// crowded reports whether there are others to wait for. Who is urgent waits for
// none while the secret is trusted. The caller holds mu.
func (g *guard) crowded(urgent bool) bool {
	if !g.trusted {
		return g.underWay > 0
	}
	return !urgent && g.underWay >= max(g.settings.MaxRefusals, g.accepted.most())
}

// trusts reports whether the secret was accepted last.
func (g *guard) trusts() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.trusted
}

// doubted reports whether the secret was refused since it was last accepted.
func (g *guard) doubted() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refusals > 0
}

// untold returns an endpoint's refusal that came too late for its probe, once, nil
// where there is none.
func (g *guard) untold(own *patience) *finding {
	g.mu.Lock()
	defer g.mu.Unlock()
	refusal := own.refusal
	own.refusal = nil
	return refusal
}

func (g *guard) free() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.underWay--
	if g.freed != nil {
		close(g.freed)
		g.freed = nil
	}
}

func (g *guard) record(v Verdict, l *leave) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if v == Refused {
		g.total++
	}
	if l.epoch != g.epoch {
		return // judged too late: another secret has taken its place
	}
	l.own.unjudged = v == Inconclusive
	switch v {
	case Accepted:
		g.trusted, g.refusals, g.suspensions, g.until = true, 0, 0, time.Time{}
		g.accepted.note(l.beside)
		l.own.refusals, l.own.until, l.own.refusal = 0, time.Time{}, nil
	case Refused:
		l.own.refusal = l.late
		g.trusted, g.accepted = false, burst{}
		g.refusals++
		l.own.refusals++
		l.own.until = time.Now().Add(g.wait(l.own.refusals))
		if g.refusals >= g.settings.MaxRefusals {
			g.suspend()
		}
	}
}

// suspend withholds the secret from every endpoint, for longer each time. What
// was under way already when that began is no further time. The caller holds mu.
func (g *guard) suspend() {
	now := time.Now()
	if now.Before(g.until) {
		return
	}
	g.suspensions++
	g.until = now.Add(g.wait(g.suspensions))
}

// forget makes void what is held against the secret: another has taken its
// place, or somebody says that it is good now. The caller holds mu.
func (g *guard) forget() {
	g.trusted, g.refusals, g.suspensions, g.until = false, 0, 0, time.Time{}
	g.accepted = burst{}
	g.epoch++
}

// resume lifts what is withheld.
func (g *guard) resume() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forget()
}

// configure changes the settings, for what comes after.
func (g *guard) configure(settings config.LockoutGuard) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if settings.MaxRefusals != cap(g.renewing) {
		g.renewing = make(chan struct{}, settings.MaxRefusals)
	}
	g.settings = settings
}

// goOn counts refusals on from where another guard is.
func (g *guard) goOn(other *guard) {
	_, refusals := other.status()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.total += refusals
}

// renew waits a while for a place among those who replace a session that is still
// good. It returns nil when it got none, else what gives the place back.
func (g *guard) renew(ctx context.Context, patience time.Duration) (done func()) {
	g.mu.Lock()
	renewing := g.renewing
	g.mu.Unlock()
	return place(ctx, renewing, patience)
}

// place waits a while for one of a few places. It returns nil when it got none,
// else what gives the place back.
func place(ctx context.Context, places chan struct{}, patience time.Duration) (done func()) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case places <- struct{}{}:
		return func() { <-places }
	case <-ctx.Done():
		return nil
	}
}

// status returns whether the credential is suspended everywhere, and how often
// its secrets have been refused in all.
func (g *guard) status() (suspended bool, refusals int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Now().Before(g.until), g.total
}

// wait is how long to wait for the nth time.
func (g *guard) wait(n int) time.Duration {
	return doubled(g.settings.RetryAfter, n-1, g.settings.MaxRetryAfter)
}

// doubled returns first, doubled times over, at most limit.
func doubled(first time.Duration, times int, limit time.Duration) time.Duration {
	wait := first
	for range times {
		if wait >= limit {
			break
		}
		wait *= 2
	}
	return min(wait, limit)
}
