// Package probe makes one probe of one session endpoint: it presents itself as
// the operators' automation does, asks the API who it is, and says in one State
// and in words what came of it.
//
// It holds the session between probes, renews one that was refused once, and
// logs out what it does not need any more. It never follows a redirect, never
// sends a secret that its guard withholds, never renews or logs out a session
// that somebody else obtained, and never shows a secret in what it returns. It
// knows neither schedules nor metrics.
package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"session_exporter/config"
)

// Prober probes one endpoint and holds its session. It is not safe for
// concurrent use: an endpoint's probes do not overlap.
type Prober struct {
	endpoint      *config.Endpoint
	api           API
	sessionHeader string // of the API
	client        *client
	credential    *credential

	session  *Session  // nil when none is held
	local    *Prober   // whose session a pairing's is in, nil where there is no pairing
	patience *patience // the guard's, for this endpoint
	pause    *pause
	open     *connections // all endpoints'
	// lastAnswer is how long the answer to a secret took last.
	lastAnswer time.Duration
	traced     bool      // the probe that runs is to trace every step
	expiry     time.Time // of what is presented, as the API said last; zero when it did not
	mask       mask      // of the last exchange
	// certified is when the appliance showed its certificate, on the connection of
	// the last exchange or on that whose TLS session it resumed; zero when it is to
	// show it on the next.
	certified time.Time
	kept      bool  // whether that connection is
	unheard   int   // requests in a row, on connections that were kept, that were not answered in time
	phase     int64 // in nanoseconds, of the terms of its connections
}

// Probe makes one probe, within the endpoint's timeout. The error is ctx's
// when it was cancelled, and nothing was found then. A deadline of ctx's own is
// no cancellation: it only shortens the timeout.
func (p *Prober) Probe(ctx context.Context) (*Result, error) {
	r := &Result{Start: time.Now()}
	p.traced = traces(ctx)
	held := p.open.begin()
	defer p.open.end(held)
	ctx = context.WithValue(ctx, holderKey{}, held)
	timed, cancel := context.WithTimeout(ctx, p.endpoint.Timeout)
	defer cancel()
	found := p.pause.finding(timed, r)
	if found == nil {
		found = p.find(timed, r)
		r.Steps = append(r.Steps, found.late...)
		p.pause.note(found, p.endpoint.Interval)
	}
	if err := ctx.Err(); errors.Is(err, context.Canceled) {
		return nil, err
	}
	if deadline, ok := timed.Deadline(); ok {
		found.within = deadline.Sub(r.Start)
	}
	r.Duration = time.Since(r.Start)
	r.State = found.shown()
	r.Diagnosis, r.Advice = p.explained(found)
	r.Withheld, r.ResumeAt = found.withheld, found.resumeAt
	r.CredentialExpiries = p.expiries()
	if held := p.held(); held != nil {
		r.Established = held.established
	}
	if found.state == Valid && !p.traced {
		for i := range r.Steps { // an expired session's, which was renewed
			r.Steps[i].Trace = nil
		}
	}
	if found.state == Valid || found.state == Unexpected {
		r.Identity = found.reading.Identity
		r.RolesExpected = rolesExpected(p.endpoint.Expect, r.Identity)
	}
	return r, nil
}

// held is the session that the prober holds, nil when there is none.
func (p *Prober) held() *Session {
	if p.local != nil {
		return p.local.session
	}
	return p.session
}

// Release gives up the session that is held, without logging out of it, for
// another prober to adopt. It returns nil when none is held.
func (p *Prober) Release() *Session {
	if p.local != nil {
		return p.local.Release().of(p.endpoint)
	}
	released := p.session
	p.session = nil
	return released
}

// Adopt takes over a session that was released, and reports whether it may: it
// must be of the same account at the same place. It may take nil.
func (p *Prober) Adopt(released *Session) bool {
	p.pause.shorten()
	if released != nil && !released.endpoint.SameAccount(p.endpoint) {
		return false
	}
	if p.local != nil {
		return p.local.Adopt(released.of(p.local.endpoint))
	}
	p.session = released
	return true
}

