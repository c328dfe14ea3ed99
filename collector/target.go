package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"session_exporter/config"
	"session_exporter/probe"
)

// target is one endpoint that is watched, and all that is known of it. It
// lives as long as configurations name it, whatever else they say.
type target struct {
	name, api string
	logger    *slog.Logger
	inFlight  prometheus.Gauge // counts probes that run, of all targets

	// turn holds one token; who has it may use prober.
	turn   chan struct{}
	prober Prober
	closed chan struct{} // closed when nobody gets a turn any more

	mu          sync.Mutex // guards the fields below
	state       state
	asked       time.Time // when somebody last asked for a probe, zero for never
	replacement Prober    // takes prober's place at the next turn; nil when there is none
	flight      *flight   // the probe that runs; nil when none does
}

// flight is a probe under way. All who ask meanwhile share it.
type flight struct {
	landed chan struct{} // closed at its end
	err    error         // set before that
}

func (c *Collector) newTarget(endpoint *config.Endpoint, prober Prober) *target {
	spec := probe.SpecFor(endpoint)
	return &target{
		name:     endpoint.Name,
		api:      endpoint.API,
		logger:   c.logger,
		inFlight: c.metrics.inFlight,
		turn:     make(chan struct{}, 1),
		closed:   make(chan struct{}),
		prober:   prober,
		state:    newState(spec.Codes, spec.OperationID),
	}
}

var errClosed = errors.New("the endpoint is not watched any more")

// take waits for the turn, unless ctx is over or the target is closed.
func (t *target) take(ctx context.Context) error {
	select {
	case t.turn <- struct{}{}:
	case <-t.closed:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	if ctx.Err() != nil { // asked again, for select takes either of two that are ready
		t.pass()
		return ctx.Err()
	}
	return nil
}

// pass gives the turn back.
func (t *target) pass() { <-t.turn }

// probe makes one probe and records it, unless ctx is over. Where one runs
// already, it waits for that instead.
func (t *target) probe(ctx context.Context) error {
	t.mu.Lock()
	under := t.flight
	if under == nil {
		t.flight = &flight{landed: make(chan struct{})}
	}
	own := t.flight
	t.mu.Unlock()
	if under != nil {
		select {
		case <-under.landed:
			return under.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer func() {
		t.mu.Lock()
		t.flight = nil
		t.mu.Unlock()
		close(own.landed)
	}()
	t.inFlight.Inc()
	defer t.inFlight.Dec()
	own.err = t.probeInTurn(ctx)
	return own.err
}

func (t *target) probeInTurn(ctx context.Context) error {
	if err := t.take(ctx); err != nil {
		return err
	}
	defer t.pass()
	if err := t.renew(ctx); err != nil {
		t.named().Warn("a session may have been left on its appliance", "err", err)
	}
	result, err := t.prober.Probe(ctx)
	if err != nil {
		return err // we are stopping, and nothing was found
	}
	t.record(result)
	return nil
}

// freshUntil returns when the schedule is to probe the target again because nobody
// has asked for it. Who asks at its interval, a little late now and then, is all
// the schedule that it needs.
func (t *target) freshUntil(interval time.Duration) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.asked.IsZero() {
		return time.Time{}
	}
	return t.asked.Add(interval + interval/10)
}

// askedAt notes when somebody asked for a probe, or that nobody did.
func (t *target) askedAt(at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked = at
}

// found returns what the last probe found.
func (t *target) found() probe.Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state.result
}

// holds reports whether the last probe left a session held.
func (t *target) holds() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.state.result.Established.IsZero()
}

// replace lets another prober take over at the next turn.
func (t *target) replace(prober Prober) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.replacement = prober // one that never had a turn holds no session
}

// settle makes that turn come without a probe.
func (t *target) settle(ctx context.Context) error {
	if err := t.take(ctx); err != nil {
		return t.unended()
	}
	defer t.pass()
	return t.renew(ctx)
}

// renew puts the replacement into the prober's place, if there is one, and hands
// it the session that the old one held, or logs out of that when it is of no use
// to the new one. The caller has the turn.
func (t *target) renew(ctx context.Context) error {
	t.mu.Lock()
	old, replacement := t.prober, t.replacement
	if replacement != nil {
		t.prober, t.replacement = replacement, nil
	}
	t.mu.Unlock()
	if replacement == nil {
		return nil
	}
	held := old.Release()
	if replacement.Adopt(held) {
		return nil
	}
	old.Adopt(held)
	return t.logout(ctx, old)
}

// close waits for the probe that runs, if any, and logs out. It keeps the turn:
// nobody probes after this. It is called once.
func (t *target) close(ctx context.Context) error {
	if err := t.take(ctx); err != nil {
		return t.unended()
	}
	close(t.closed)
	return t.logout(ctx, t.prober)
}

func (t *target) logout(ctx context.Context, prober Prober) error {
	did, err := prober.Close(ctx)
	t.mu.Lock()
	t.state.recordClose(did)
	t.mu.Unlock()
	if err != nil {
		return fmt.Errorf("endpoint %q: %w", t.name, err)
	}
	return nil
}

// unended is the error of a logout that had to wait for too long, or that took so.
func (t *target) unended() error {
	return fmt.Errorf("endpoint %q: its probe or its logout did not end in time, so its session may be left on the appliance", t.name)
}

func (t *target) record(r *probe.Result) {
	t.mu.Lock()
	before := t.state.result.State
	t.state.record(r)
	t.mu.Unlock()
	t.log(before, r)
}

// wantsSecret reports whether the last probe failed for want of a good secret.
func (t *target) wantsSecret() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch state := t.state.result.State; state {
	case probe.LoginSuspended, probe.CredentialMissing:
		return true
	default:
		return state.Verdict() == probe.Refused
	}
}

// named returns a logger that names the target. One kept for each target would take
// as much memory as its labels, for what is hardly ever said.
func (t *target) named() *slog.Logger {
	return t.logger.With("endpoint", t.name, "api", t.api)
}

// log tells a change of state, and each probe to those who debug.
func (t *target) log(before probe.State, r *probe.Result) {
	level := slog.LevelDebug
	switch {
	case before != r.State && r.State == probe.Valid:
		level = slog.LevelInfo
	case before != r.State:
		level = slog.LevelWarn
	}
	if !t.logger.Enabled(context.Background(), level) {
		return
	}
	t.named().Log(context.Background(), level, "probed", "state", string(r.State), "before", string(before), "duration", r.Duration.Round(time.Microsecond), "diagnosis", r.Diagnosis)
}
