package probe

import (
	"context"
	"sync"
	"time"

	"session_exporter/config"
)

// guard keeps one credential from being locked: it decides when its secret may
// be sent to be judged. It sends nothing itself.
//
// A secret that was accepted last is trusted, and logins with it run side by
// side. Any other is tried by one login at a time, and after max_refusals
// refusals without an acceptance in between not at all until the time is up,
// which doubles with each further refusal. An endpoint that refused it waits as
// long by itself, whatever the others say.
type guard struct {
	settings config.LockoutGuard

	mu       sync.Mutex // guards the fields below, and every patience handed in
	secret   config.Secret
	epoch    int // of the secret: what is known belongs to one of them
	trusted  bool
	refusals int // since the last acceptance
	until    time.Time
	trying   chan struct{} // closed when the login under way ends; nil when there is none
}

// patience is an endpoint's own part in the guard. The guard keeps it current.
type patience struct {
	epoch    int
	refusals int
	until    time.Time
}

// suspension is why a login was not sent.
type suspension struct {
	refusals int // of the credential when it is suspended everywhere, else 0
	until    time.Time
}

// admit waits for leave to send the secret to an endpoint. It returns a
// function that must be told the verdict, or why the secret may not be sent,
// or ctx's error.
func (g *guard) admit(ctx context.Context, secret config.Secret, own *patience) (func(Verdict), *suspension, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		done, wait, suspended := g.tryAdmit(secret, own)
		if wait == nil {
			return done, suspended, nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

func (g *guard) tryAdmit(secret config.Secret, own *patience) (done func(Verdict), wait <-chan struct{}, suspended *suspension) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.secret.Equal(secret) { // what was held against the old one is void
		g.secret, g.trusted, g.refusals, g.until = secret, false, 0, time.Time{}
		g.epoch++
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
		return func(v Verdict) { g.record(v, own) }, nil, nil
	case g.trying != nil:
		return nil, g.trying, nil
	}
	g.trying = make(chan struct{})
	return func(v Verdict) {
		g.record(v, own)
		g.mu.Lock()
		defer g.mu.Unlock()
		close(g.trying)
		g.trying = nil
	}, nil, nil
}

func (g *guard) record(v Verdict, own *patience) {
	g.mu.Lock()
	defer g.mu.Unlock()
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
