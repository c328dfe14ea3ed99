package probe

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"session_exporter/probe/transport"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// sessionFlow logs in with a password, holds the session between probes, and logs out of
// it at the end.
type sessionFlow struct {
	*sender
	session *Session // nil when none is held
}

// run checks the session that is held. It establishes one if none is held, or if the held
// one is older than session_max_age. If the appliance refuses the session, or forbids one
// that it accepted before, run renews it once.
func (f *sessionFlow) run(ctx context.Context, r *Result) *outcome {
	if f.session != nil && f.sessionTooOld() {
		// Wait for a slot: without a queue, the endpoints that are due last in each
		// interval might never be renewed.
		if release := acquireSlot(ctx, f.credential.renewing, f.endpoint.Timeout/4); release != nil {
			defer release()
			if failed := f.retire(ctx, r); failed != nil {
				return failed
			}
		}
	}
	if failed := f.dropUnusable(ctx, r); failed != nil {
		return failed
	}
	for renewed := false; ; renewed = true {
		fresh := f.session == nil
		if fresh {
			if failed := f.login(ctx, r); failed != nil {
				return failed
			}
		}
		o := f.check(ctx, r, f.authorizeSession(f.session))
		f.session.update(f.api, o)
		if o.state == sessionapi.Forbidden && f.session.accepted && !renewed {
			if failed := f.retireForbidden(ctx, r); failed != nil {
				return failed
			}
			if f.session == nil {
				continue
			}
		}
		if o.state.Verdict() != sessionapi.Refused {
			return o
		}
		if failed := f.dropRefused(ctx, r, o, fresh); failed != nil {
			return failed
		}
		if renewed {
			return o.withRefusedImmediately()
		}
	}
}

func (f *sessionFlow) presented() presentation {
	return presentation{f.session.token, f.authorize}
}

// close logs out of the session that is held, if any. It does not retry.
func (f *sessionFlow) close(ctx context.Context, r *Result) error {
	if f.session == nil {
		return nil
	}
	o := f.logout(ctx, r)
	if f.session != nil {
		r.LogoutFailures++ // not counted by logout, because another probe would repeat the logout
	}
	switch {
	case o.exchange.loggedOut(o.interpretation), r.Expirations > 0:
		return nil
	case o.exchange.Err != nil:
		return fmt.Errorf("logging out of %s: %s", f.endpoint.URL.Host, o.failure)
	default:
		return fmt.Errorf("logging out of %s: the response was %s", f.endpoint.URL.Host, o.response())
	}
}

// dropRefused drops the session that a check refused. It returns an outcome only if the
// session cannot be logged out yet, which ends the probe.
func (f *sessionFlow) dropRefused(ctx context.Context, r *Result, refusal *outcome, fresh bool) *outcome {
	// It may still be alive, on another node for instance: sessions must not pile up.
	mayLive := fresh || f.session.refused || refusal.exchange.Response.Status != http.StatusUnauthorized
	if !f.session.refused {
		r.countExpiration(f.session.established)
		f.session.refused = true
	}
	if mayLive {
		if failed := f.logoutInTime(ctx, r); f.session != nil {
			return failed // nothing was sent, or nothing may be sent now
		}
	}
	f.session = nil
	return nil
}

// dropUnusable drops the session that is held if it is unwanted or its cookies have
// expired. It returns an outcome only if that ends the probe.
func (f *sessionFlow) dropUnusable(ctx context.Context, r *Result) *outcome {
	switch {
	case f.session == nil:
	case f.session.unwanted:
		if failed := f.logoutInTime(ctx, r); f.session != nil {
			return failed
		}
	case f.session.cookies.AllExpired():
		r.countExpiration(f.session.established)
		f.session = nil
	}
	return nil
}

// retire ends a session that is old but still valid, if another may be established now.
// It does not wait for the guard: the next probe comes soon enough, and the old session is
// better than none. It returns an outcome only if that ends the probe.
func (f *sessionFlow) retire(ctx context.Context, r *Result) *outcome {
	current, err := f.credential.read()
	if err != nil {
		return missing(f.endpoint, err)
	}
	if !f.credential.guard.Ready(current, f.guardKey) {
		return nil
	}
	if o := f.logoutInTime(ctx, r); o.exchange.Unsent || o.state == sessionapi.RateLimited {
		return o // a login would not be sent either
	}
	return nil
}

// retireForbidden ends a session that was accepted before and is now forbidden: some
// appliances respond with 403 once they have ended it. The session stays held if no other
// may be established now. retireForbidden returns an outcome only if that ends the probe.
func (f *sessionFlow) retireForbidden(ctx context.Context, r *Result) *outcome {
	f.session.forbidden = true
	if failed := f.retire(ctx, r); failed != nil && failed.state == sessionapi.RateLimited {
		return failed
	}
	return nil
}

