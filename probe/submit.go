package probe

import (
	"context"
	"errors"
	"time"

	"session_exporter/probe/guard"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// maxLateWait limits how long after its probe's deadline the response to a secret is awaited.
// Directories that delay refusals do so by a few seconds.
const maxLateWait = 30 * time.Second

// errSecretChanged is the error of a request whose secret is out of date.
var errSecretChanged = errors.New("the secret has changed")

// submission is a request with the account's secret.
type submission struct {
	prepare func(secret.Secret) *exchange
	// mayEstablish is set for a login whose response may establish a session. A request in
	// flight is then not interrupted if ctx is canceled.
	mayEstablish bool
	// refreshToken is the token that the response may replace, zero for other requests.
	// The request is not sent if the current token is another one. Its response is awaited
	// even if ctx is canceled.
	refreshToken secret.Secret
	// sequence is set for one of several requests. Its permit lasts until the last of them,
	// whose outcome is the verdict.
	sequence *sequence
}

// submit sends a request with the account's current secret once the guard permits it,
// and records the verdict, which may come after the probe has ended.
func (s *sender) submit(ctx context.Context, r *Result, sub submission) *outcome {
	for {
		current, unusable := s.currentSecret()
		if unusable != nil {
			return unusable
		}
		if !sub.refreshToken.IsZero() && !current.Equal(sub.refreshToken) {
			return s.notSent(errSecretChanged)
		}
		if q := sub.sequence; q != nil && q.permit != nil {
			current = q.current // the password may have changed, but a login sends only one
		}
		if silent := s.preflight(ctx, r, current); silent != nil {
			return silent
		}
		o, err := s.sendSecret(ctx, r, current, sub)
		if errors.Is(err, errSecretChanged) && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return s.notSent(err)
		}
		return o
	}
}

// sendSecret sends a request with a secret, or a later request of the same login. It returns
// an error if the request got no permit and was therefore not sent.
func (s *sender) sendSecret(ctx context.Context, r *Result, current secret.Secret, sub submission) (*outcome, error) {
	x := sub.prepare(current)
	var permit *guard.Permit // nil before the request is written
	if sub.sequence != nil {
		permit, sub.sequence.permit = sub.sequence.permit, nil // until keepPermit
	}
	var held error
	permitHandled := false
	defer func() {
		if !permitHandled && permit != nil { // a panic: the account must not wait for this login
			permit.Record(sessionapi.Inconclusive)
		}
	}()
	deadline, _ := ctx.Deadline()
	until := deadline.Add(-time.Until(deadline) / 2) // the other half is for the login itself
	// An appliance that hangs before its connection is made delays no other login.
	x.BeforeWrite = func() error {
		if permit == nil { // a request that is sent again has its permit already
			permit, held = s.acquire(ctx, current, until)
		}
		return held
	}
	sending := ctx
	if sub.mayEstablish {
		var cancel context.CancelFunc
		sending, cancel = uninterrupted(ctx)
		defer cancel()
	}
	x.KeepsResponse = !sub.refreshToken.IsZero()
	// The guard needs the verdict even after the probe has ended.
	late := x.SendDetached(sending, maxLateWait)
	if held != nil {
		permitHandled = true
		if !errors.Is(held, errSecretChanged) {
			s.connection.Record(&x.Exchange) // the connection is closed
		}
		return nil, held
	}
	var rest *exchange // completed by late
	if late != nil {
		rest = &exchange{step: x.step, authorization: x.authorization, interpretToken: x.interpretToken, exchanged: x.exchanged, part: x.part.clone()}
	}
	o := s.receive(r, x)
	permitHandled = true
	if sub.sequence != nil {
		sub.sequence.keepPermit(permit, current, o, late != nil)
	}
	if late == nil {
		if sub.sequence == nil {
			o = s.recordVerdict(permit, current, o)
		}
		return o, nil
	}
	o = o.with(func(next *outcome) { next.pending = true })
	l := &pendingLogin{
		target: &s.target, permit: permit, outcome: o, secret: current, lease: s.connection.Lease(),
		mayEstablish: sub.mayEstablish, result: Result{traced: r.traced}, done: make(chan struct{}),
	}
	s.backoff.logins.pending = append(s.backoff.logins.pending, l)
	go l.run(context.WithoutCancel(ctx), rest, late)
	return o, nil
}