// Close ends the session that is held, if any, and waits for the answer to a
// login that has none yet, to log out of what it gives. It takes at most the
// endpoint's timeout, and is the end of the prober. It returns what it did, counted
// as a probe's, whatever its error.
func (p *Prober) Close(ctx context.Context) (*Result, error) {
	if p.local != nil {
		return p.local.Close(ctx) // of both: see drRemote
	}
	ctx, cancel := context.WithTimeout(ctx, p.endpoint.Timeout)
	defer cancel()
	did := new(Result)
	if p.session != nil {
		found := p.logout(ctx, did)
		if found.state == RateLimited {
			did.LogoutFailures++ // there is no next time
		}
		switch {
		case found.loggedOut(), did.Expirations > 0:
		case found.x.err != nil:
			return did, fmt.Errorf("logging out of %s: %s", p.endpoint.URL.Host, found.failure)
		default:
			return did, fmt.Errorf("logging out of %s: answered %s", p.endpoint.URL.Host, found.answered())
		}
	}
	answered := p.pause.await(ctx, Login)
	p.pause.learn(did)
	if !answered {
		return did, fmt.Errorf("a login was sent to %s that it has not answered yet", p.endpoint.URL.Host)
	}
	return did, nil
}

// find goes the way that the endpoint authenticates.
func (p *Prober) find(ctx context.Context, r *Result) *finding {
	switch {
	case p.local != nil:
		return p.findByPairing(ctx, r)
	case p.endpoint.Auth == config.AuthLogin:
		return p.findBySession(ctx, r)
	case p.endpoint.Auth == config.AuthBasic:
		return p.findByBasic(ctx, r)
	case p.credential.oauth != nil:
		return p.findByOAuth(ctx, r)
	default:
		return p.findByToken(ctx, r)
	}
}

// findByToken presents a token that somebody else obtained.
func (p *Prober) findByToken(ctx context.Context, r *Result) *finding {
	token, err := p.credential.load()
	if err != nil {
		return missing(err)
	}
	proof := p.present(token)
	if p.endpoint.Auth == config.AuthBearer {
		proof = bearerProof(token)
	}
	return p.check(ctx, r, proof)
}

// findByBasic sends the password with the check, which is as good as a login.
func (p *Prober) findByBasic(ctx context.Context, r *Result) *finding {
	leave, withheld := p.admit(ctx)
	if withheld != nil {
		return withheld
	}
	defer leave.end()
	asked := p.request(Check, p.call(Check), basicProof(p.credential.Username, leave.secret))
	return p.compare(p.submit(ctx, r, p.attempt(asked), leave))
}

// admit asks the guard for leave to send the secret, as it is now. It waits for
// at most half of the time that the probe has, for the login needs some too. Where
// the secret is withheld for a refusal that nobody was told of, that is what it finds.
func (p *Prober) admit(ctx context.Context) (*leave, *finding) {
	waiting, cancel := context.WithTimeout(ctx, p.endpoint.Timeout/2)
	defer cancel()
	// Who needs the time for the answer has none for courtesy.
	courtesy := min(p.endpoint.Timeout/4, max(p.endpoint.Timeout-2*p.lastAnswer, 0))
	leave, err := p.credential.guard.admit(waiting, p.credential.load, p.patience, courtesy)
	suspended, isSuspended := errors.AsType[*suspension](err)
	switch {
	case err == nil:
		return leave, nil
	case isSuspended:
		found := p.credential.guard.untold(p.patience)
		if found == nil {
			found = &finding{state: LoginSuspended, suspension: suspended}
		}
		found.withheld, found.resumeAt = p.credential.Name, suspended.until
		return nil, found
	case errors.Is(err, waiting.Err()):
		return nil, &finding{state: LoginSuspended, withheld: p.credential.Name, detail: "until it has been accepted, it is tried by one login at a time, and another one was under way"}
	default:
		return nil, missing(err)
	}
}

// missing is what is found when the secret cannot be had.
func missing(err error) *finding {
	return &finding{state: CredentialMissing, detail: err.Error()}
}

// check asks who we are.
func (p *Prober) check(ctx context.Context, r *Result, proof proof) *finding {
	return p.compare(p.exchange(ctx, r, p.request(Check, p.call(Check), proof)))
}

// compare takes what is expected into what was found.
func (p *Prober) compare(found *finding) *finding {
	if found.state == Valid {
		if different := differences(p.endpoint.Expect, found.reading.Identity); len(different) > 0 {
			found.state, found.differences = Unexpected, different
		}
	}
	return found
}