func (f *sessionFlow) sessionTooOld() bool {
	age := f.endpoint.SessionMaxAge
	return age > 0 && !f.session.unwanted && time.Since(f.session.established) >= age
}

// login establishes a session. It returns an outcome only if that fails.
//
// A login in flight is not interrupted when the exporter stops, only when its time is
// up: otherwise the session that it may establish would be lost.
func (f *sessionFlow) login(ctx context.Context, r *Result) *outcome {
	o, sent := f.submitLogin(ctx, r)
	if !sent {
		return o
	}
	r.Logins++
	if o.state == sessionapi.Valid {
		f.session = newSession(f.api, o.interpretation)
		return nil
	}
	r.LoginFailures++
	switch {
	case !o.interpretation.Token.IsZero():
		f.session = newSession(f.api, o.interpretation)
		f.session.unwanted = true
		if o.state != sessionapi.RateLimited { // else the logout waits until something may be sent again
			f.logout(ctx, r)
		}
	case o.mayLeaveSession():
		r.Unanswered++
	}
	return o
}

// submitLogin sends the requests of a login, and reports whether the password was sent.
func (f *sessionFlow) submitLogin(ctx context.Context, r *Result) (o *outcome, sent bool) {
	if q := f.begin(sessionapi.Login, sessionapi.Authorization{}); q != nil {
		o = q.run(ctx, r)
		return o, q.sent
	}
	o = f.submit(ctx, r, submission{prepare: f.prepareLogin, mayEstablish: true})
	sent = o.loginSent()
	return o, sent
}

func (f *sessionFlow) prepareLogin(current secret.Secret) *exchange {
	call := f.api.Request(sessionapi.Login, sessionapi.Account{Username: f.credential.Username, Password: current, Options: f.endpoint.Login})
	authorization := sessionapi.InBody(current)
	if call.Basic {
		authorization = sessionapi.Basic(f.credential.Username, current)
	}
	return f.prepare(f.request(sessionapi.Login, call, authorization))
}

// logoutInTime logs out within half of the remaining time: an appliance may hang only on
// logouts, and the other half is for the requests that follow.
func (f *sessionFlow) logoutInTime(ctx context.Context, r *Result) *outcome {
	deadline, _ := ctx.Deadline()
	ctx, cancel := context.WithTimeout(ctx, time.Until(deadline)/2)
	defer cancel()
	return f.logout(ctx, r)
}

// logout ends the held session. It drops the session whatever the response is, unless
// nothing could be sent or the appliance limits the rate of requests. Without a logout in
// the API, the session is left behind. Like a login, it is not interrupted when the
// exporter stops.
func (f *sessionFlow) logout(ctx context.Context, r *Result) *outcome {
	ctx, cancel := uninterrupted(ctx)
	defer cancel()
	held := f.session
	f.session = nil
	call := f.call(sessionapi.Logout)
	if call.Method == "" {
		r.LogoutFailures++
		return noLogout()
	}
	next := f.request(sessionapi.Logout, call, f.authorizeSession(held))
	// The next request on this connection would be a login, which cannot be repeated
	// if the appliance closes the connection with the session. If each probe has its own
	// connection, that risk is accepted.
	next.close = !f.connection.OnlyForProbe()
	o := f.send(ctx, r, next)
	switch {
	case o.exchange.Written.IsZero(), o.state == sessionapi.RateLimited:
		f.session = held
	case o.exchange.loggedOut(o.interpretation) && !f.isAnonymous(next, held):
		r.Logouts++
	case o.state.Verdict() == sessionapi.Refused && held.unwanted: // the failed login established no session
		return noLogout()
	case o.state.Verdict() == sessionapi.Refused && !held.refused, o.state == sessionapi.Forbidden && held.forbidden:
		r.countExpiration(held.established) // the appliance had already ended it
	default:
		r.LogoutFailures++
	}
	return o
}

// isAnonymous reports whether a logout carries nothing of its session. Cookies that are kept
// with the session but are not parts of it do not count.
func (f *sessionFlow) isAnonymous(logout request, held *Session) bool {
	if held.kept != nil {
		own := *held
		own.kept = nil
		logout.authorization = f.authorizeSession(&own)
	}
	return logout.isAnonymous()
}

// noLogout returns the outcome if there is nothing to log out of, or the API has no logout.
func noLogout() *outcome {
	return &outcome{state: sessionapi.Valid, exchange: &exchange{step: sessionapi.Logout, Exchange: transport.Exchange{Response: sessionapi.Response{Status: http.StatusNoContent}}}}
}
