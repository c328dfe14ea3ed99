package probe

import (
	"context"
	"time"
)

// exchange sends one request and concludes what its answer means.
func (p *Prober) exchange(ctx context.Context, r *Result, asked request) *finding {
	a := p.attempt(asked)
	a.make(ctx)
	return p.conclude(r, a)
}

// call is a step that needs no account.
func (p *Prober) call(step Step) Call {
	return p.api.Call(step, Account{Options: p.endpoint.Login})
}

// request is the next one to the endpoint.
func (p *Prober) request(step Step, call Call, proof proof) request {
	r := request{step: step, call: call, base: p.endpoint.URL, proof: proof, tooOld: p.connectionEnds()}
	if r.tooOld {
		p.client.sessions.forget(p.endpoint.URL.Host)
	}
	// One that is kept already goes on: to close it would only make another.
	r.last = r.tooOld || p.unheard >= maxUnheard || !p.kept && p.open.full()
	return r
}

// maxUnheard is how many requests in a row may go unanswered on kept connections.
// After that none is kept any more: a firewall or load balancer in between that
// forgets connections which idle would have every other probe fail.
const maxUnheard = 2

// attempt prepares a request. It is safe for concurrent use.
func (p *Prober) attempt(asked request) *attempt {
	x, req := p.client.prepare(asked)
	a := &attempt{x: x, proof: asked.proof, last: asked.last, tooOld: asked.tooOld}
	if req == nil {
		return a
	}
	a.send = func(ctx context.Context, x *exchange, t *tracer) {
		p.client.send(ctx, x, req, t)
		p.read(x)
	}
	return a
}

// read reads what an answer says.
func (p *Prober) read(x *exchange) {
	unread := x.err != nil || x.tooLarge
	if unread && (x.step != Login || !x.answer.ok()) {
		return
	}
	said := p.api.Read(x.step, x.answer)
	switch {
	case !headerSafe(said.Token):
		x.reading = Reading{State: InvalidResponse, Why: "its session token has characters that no HTTP header can carry"}
	case unread: // the login may have given a session in its headers, which is to be ended
		x.reading.Token = said.Token
	default:
		x.reading = said
	}
}

// connectionEnds reports whether what the connection, or the TLS session that the
// next one resumes, says of the certificate will be too old for the probe after this
// one, which may come half an interval late.
func (p *Prober) connectionEnds() bool {
	age, interval := p.endpoint.ConnectionMaxAge, p.endpoint.Interval
	if age <= interval {
		return true
	}
	if p.certified.IsZero() {
		return false
	}
	next := time.Now().Add(interval + interval/2)
	return next.Sub(p.certified) > age || p.term(next) != p.term(p.certified.Add(interval/2))
}

// term counts the ages of connections, beginning where the endpoint's name says:
// all are made within a minute when the exporter starts, and must not all end
// within one as often as they get too old.
func (p *Prober) term(at time.Time) int64 {
	return (at.UnixNano() - p.phase) / int64(p.endpoint.ConnectionMaxAge)
}

// conclude classifies an exchange and takes it into the result.
func (p *Prober) conclude(r *Result, a *attempt) *finding {
	x, reading := a.x, a.x.reading
	if x.step != Token { // which has connections of its own
		p.certified = x.certified
		if a.tooOld {
			p.certified = time.Time{} // it is to be shown on the next one
		}
		p.kept = !a.last && !x.certified.IsZero()
	}
	state := classify(x, reading, p.endpoint.Auth)
	switch {
	case !x.reused:
	case state == Timeout && x.answered.IsZero():
		p.unheard++
	default:
		p.unheard = 0
	}
	p.noteExpiry(x.step, state, reading.Expiry)
	mask := p.maskOf(a, reading.Token)
	p.hide(&reading, mask)
	reading.clean()
	if !x.unsent {
		step := StepResult{
			Step: x.step, Method: x.method, URL: x.url.Redacted(),
			Status: x.answer.Status, Code: reading.Code, OpID: reading.OperationID,
			Duration: x.end.Sub(x.start), Phases: x.phases,
		}
		if p.traced || state != Valid {
			step.Trace = x.trace(mask)
		}
		r.Steps = append(r.Steps, step)
	}
	if !x.certificateExpiry.IsZero() {
		r.CertificateExpiry = x.certificateExpiry
	}
	if skew, known := x.skew(reading.ServerTime); known {
		r.ClockSkew = &skew
	}
	found := &finding{state: state, x: x, reading: reading, auth: p.endpoint.Auth}
	if state == RateLimited || found.vainLogin() {
		found.retryAfter = retryAfter(x.answer.Header)
	}
	if x.err != nil {
		found.failure = x.failure(mask)
	}
	x.forget()
	return found
}
