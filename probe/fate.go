package probe

import (
	"context"
	"errors"
	"time"
)

// minAwaited is how long the answer to a secret that was sent is awaited at least,
// however soon its probe must end. Directories that delay refusals do so by a few
// seconds.
const minAwaited = 30 * time.Second

// attempt is an exchange that is ready to be made.
type attempt struct {
	x            *exchange
	proof        proof
	last, tooOld bool // as of the request
	// send is nil where there is nothing to send: x says why.
	send func(ctx context.Context, x *exchange, t *tracer)
}

// make makes the exchange. ctx bounds it.
func (a *attempt) make(ctx context.Context) {
	if a.send != nil {
		a.send(ctx, a.x, new(tracer))
	}
}

// outlast makes the exchange like make. But where ctx's deadline comes when
// something was sent, it leaves in x what is known by then, and late yields the
// whole later: what was sent is judged whether anybody waits for that or not.
func (a *attempt) outlast(ctx context.Context) (late <-chan *exchange) {
	if a.send == nil {
		return nil
	}
	awaited := minAwaited
	if deadline, ok := ctx.Deadline(); ok {
		awaited = max(awaited, time.Until(deadline)+time.Second) // ctx ends first, and says why
	}
	sending, cancel := context.WithTimeout(context.WithoutCancel(ctx), awaited)
	whole, t := *a.x, new(tracer)
	done := make(chan *exchange, 1)
	go func() {
		defer cancel()
		a.send(sending, &whole, t)
		done <- &whole
	}()
	select {
	case a.x = <-done:
		return nil
	case <-ctx.Done():
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && !t.abandon() {
		a.x.err = ctx.Err()
		a.x.finish(ctx, t)
		return done
	}
	cancel()
	if a.x = <-done; a.x.err != nil {
		a.x.err = ctx.Err()
	}
	return nil
}

// submit makes an exchange in which a secret is judged, and tells the guard how
// that ended. Where the probe ends before, it is told later.
func (p *Prober) submit(ctx context.Context, r *Result, a *attempt, leave *leave) *finding {
	late := a.outlast(ctx)
	found := p.conclude(r, a)
	p.lastAnswer = found.x.end.Sub(found.x.start)
	if late == nil {
		found.judge(leave)
		return found
	}
	leave.lent = true
	f := &fate{guard: leave.guard, found: found, known: make(chan struct{})}
	p.pause.fates = append(p.pause.fates, f)
	beside := *p
	go beside.await(context.WithoutCancel(ctx), f, a, late, leave)
	return found
}

// fate is what becomes of a secret that was sent by a probe that has ended.
type fate struct {
	guard *guard        // that judges it
	found *finding      // what the probe made of it
	known chan struct{} // closed when the result is complete
	// result has what a Result has of logins and logouts, and of what was sent. Of
	// what was found, there is no more than what follows.
	result  Result
	refused bool
}

// await waits until the fate is known, and reports whether it is.
func (f *fate) await(ctx context.Context) bool {
	select {
	case <-f.known:
		return true
	case <-ctx.Done():
		return false
	}
}

// await waits for an answer that comes late. A session that it gives is held by
// nobody, so it is ended. It runs beside the prober's next probes, on a copy of it.
func (p *Prober) await(ctx context.Context, f *fate, a *attempt, late <-chan *exchange, leave *leave) {
	defer close(f.known)
	a.x = <-late
	found := p.conclude(&f.result, a)
	found.late = f.result.Steps
	f.refused = found.state.Verdict() == Refused
	leave.late = found
	found.judge(leave)
	leave.giveBack()
	switch token := found.reading.Token; {
	case found.x.step != Login, p.local != nil: // the session at another site ends with the local one
	case !token.IsZero() && found.x.answer.ok():
		call := p.call(Logout)
		if call.Method == "" {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, p.endpoint.Timeout)
		defer cancel()
		a := p.attempt(request{step: Logout, call: call, base: p.endpoint.URL, proof: p.present(token)})
		a.make(ctx)
		if logout := (finding{x: a.x}); logout.loggedOut() {
			f.result.Logouts++
		} else {
			f.result.LogoutFailures++
		}
	case found.unanswered():
		f.result.Unanswered++
	}
}
