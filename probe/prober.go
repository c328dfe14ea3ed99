// Package probe performs one probe of one session endpoint: it authenticates as the
// operators' automation does, checks the session, and reports one State and an
// explanation.
//
// It holds the session between probes, renews a refused session once in a probe, and logs
// out of sessions that are no longer needed. It never follows a redirect, never sends a
// secret that its guard holds back, never renews or logs out a session that was obtained
// elsewhere, and never shows a secret in a result. It knows neither schedules nor
// metrics.
//
// From the top down: a Manager creates a Generation of probers for each configuration; a
// Prober runs a flow and keeps a back-off; a flow, one for each way to authenticate, sends
// requests and turns the last response into an outcome; a Result explains the outcome.
package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"session_exporter/probe/control"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// Prober probes one endpoint and holds its session. It is not safe for
// concurrent use: an endpoint's probes do not overlap.
type Prober struct {
	*sender
	flow     flow
	sessions *sessionFlow     // holds the session, if the flow logs in
	control  *control.Control // nil without negative controls
}

// flow is a way to authenticate.
type flow interface {
	// run sends the requests of one probe, and adds what they show to the result.
	run(ctx context.Context, r *Result) *outcome
	// presented returns what the last check presented, zero if that was a password.
	presented() presentation
}

// presentation is the token that a check presented, and how to authorize the same check with
// another token.
type presentation struct {
	token     secret.Secret
	authorize func(another secret.Secret) sessionapi.Authorization
}

// newFlow returns the flow of the prober's endpoint.
func (p *Prober) newFlow() flow {
	switch {
	case p.endpoint.Pairing != nil:
		return &remoteFlow{sender: p.sender, local: p.sessions}
	case p.endpoint.Auth == sessionapi.AuthLogin:
		return p.sessions
	case p.endpoint.Auth == sessionapi.AuthBasic:
		return &basicFlow{p.sender}
	case p.credential.oauth != nil:
		return &oauthFlow{p.sender}
	default:
		return &tokenFlow{p.sender}
	}
}

// Options are the options of one probe.
type Options struct {
	// Trace traces every step. Without it, only failed steps are traced, and none of a probe
	// whose state is Valid.
	Trace bool
	// IgnoreBackoff probes even during a back-off. If the session is accepted, the back-off
	// ends. The lockout guard and a Retry-After still apply.
	IgnoreBackoff bool
}

// Probe performs one probe, within the endpoint's timeout. If ctx is canceled, there is no
// result, and the error is ctx's. A deadline of ctx only shortens the timeout.
func (p *Prober) Probe(ctx context.Context, options Options) (*Result, error) {
	r := &Result{Start: time.Now(), traced: options.Trace}
	timed, cancel := context.WithTimeout(ctx, p.endpoint.Timeout)
	defer cancel()
	deadline, _ := timed.Deadline()
	r.timeout = deadline.Sub(r.Start)
	p.connection.Acquire()
	defer p.connection.Release()
	o, resumeAt := p.backoff.awaitOrHold(timed, r, options.IgnoreBackoff)
	if o == nil {
		o = p.flow.run(timed, r)
		r.Steps = append(r.Steps, o.late...)
		resumeAt = p.backoff.observe(o, p.endpoint.Interval)
	}
	if err := ctx.Err(); errors.Is(err, context.Canceled) {
		return nil, err
	}
	r.Duration = time.Since(r.Start)
	r.ResumeAt = cmp.Or(resumeAt, o.resumeAt)
	p.complete(r, o)
	if p.control != nil {
		p.runNegativeControl(ctx, r)
	}
	return r, nil
}

// complete completes the result of a probe.
func (p *Prober) complete(r *Result, o *outcome) {
	r.State = o.reported(p.endpoint)
	r.HeldCredential, r.RefusedBefore, r.Queued, r.HeldUntil = o.heldCredential, o.refusedBefore, o.queued, o.heldUntil
	if p.oneShot { // the guard ends with the process
		r.HeldUntil = time.Time{}
		if o.heldCredential != "" {
			r.ResumeAt = time.Time{}
		}
	}
	r.Diagnosis, r.Advice = explain(o, p.endpoint, r)
	p.backoff.report(r)
	r.CredentialExpiries = p.credential.expiries()
	if p.expiry != nil {
		r.CredentialExpiries["api"], r.ExpiryOf = p.expiry.at, p.expiry.of
	}
	if held := p.sessions.session; held != nil && !held.unwanted {
		r.Established = held.established
	}
	if o.state == sessionapi.Valid && !r.traced {
		for i := range r.Steps { // of an expired session, which was renewed
			r.Steps[i].Trace = nil
		}
	}
	if o.state == sessionapi.Valid || o.state == sessionapi.Unexpected {
		r.Identity = o.interpretation.Identity
		r.RolesExpected = o.rolesExpected
	}
}

// EndBackoff lets the next probe log in, unless the lockout guard holds the login
// back or the appliance sent a Retry-After.
func (p *Prober) EndBackoff() { p.backoff.reset() }

// Release gives up the held session, without logging out of it, for another prober to
// adopt. It returns nil if none is held and no pending login may establish one.
func (p *Prober) Release() *Session {
	released := p.sessions.session
	p.sessions.session = nil
	if released == nil && p.backoff.logins.mayEstablishSession() {
		released = new(Session) // without a token
	}
	if released != nil {
		released.endpoint = p.endpoint
	}
	return released
}

// Adopt takes over a session that another prober released, and reports whether it could:
// see config.Endpoint.SameAccount. released may be nil.
func (p *Prober) Adopt(released *Session) bool {
	p.backoff.reset() // the change of settings may have fixed the cause
	if released != nil && !released.endpoint.SameAccount(p.endpoint) {
		return false
	}
	if released != nil && released.token.IsZero() {
		released = nil // the back-off has the pending login
	}
	p.sessions.session = released
	return true
}

// Close logs out of the held session, if any, and waits for pending logins, whose sessions
// are logged out too. It takes at most the endpoint's timeout. Its result counts the
// logouts, whatever the error. The prober must not be used afterwards.
func (p *Prober) Close(ctx context.Context) (*Result, error) {
	ctx, cancel := context.WithTimeout(ctx, p.endpoint.Timeout)
	defer cancel()
	r := new(Result)
	if p.control != nil {
		p.control.Stop(ctx)
	}
	err := p.sessions.close(ctx, r)
	if !p.backoff.logins.awaitSessions(ctx) {
		err = errors.Join(err, fmt.Errorf("a login to %s has no response yet", p.endpoint.URL.Host))
	}
	p.backoff.addDone(r)
	return r, err
}

// runNegativeControl presents an impossible token after a valid probe, in the background, if
// a control is due. It adds the last verdict to the result.
func (p *Prober) runNegativeControl(ctx context.Context, r *Result) {
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

// presentImpossible checks an impossible token on a connection of its own, and records
// only the verdict. It runs concurrently with the prober's next probes. It recovers from a
// panic, which would otherwise end the process; the verdict is then inconclusive.
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
	verdict = p.controlVerdict(x.state(p.endpoint.Auth), x.interpretation)
	x.release()
	if given != nil && !given.token.Equal(impossible.Token) && !given.token.Equal(token) {
		p.endSession(context.WithoutCancel(ctx), given, client, nil)
	}
}
