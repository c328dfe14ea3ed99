package probe

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"session_exporter/config"
)

// findBySession asks with the session that is held, and establishes one where
// there is none, where it is older than session_max_age, and, once, where the
// appliance refuses it.
func (p *Prober) findBySession(ctx context.Context, r *Result) *finding {
	if p.session != nil && p.sessionTooOld() {
		// The guard is asked before the old session is given up: one that is
		// still good is better than none.
		leave, withheld := p.admit(ctx)
		switch {
		case withheld == nil:
			_ = p.logout(ctx, r) // the appliance ends it in time, or has already
			if failed := p.login(ctx, r, leave); failed != nil {
				return failed
			}
		case withheld.state == CredentialMissing:
			return withheld
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
		found := p.check(ctx, r, p.sessionProof())
		if found.state.Verdict() != Refused {
			return found
		}
		r.Expirations++
		r.Lifetime = time.Since(p.session.established)
		if fresh || found.x.answer.Status != http.StatusUnauthorized {
			// It may live on all the same, on another node for instance; what
			// is only claimed to be nobody's must not pile up.
			_ = p.logout(ctx, r)
		}
		p.session = nil
		if renewed {
			found.refusedAtOnce = true
			return found
		}
	}
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
	call := p.api.Call(Login, Account{Username: p.credential.Username, Password: leave.secret, Options: p.endpoint.Login})
	proof := proof{secrets: []config.Secret{leave.secret}}
	if call.Basic {
		proof = basicProof(p.credential.Username, leave.secret)
	}
	r.Logins++
	found := p.exchange(unstopped, r, Login, call, proof)
	if token := found.reading.Token; !token.IsZero() && found.x.answer.ok() {
		p.session = &session{token: token, established: time.Now()}
	}
	if found.state == Valid {
		leave.judged(Accepted)
		return nil
	}
	r.LoginFailures++
	if found.x.err != nil && !found.x.written.IsZero() {
		r.Unanswered++
	}
	leave.judged(found.judgement())
	if p.session != nil { // given by an answer that is not as documented
		_ = p.logout(unstopped, r)
	}
	return found
}

// logout ends the session that is held. It is not held any more afterwards,
// whatever the appliance says.
func (p *Prober) logout(ctx context.Context, r *Result) error {
	proof := p.sessionProof()
	p.session = nil
	found := p.exchange(ctx, r, Logout, p.api.Call(Logout, Account{}), proof)
	switch {
	case found.x.err != nil:
		return fmt.Errorf("logging out of %s: %s", p.endpoint.URL.Host, found.failure)
	case !found.x.answer.ok():
		return fmt.Errorf("logging out of %s: answered %s", p.endpoint.URL.Host, found.answered())
	}
	r.Logouts++
	return nil
}

func (p *Prober) sessionProof() proof { return tokenProof(p.spec.SessionHeader, p.session.token) }
