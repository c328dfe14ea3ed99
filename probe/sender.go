package probe

import (
	"context"
	"time"

	"session_exporter/probe/guard"
	"session_exporter/probe/transport"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// sender makes the exchanges of an endpoint's probes, one after the other, and keeps what
// later probes need to know about them. A pairing has two: one for each site.
type sender struct {
	target
	connection *transport.Connection
	backoff    *endpointBackoff

	clean       uint64    // see hide
	expiry      *expiry   // as the API last reported it; nil if it did not
	respondedAt time.Time // zero if the appliance did not respond to the last request
}

func (s *sender) check(ctx context.Context, r *Result, a sessionapi.Authorization) *outcome {
	if q := s.begin(sessionapi.Check, a); q != nil {
		return q.run(ctx, r)
	}
	return s.send(ctx, r, s.request(sessionapi.Check, s.call(sessionapi.Check), a))
}

func (s *sender) send(ctx context.Context, r *Result, next request) *outcome {
	x := s.prepare(next)
	x.Send(ctx)
	return s.receive(r, x)
}

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

// expiry is when the session or token expires.
type expiry struct {
	at      time.Time
	of      string // see sessionapi.Interpretation
	byCheck bool   // reported by a check, not by the login
}

// recordExpiry records when the session or token expires, as the response reports it. Without
// an expiry in the response, a login discards the previous one if that was the session's, and
// a valid check discards it if it came from a check. A refused check always discards it. Any
// other check changes nothing.
func (s *sender) recordExpiry(o *outcome) {
	step, in := o.exchange.step, &o.interpretation
	valid := o.state == sessionapi.Valid || o.state == sessionapi.Unexpected
	switch {
	case step == sessionapi.Check && o.state.Verdict() == sessionapi.Refused:
		s.expiry = nil // even if the response has one
	case !in.Expiry.IsZero():
		s.expiry = &expiry{in.Expiry, in.ExpiryOf, step == sessionapi.Check}
	case s.expiry == nil, !o.exchange.part.isLast():
	case step == sessionapi.Login && s.expiry.of == "", step == sessionapi.Check && valid && s.expiry.byCheck:
		s.expiry = nil
	}
}

// controlVerdict returns the verdict on an impossible token. The same check was valid with the
// real token, so a response is a refusal if it calls the token malformed, forbids it without
// naming a user, or describes a session that does not match `expect`, such as a guest's.
func (t *target) controlVerdict(state sessionapi.State, in sessionapi.Interpretation) sessionapi.Verdict {
	switch {
	case state == sessionapi.Forbidden && !in.Identity.Named(), state == sessionapi.BadRequest,
		state == sessionapi.Valid && len(differences(t.endpoint.Expect, in.Identity)) > 0:
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

// begin begins a login or a check of several requests. It returns nil for one of a single
// request.
func (s *sender) begin(step sessionapi.Step, a sessionapi.Authorization) *sequence {
	if s.sequencer == nil {
		return nil
	}
	steps := s.sequencer.Sequence(step, s.endpoint.URL)
	if steps == nil {
		return nil
	}
	return &sequence{sender: s, step: step, steps: steps, authorization: a}
}

// sequence sends the requests of a login or a check, one after the other. Those with the
// account's secret share one permit of the guard, which lasts until the last response: a
// server may respond to a wrong password with success, and refuse it later.
type sequence struct {
	*sender
	step          sessionapi.Step
	steps         sessionapi.Sequence
	authorization sessionapi.Authorization // of the session that a check presents

	sent    bool          // whether the secret was sent
	permit  *guard.Permit // nil before the secret is sent, and once the verdict is recorded
	current secret.Secret // the secret that the permit was granted for
}

// run sends the requests until one fails, and returns the outcome of the last. The outcome of
// a login has the session that exists by then.
func (q *sequence) run(ctx context.Context, r *Result) *outcome {
	defer func() {
		if q.permit != nil { // a panic: the account must not wait for this login
			q.permit.Record(sessionapi.Inconclusive)
		}
	}()
	if q.step == sessionapi.Login || q.endpoint.Auth == sessionapi.AuthBasic {
		if _, unusable := q.currentSecret(); unusable != nil {
			return unusable // and do not send the requests that precede the secret
		}
	}
	for {
		o := q.next(ctx, r)
		if o.state != sessionapi.Valid || !q.steps.Advance() {
			return q.conclude(o)
		}
	}
}

func (q *sequence) next(ctx context.Context, r *Result) *outcome {
	place := part{step: q.step, afterSecret: q.sent, secret: q.step == sessionapi.Login && q.steps.CarriesSecret() || q.step == sessionapi.Check && q.endpoint.Auth == sessionapi.AuthBasic}
	place.at, place.of = q.steps.Number()
	if place.secret {
		return q.submit(ctx, r, submission{
			prepare:      func(current secret.Secret) *exchange { return q.exchange(place, current) },
			mayEstablish: q.step == sessionapi.Login, sequence: q,
		})
	}
	if q.sent { // like a login in flight, it is not interrupted when the exporter stops
		if known, _, _ := q.steps.Session(); known.IsZero() { // its response may come late, too
			o, _ := q.sendSecret(ctx, r, q.current, submission{
				prepare:      func(secret.Secret) *exchange { return q.exchange(place, secret.Secret{}) },
				mayEstablish: true, sequence: q,
			}) // no error: the permit has been granted
			return o
		}
		var cancel context.CancelFunc
		ctx, cancel = uninterrupted(ctx)
		defer cancel()
	}
	x := q.exchange(place, secret.Secret{})
	x.Send(ctx)
	return q.receive(r, x)
}

// exchange returns the exchange of the current request. current is the secret, if the request
// carries it.
func (q *sequence) exchange(place part, current secret.Secret) *exchange {
	account := sessionapi.Account{Username: q.credential.Username, Password: current, Options: q.endpoint.Login}
	call, authorization := q.steps.Request(q.step, account), q.authorization
	switch {
	case place.secret && (call.Basic || q.step == sessionapi.Check):
		authorization = sessionapi.Basic(q.credential.Username, current)
	case place.secret:
		authorization = sessionapi.InBody(current)
	}
	place.sequence = q.steps
	next := q.request(q.step, call, q.steps.Extend(authorization))
	next.part = &place
	next.once = next.once || place.secret
	next.close = next.close && place.at == place.of
	return q.prepare(next)
}

// keepPermit takes over the permit of a request that was sent. If the response is pending,
// the pending login keeps the permit.
func (q *sequence) keepPermit(permit *guard.Permit, current secret.Secret, o *outcome, isPending bool) {
	q.sent = q.sent || !o.exchange.Written.IsZero()
	q.permit, q.current = permit, current
	if isPending {
		q.permit = nil
	}
}

// conclude records the verdict, and adds the session to the outcome of a login.
func (q *sequence) conclude(o *outcome) *outcome {
	if o.exchange != nil && o.exchange.part.followsSecret() && o.state == sessionapi.SessionExpired {
		o = o.withRefusedImmediately()
	}
	if q.step == sessionapi.Login && q.sent && !o.pending {
		o = o.with(func(next *outcome) {
			token, partial, cookies := q.steps.Session()
			lost := partial || o.interpretation.Lost
			next.interpretation.Token, next.interpretation.Lost, next.interpretation.Cookies = token, lost && token.IsZero(), cookies
		})
	}
	permit := q.permit
	switch q.permit = nil; {
	case permit == nil:
	case !q.sent:
		permit.Release()
	case o.exchange != nil && o.exchange.part != nil && !o.exchange.Written.IsZero() && o.heldCredential == "":
		return q.recordVerdict(permit, q.current, o)
	default: // the last request was not sent
		permit.Record(sessionapi.Inconclusive)
	}
	return o
}
