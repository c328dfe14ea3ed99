package probe

import (
	"context"
	"net/http"
	"time"

	"session_exporter/config"
)

// Session is one that we established on an appliance.
type Session struct {
	token       config.Secret
	established time.Time
	endpoint    *config.Endpoint // whose login gave it
	refused     bool             // by a check, and not logged out of since
	// remote is when it was logged in at the other site of a pairing, zero when it
	// was not.
	remote time.Time
}

// findBySession asks with the session that is held, and establishes one where
// there is none, where it is older than session_max_age, and, once, where the
// appliance refuses it.
func (p *Prober) findBySession(ctx context.Context, r *Result) *finding {
	if p.session != nil && p.sessionTooOld() {
		// Whoever waits gets a turn: at their own times, the same endpoints
		// would be too late again and again.
		if done := p.credential.guard.renew(ctx, p.endpoint.Timeout/4); done != nil {
			defer done()
			if failed := p.retire(ctx, r); failed != nil {
				return failed
			}
		}
	}
	for renewed := false; ; renewed = true {
		fresh := p.session == nil
		if fresh {
			leave, withheld := p.admit(ctx)
			if withheld != nil {
				return withheld
			}
			if failed := p.login(ctx, r, leave); failed != nil {
				return failed
			}
		}
		found := p.check(ctx, r, p.present(p.session.token))
		if found.state.Verdict() != Refused {
			return found
		}
		// It may live on all the same, on another node for instance; what is only
		// claimed to be nobody's must not pile up.
		lives := fresh || p.session.refused || found.x.answer.Status != http.StatusUnauthorized
		if !p.session.refused {
			r.expire(p.session.established)
			p.session.refused = true
		}
		if lives {
			if left := p.logoutInTime(ctx, r); left.state == RateLimited {
				return left
			}
		}
		p.session = nil
		if renewed {
			found.refusedAtOnce = true
			return found
		}
	}
}

// retire ends a session that is old and still good, if another may be
// established now. That is not urgent, so it does not wait for the guard's leave:
// the old session is better than none, and the next probe comes soon. It returns
// a finding only where that ends the probe.
func (p *Prober) retire(ctx context.Context, r *Result) *finding {
	secret, err := p.credential.load()
	if err != nil {
		return missing(err)
	}
	// The leave is not kept: an appliance may be slow to log out, and much may be
	// refused meanwhile.
	leave, _, _ := p.credential.guard.tryAdmit(secret, p.patience, true)
	if leave == nil {
		return nil
	}
	leave.end()
	if found := p.logoutInTime(ctx, r); found.x.unsent || found.state == RateLimited {
		return found // nor would a login be sent
	}
	return nil
}

func (p *Prober) sessionTooOld() bool {
	age := p.endpoint.SessionMaxAge
	return age > 0 && time.Since(p.session.established) >= age
}

// login establishes a session. It returns nil when one is held afterwards.
//
// A login is not cut off when we are stopping, only when its time is up: the
// session that it may give would be held by nobody.
func (p *Prober) login(ctx context.Context, r *Result, leave *leave) *finding {
	deadline, _ := ctx.Deadline()
	unstopped, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	defer cancel()
	defer leave.end()
	found := p.submit(unstopped, r, p.loginWith(leave.secret), leave)
	if token := found.reading.Token; !token.IsZero() && found.x.answer.ok() {
		p.session = &Session{token: token, established: time.Now(), endpoint: p.endpoint}
	}
	if !found.x.unsent {
		r.Logins++
	}
	if found.state == Valid {
		return nil
	}
	if !found.x.unsent {
		r.LoginFailures++
	}
	switch {
	case p.session != nil: // given by an answer that is not as documented
		p.logout(unstopped, r)
	case !leave.lent && found.unanswered():
		r.Unanswered++
	}
	return found
}

// loginWith prepares a login.
func (p *Prober) loginWith(secret config.Secret) *attempt {
	call := p.api.Call(Login, Account{Username: p.credential.Username, Password: secret, Options: p.endpoint.Login})
	proof := bodyProof(secret)
	if call.Basic {
		proof = basicProof(p.credential.Username, secret)
	}
	return p.attempt(p.request(Login, call, proof))
}

// logoutInTime leaves half of the probe's time for what comes after it: an appliance
// may hang at logouts and at nothing else.
func (p *Prober) logoutInTime(ctx context.Context, r *Result) *finding {
	deadline, _ := ctx.Deadline()
	ctx, cancel := context.WithTimeout(ctx, time.Until(deadline)/2)
	defer cancel()
	return p.logout(ctx, r)
}

// logout ends the session that is held. It is not held any more afterwards,
// whatever the appliance says, unless nothing could be sent, or the appliance wants
// to be left alone. Like a login, it is not cut off when we are stopping.
func (p *Prober) logout(ctx context.Context, r *Result) *finding {
	deadline, _ := ctx.Deadline()
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	defer cancel()
	held := p.session
	p.session = nil
	call := p.call(Logout)
	if call.Method == "" {
		return noLogout()
	}
	asked := p.request(Logout, call, p.present(held.token))
	// The next thing on this connection would be a login, which cannot be repeated
	// where the appliance closes it with the session.
	asked.last = true
	found := p.exchange(ctx, r, asked)
	switch {
	case found.x.unsent, found.state == RateLimited:
		p.session = held
	case found.loggedOut():
		r.Logouts++
	case found.state.Verdict() == Refused && !held.refused: // there was nothing left to end
		r.expire(held.established)
	default:
		r.LogoutFailures++
	}
	return found
}

// loggedOut reports whether a logout was accepted.
func (f *finding) loggedOut() bool { return f.x.err == nil && f.x.answer.ok() }

// noLogout stands for a logout where the API has none.
func noLogout() *finding {
	return &finding{state: Valid, x: &exchange{step: Logout, answer: Answer{Status: http.StatusNoContent}}}
}
