package probe

import (
	"context"
	"time"

	"session_exporter/probe/transport"
	"session_exporter/sessionapi"
)

// sender makes the exchanges of an endpoint's probes, one after the other, and keeps what
// later probes need to know about them. A pairing has two: one for each site.
type sender struct {
	target
	connection *transport.Connection
	backoff    *endpointBackoff

	clean  uint64    // fingerprint of the names that were found to contain no secret
	expiry time.Time // of what is presented, as the API last reported it; zero if it did not
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

// recordExpiry records when the session or token expires. A new session replaces the
// expiry, and a refusal discards it; an outage changes nothing.
func (s *sender) recordExpiry(o *outcome) {
	step, end := o.exchange.step, o.interpretation.Expiry
	switch {
	case step == sessionapi.Check && o.state.Verdict() == sessionapi.Refused:
		s.expiry = time.Time{} // whatever expiry the response gives
	case step == sessionapi.Login || !end.IsZero():
		s.expiry = end
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
