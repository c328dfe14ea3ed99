package probe

import (
	"context"
	"sync"
	"time"

	"session_exporter/config"
)

// guard keeps one account from being locked: it decides when its secret may be
// sent to be judged. It sends nothing itself.
//
// A secret that was accepted last is trusted, and logins with it run side by
// side. Any other is tried by one login at a time, and after max_refusals
// refusals without an acceptance in between not at all until the time is up,
// which doubles with each further refusal. An endpoint that refused it waits as
// long by itself, whatever the others say.
type guard struct {
	mu       sync.Mutex // guards the fields below, and every patience handed in
	settings config.LockoutGuard
	secret   config.Secret
	epoch    int // of the secret: what is known belongs to one of them
	trusted  bool
	refusals int // since the last acceptance
	until    time.Time
	trying   chan struct{} // closed when the login under way ends; nil when there is none
	total    int           // refusals ever
}

// patience is an endpoint's own part in the guard. The guard keeps it current.
type patience struct {
	epoch    int
	refusals int
	until    time.Time
}

// leave is the guard's leave to send a secret once.
type leave struct {
	secret config.Secret
	// judged must be told how that ended.
	judged func(Verdict)
}

// suspension is the error of a login that the guard withholds.
type suspension struct {
	refusals int // of the credential when it is suspended everywhere, else 0
	until    time.Time
}

func (s *suspension) Error() string { return "suspended until " + s.until.Format(time.RFC3339) }

// admit waits for leave to send the secret to an endpoint. It fails with a
// suspension, ctx's error, or load's. The secret is loaded anew behind each
// wait: one that has changed meanwhile must not be tried any more.
func (g *guard) admit(ctx context.Context, load func() (config.Secret, error), own *patience) (*leave, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		secret, err := load()
		if err != nil {
			return nil, err
		}
		admitted, wait, err := g.tryAdmit(secret, own)
		if wait == nil {
			return admitted, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (g *guard) tryAdmit(secret config.Secret, own *patience) (admitted *leave, wait <-chan struct{}, err error) {
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
		return nil, nil, &suspension{g.refusals, g.until}
	case now.Before(own.until):
		return nil, nil, &suspension{0, own.until}
	case g.trusted:
		return &leave{secret, func(v Verdict) { g.record(v, own) }}, nil, nil
	case g.trying != nil:
		return nil, g.trying, nil
	}
	g.trying = make(chan struct{})
	return &leave{secret, func(v Verdict) {
		g.record(v, own)
		g.mu.Lock()
		defer g.mu.Unlock()
		close(g.trying)
		g.trying = nil
	}}, nil, nil
}

func (g *guard) record(v Verdict, own *patience) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if v == Refused {
		g.total++
	}
	if own.epoch != g.epoch {
		return // judged too late: another secret has taken its place
	}
	switch v {
	case Accepted:
		g.trusted, g.refusals, g.until = true, 0, time.Time{}
		own.refusals, own.until = 0, time.Time{}
	case Refused:
		g.trusted = false
		g.refusals++
		own.refusals++
		own.until = time.Now().Add(g.wait(own.refusals))
		if g.refusals >= g.settings.MaxRefusals {
			g.until = time.Now().Add(g.wait(g.refusals - g.settings.MaxRefusals + 1))
		}
	}
}

// forget makes void what is held against the secret: another has taken its
// place, or somebody says that it is good now. The caller holds mu.
func (g *guard) forget() {
	g.trusted, g.refusals, g.until = false, 0, time.Time{}
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
	g.settings = settings
}

// status returns whether the credential is suspended everywhere, and how often
// its secrets have been refused in all.
func (g *guard) status() (suspended bool, refusals int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Now().Before(g.until), g.total
}

// wait is how long to be patient behind so many refusals.
func (g *guard) wait(refusals int) time.Duration {
	return doubled(g.settings.RetryAfter, refusals-1, g.settings.MaxRetryAfter)
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