// recordVerdict records the verdict of a login, and returns its outcome with the suspension
// that a refusal caused.
func (s *sender) recordVerdict(permit *guard.Permit, current secret.Secret, o *outcome) *outcome {
	recordVerdict(permit, o)
	if o.state == sessionapi.CredentialsRejected {
		if held := s.credential.guard.Held(current, s.guardKey); held != nil {
			return o.with(func(next *outcome) { next.heldUntil = held.Until })
		}
	}
	return o
}

// currentSecret returns the current secret, or an outcome if the secret cannot be read or
// is held back. In that case no connection is made.
func (s *sender) currentSecret() (secret.Secret, *outcome) {
	current, err := s.credential.read()
	if err != nil {
		return secret.Secret{}, missing(s.endpoint, err)
	}
	if held := s.credential.guard.Held(current, s.guardKey); held != nil {
		return secret.Secret{}, s.suspended(held, current)
	}
	return current, nil
}

// preflightInterval is how long an appliance counts as responsive after a response.
const preflightInterval = time.Minute

// preflight sends a request without a secret while logins of the account stall. An
// appliance that does not respond to it would not respond to a login either, and
// would block the account for the others. A rate limit is honored too. It returns nil
// if the login may be sent.
func (s *sender) preflight(ctx context.Context, r *Result, current secret.Secret) *outcome {
	switch {
	case s.endpoint.Auth == sessionapi.AuthBearer: // the secret goes to another server
		return nil
	case time.Since(s.respondedAt) < preflightInterval:
		return nil
	case !s.credential.guard.Stalled(current):
		return nil
	}
	sent := &Result{traced: r.traced}
	o := s.send(ctx, sent, s.request(sessionapi.Check, s.call(sessionapi.Check), sessionapi.Authorization{}))
	if o.exchange.Response.Status != 0 && o.state != sessionapi.RateLimited {
		return nil
	}
	if o.exchange.Response.Status == 0 {
		s.credential.guard.MarkUnresponsive(current, s.guardKey)
	}
	r.Steps = append(r.Steps, sent.Steps...)
	return o.with(func(next *outcome) { next.preflight = true })
}

func (s *sender) notSent(err error) *outcome {
	if held, ok := errors.AsType[*guard.Suspension](err); ok {
		return s.suspended(held, s.credential.lastRead().secret)
	}
	if errors.Is(err, guard.ErrInFlight) {
		return s.withRefusedBefore(queued(s.endpoint, s.backoff.failedWithoutVerdict == 0), s.credential.lastRead().secret)
	}
	if errors.Is(err, errSecretChanged) {
		return queued(s.endpoint, true).with(func(next *outcome) { next.reason = "the refresh token has just changed" })
	}
	return missing(s.endpoint, err) // if ctx is canceled, Probe discards it
}

// suspended returns the outcome for a secret that the guard holds back. A refusal that
// came too late for its probe is reported instead, once.
func (s *sender) suspended(held *guard.Suspension, current secret.Secret) *outcome {
	o := suspended(s.endpoint, held)
	if refusal := s.backoff.logins.takeLateRefusal(s.guardKey, current); refusal != nil {
		return refusal.with(func(next *outcome) { next.heldCredential, next.resumeAt = o.heldCredential, o.resumeAt })
	}
	return s.withRefusedBefore(o, current)
}

// withRefusedBefore adds to the outcome of a secret that was not sent whether the endpoint
// has refused it.
func (s *sender) withRefusedBefore(o *outcome, current secret.Secret) *outcome {
	refused := s.credential.guard.Refused(current, s.guardKey)
	return o.with(func(next *outcome) { next.refusedBefore = refused })
}

// acquire waits for the guard's permit, at most until the given time.
func (s *sender) acquire(ctx context.Context, current secret.Secret, until time.Time) (*guard.Permit, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	waiting, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	client := s.credential.lastRead().client
	permit, err := s.credential.guard.Acquire(waiting, current, s.guardKey)
	if err != nil {
		return nil, err
	}
	// The secret may have changed while the request waited.
	if now, err := s.credential.read(); err != nil || !now.Equal(current) || !s.credential.lastRead().client.Equal(client) {
		permit.Release()
		if err == nil {
			err = errSecretChanged
		}
		return nil, err
	}
	return permit, nil
}

// uninterrupted returns a context with the deadline of ctx that is not canceled with it.
func uninterrupted(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, _ := ctx.Deadline() // every probe has one
	return context.WithDeadline(context.WithoutCancel(ctx), deadline)
}
