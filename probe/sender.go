package probe

import (
	"context"
	"time"

	"session_exporter/probe/control"
	"session_exporter/probe/transport"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// sender makes the exchanges of an endpoint's probes, one after the other, and keeps what
// they show beyond their probe. A pairing has two: one for each site.
type sender struct {
	target
	connection *transport.Connection
	backoff    *endpointBackoff

	clean  uint64  // fingerprint of the names that were found to have no secret
	expiry *expiry // as the API last reported it; nil if it did not
	// respondedAt is when the appliance last responded, zero if it did not respond to
	// the last request.
	respondedAt time.Time
}

// check reads the session.
func (s *sender) check(ctx context.Context, r *Result, a sessionapi.Authorization) *outcome {
	return s.send(ctx, r, s.request(sessionapi.Check, s.call(sessionapi.Check), a))
}

// send sends one request and returns the outcome of its response.
func (s *sender) send(ctx context.Context, r *Result, next request) *outcome {
	x := s.prepare(next)
	x.Send(ctx)
	return s.receive(r, x)
}

// request returns the next request to the endpoint.
func (s *sender) request(step sessionapi.Step, call sessionapi.Request, a sessionapi.Authorization) request {
	return request{
		step: step, call: call, base: s.endpoint.URL, authorization: a,
		lease: s.connection.Lease(), maxBodyWait: s.endpoint.Timeout / 4,
		once:  step == sessionapi.Login,
		close: step == sessionapi.Check && s.connection.ClosesWithRequest(), // a login is followed by its check
	}
}

// receive interprets the response of an exchange, classifies it and adds it to the
// result.
func (s *sender) receive(r *Result, x *exchange) *outcome {
	s.interpret(x)
	if x.step != sessionapi.Token { // the authorization server's connections are not kept
		s.connection.Record(&x.Exchange)
		s.respondedAt = time.Time{}
		if x.Response.Status != 0 {
			s.respondedAt = x.End
		}
	}
	o := s.finish(r, x, &s.clean)
	s.recordExpiry(o)
	return o
}

// expiry is when what is presented expires.
type expiry struct {
	at      time.Time
	of      string // see sessionapi.Interpretation
	byCheck bool   // a check reported it, and not the login
}

// recordExpiry records when the session or token expires. A new session replaces the
// expiry, unless that is of something else, and a refusal discards it; so does a check without
// one after a check with one. An outage changes nothing.
func (s *sender) recordExpiry(o *outcome) {
	step, in := o.exchange.step, &o.interpretation
	valid := o.state == sessionapi.Valid || o.state == sessionapi.Unexpected
	switch {
	case step == sessionapi.Check && o.state.Verdict() == sessionapi.Refused:
		s.expiry = nil // whatever expiry the response gives
	case !in.Expiry.IsZero():
		s.expiry = &expiry{in.Expiry, in.ExpiryOf, step == sessionapi.Check}
	case s.expiry == nil:
	case step == sessionapi.Login && s.expiry.of == "", step == sessionapi.Check && valid && s.expiry.byCheck:
		s.expiry = nil
	}
}

// controlNegatively presents an impossible token after a valid probe, in the background, if
// a control is due. It adds the last verdict to the result.
func (p *Prober) controlNegatively(ctx context.Context, r *Result) {
	verdict := p.control.Verdict()
	if !verdict.Time.IsZero() {
		r.NegativeControl = &verdict
	}
	if r.State != sessionapi.Valid {
		return
	}
	if r.NegativeControl != nil && !verdict.Refused {
		r.Diagnosis += " That proves nothing: the API accepted an impossible token too."
		r.Advice = "Find out what accepts any token: the API itself, or a cache, proxy or test server in front of it."
	}
	ctx = p.control.Begin(ctx, p.endpoint.NegativeControl, p.endpoint.Timeout)
	if ctx == nil {
		return
	}
	valid := p.flow.presented()
	impossible := control.ImpossibleToken(valid.token)
	if impossible.IsZero() {
		p.control.End(sessionapi.Inconclusive)
		return
	}
	go p.presentImpossible(ctx, valid.authorize(impossible), valid.token)
}

// presentImpossible makes the check of an impossible token on a connection of its own. It
// records nothing but the verdict. A panic makes that inconclusive: nothing waits for this
// goroutine. It runs concurrently with the prober's next probes.
func (p *Prober) presentImpossible(ctx context.Context, impossible sessionapi.Authorization, token secret.Secret) {
	verdict := sessionapi.Inconclusive
	defer func() {
		_ = recover()
		p.control.End(verdict)
	}()
	client := p.client.Separate()
	defer client.Transport.CloseIdleConnections()
	x := newExchange(client, request{
		step: sessionapi.Check, call: p.call(sessionapi.Check), base: p.endpoint.URL,
		authorization: impossible, once: true, maxBodyWait: p.endpoint.Timeout / 4,
	})
	x.Send(ctx)
	given := p.sessionIn(&x.Exchange)
	p.interpret(x)
	verdict = controlVerdict(x.state(x.interpretation, p.endpoint.Auth), x.interpretation)
	x.release()
	if given != nil && !given.token.Equal(impossible.Token) && !given.token.Equal(token) {
		p.endSession(context.WithoutCancel(ctx), given, client, nil)
	}
}

// controlVerdict returns the verdict on an impossible token. The same check with the real one
// was valid, so that a response which calls it malformed, or forbids it without naming a
// user, refuses the token.
func controlVerdict(state sessionapi.State, in sessionapi.Interpretation) sessionapi.Verdict {
	switch {
	case state == sessionapi.Forbidden && !in.Identity.Named(), state == sessionapi.BadRequest:
		return sessionapi.Refused
	default:
		return state.Verdict()
	}
}

// acquireSlot waits for one of a few slots, for at most maxWait. It returns a function that
// releases the slot, nil if it got none.
func acquireSlot(ctx context.Context, slots chan struct{}, maxWait time.Duration) (release func()) {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	select {
	case slots <- struct{}{}:
		return func() { <-slots }
	case <-ctx.Done():
		return nil
	}
}
