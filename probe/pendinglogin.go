package probe

import (
	"context"
	"slices"
	"time"

	"session_exporter/probe/guard"
	"session_exporter/probe/transport"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// pendingLogins are the logins of an endpoint whose responses arrive after their probes.
type pendingLogins struct {
	pending []*pendingLogin // not done when takeDone was last called
	refused []*pendingLogin // done, and not reported yet; at most one of each site
}

// awaitUntrusted waits for the responses to secrets that are not trusted.
func (p *pendingLogins) awaitUntrusted(ctx context.Context) {
	for _, l := range p.pending {
		if !l.permit.Trusted() && !l.await(ctx) {
			return
		}
	}
}

// awaitSessions waits for the responses that may establish a session, and reports whether
// they arrived.
func (p *pendingLogins) awaitSessions(ctx context.Context) bool {
	for _, l := range p.pending {
		if l.mayEstablish && !l.await(ctx) {
			return false
		}
	}
	return true
}

// mayEstablishSession reports whether a response may establish a session.
func (p *pendingLogins) mayEstablishSession() bool {
	return slices.ContainsFunc(p.pending, func(l *pendingLogin) bool { return l.mayEstablish })
}

// last returns the login that became pending last.
func (p *pendingLogins) last() *pendingLogin { return p.pending[len(p.pending)-1] }

// untrusted returns the last pending login whose secret is not trusted, nil without one.
func (p *pendingLogins) untrusted() *pendingLogin {
	for _, l := range slices.Backward(p.pending) {
		if !l.permit.Trusted() {
			return l
		}
	}
	return nil
}

// takeDone returns the logins that are done, removes them from pending, and keeps those that
// were refused for takeLateRefusal.
func (p *pendingLogins) takeDone() (done []*pendingLogin) {
	p.pending = slices.DeleteFunc(p.pending, func(l *pendingLogin) bool {
		select {
		case <-l.done:
		default:
			return false
		}
		done = append(done, l)
		if l.refusal != nil {
			p.dropRefusals(l.guardKey)
			p.refused = append(p.refused, l)
		}
		return true
	})
	return done
}

// takeLateRefusal returns a site's refusal of the current secret that arrived too late for
// its probe, nil without one, and forgets the site's late refusals.
func (p *pendingLogins) takeLateRefusal(guardKey string, current secret.Secret) *outcome {
	var refusal *outcome
	for _, l := range p.refused {
		if l.guardKey == guardKey && l.secret.Equal(current) {
			refusal = l.refusal
		}
	}
	p.dropRefusals(guardKey)
	return refusal
}

func (p *pendingLogins) dropRefusals(guardKey string) {
	p.refused = slices.DeleteFunc(p.refused, func(l *pendingLogin) bool { return l.guardKey == guardKey })
}

// pendingLogin is a request with a secret, or a later request of the same login, whose
// response had not arrived when its probe ended.
type pendingLogin struct {
	*target
	permit       *guard.Permit
	outcome      *outcome // of the probe
	secret       secret.Secret
	lease        *transport.Lease // of the probe; nil without one
	mayEstablish bool             // whether the response may establish a session
	done         chan struct{}    // closed when the fields below are complete

	// result contains only the steps and the counts of logins and logouts.
	result     Result
	refusal    *outcome  // nil unless the secret was refused
	limited    *outcome  // nil without a Retry-After
	retryUntil time.Time // end of the Retry-After
}

// await waits for the response, and reports whether it arrived before ctx was done.
func (l *pendingLogin) await(ctx context.Context) bool {
	select {
	case <-l.done:
		return true
	case <-ctx.Done():
		return false
	}
}

// run waits for the response, and logs out of a session that it establishes. x is the
// exchange so far; late yields the complete one. run is concurrent with the prober's next
// probes. It recovers from a panic, which would otherwise end the process; the login then
// counts as unanswered.
func (l *pendingLogin) run(ctx context.Context, x *exchange, late <-chan transport.Late) {
	defer close(l.done)
	defer func() {
		if recover() == nil {
			return
		}
		l.permit.Record(sessionapi.Inconclusive)
		if l.mayEstablish {
			l.result.Unanswered++
		}
	}()
	x.Exchange = *(<-late).Exchange()
	o := l.receive(x)
	recordVerdict(l.permit, o)
	switch {
	case !l.mayEstablish:
	case !o.interpretation.Token.IsZero():
		l.logout(ctx, newSession(l.api, o.interpretation))
	case o.mayLeaveSession():
		l.result.Unanswered++
	}
}

func (l *pendingLogin) receive(x *exchange) *outcome {
	l.interpret(x)
	if x.part != nil && x.Response.Status == 0 { // an earlier request may have established a session
		x.interpretation.Token, x.interpretation.Lost, x.interpretation.Cookies = x.part.sequence.Session()
	}
	o := l.finish(&l.result, x, new(uint64))
	late := o.with(func(next *outcome) { next.late = l.result.Steps })
	switch {
	case o.guardVerdict() == sessionapi.Refused:
		l.refusal = late
	case o.retryAfter > 0:
		l.limited, l.retryUntil = late, time.Now().Add(o.retryAfter)
		if o.byOAuth() {
			l.credential.oauth.limit(late)
		}
	}
	return o
}

// logout ends the session that the response established. Without a logout in the API, the
// session is left behind.
func (l *pendingLogin) logout(ctx context.Context, given *Session) {
	if l.call(sessionapi.Logout).Method != "" && l.endSession(ctx, given, l.client, l.lease) {
		l.result.Logouts++
	} else {
		l.result.LogoutFailures++
	}
}

// recordVerdict records the verdict of a login. It releases the permit if nothing was
// sent.
func recordVerdict(permit *guard.Permit, o *outcome) {
	switch {
	case permit == nil:
	case o.exchange.Written.IsZero():
		permit.Release()
	default:
		permit.Record(o.guardVerdict())
	}
}
