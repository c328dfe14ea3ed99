package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// target is an endpoint that is watched, with its prober and its state. It outlives a
// configuration if the next one has an endpoint of the same name and API.
type target struct {
	name, api string
	logger    *slog.Logger
	metrics   *exporterMetrics
	slots     *slots // of all targets
	adhoc     bool   // the configuration does not list it

	sem    chan struct{} // has capacity 1; guards prober
	prober Prober
	closed chan struct{} // closed by close, which never releases sem

	mu          sync.Mutex // guards the fields below
	state       state
	queued      int       // consecutive probes whose login was queued, see queuedWait
	requested   time.Time // start of the last /probe request, zero for none
	replacement Prober    // replaces prober before its next use; nil for none
	call        *call     // in flight; nil for none
	probedNow   time.Time // start of the last probeNow
	// backoffEnded makes the next probe end the prober's back-off.
	backoffEnded bool
}

func (c *Collector) newTarget(endpoint *config.Endpoint, prober Prober) *target {
	spec := endpoint.SessionAPI.Spec()
	return &target{
		name:    endpoint.Name,
		api:     endpoint.API,
		logger:  c.logger,
		metrics: c.metrics,
		slots:   c.slots,
		sem:     make(chan struct{}, 1),
		closed:  make(chan struct{}),
		prober:  prober,
		state:   newState(spec.Codes, spec.OperationID),
	}
}

var errClosed = errors.New("the endpoint is no longer watched")

// acquire acquires sem, unless ctx is done or the target is closed.
func (t *target) acquire(ctx context.Context) error {
	select {
	case t.sem <- struct{}{}:
	case <-t.closed:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	if ctx.Err() != nil { // if both were ready, select may have chosen sem
		t.release()
		return ctx.Err()
	}
	return nil
}

func (t *target) release() { <-t.sem }

// isSlow reports whether the next probe is expected to take long: the last one failed and
// took long, or the target is ad hoc and was never valid.
func (t *target) isSlow() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	failed := t.state.Result.State != sessionapi.Valid
	return failed && t.state.Result.Duration >= slowProbe || t.adhoc && t.state.LastSuccess.IsZero()
}

// isDispensable reports whether the target was never valid and is not being probed.
func (t *target) isDispensable() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.call == nil && t.state.LastSuccess.IsZero()
}

// skipUntil returns when scheduled probes resume. Until then /probe requests, which may
// be a little late, cover the target.
func (t *target) skipUntil(interval time.Duration) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.requested.IsZero() {
		return time.Time{}
	}
	return t.requested.Add(interval + interval/10)
}

// setRequested records the start of a /probe request. Zero lets scheduled probes resume.
func (t *target) setRequested(at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requested = at
}

func (t *target) lastResult() probe.Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state.Result
}

// queuedWait returns the time until the next probe if the login of the last one was queued,
// otherwise 0: see queuedRetry. It counts consecutive such probes, so it must be called once
// after each probe.
func (t *target) queuedWait() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queued++
	switch {
	case !t.state.Result.Queued:
		t.queued = 0
		return 0
	case t.queued > quickRetries:
		return slowRetry
	default:
		return queuedRetry
	}
}

// holds reports whether the last probe left a session.
func (t *target) holds() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.state.Result.Established.IsZero()
}

// setReplacement sets the prober that replaces the current one before its next use.
func (t *target) setReplacement(prober Prober) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.replacement = prober // an earlier one was never used, and holds no session
}

// installNow installs the replacement without a probe.
func (t *target) installNow(ctx context.Context) error {
	switch err := t.acquire(ctx); {
	case errors.Is(err, errClosed):
		return nil // close logs out of the session, and reports it if that fails
	case err != nil:
		return t.logoutTimeoutError()
	}
	defer t.release()
	return t.install(ctx)
}

// install makes the replacement, if any, the prober. The replacement adopts the session
// of the old prober; if it cannot, that session is logged out. The caller has acquired sem.
func (t *target) install(ctx context.Context) error {
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
	old.Adopt(held) // so that Close logs out of it
	return t.logout(ctx, old)
}

// close waits for the probe in flight, if any, and logs out. It does not release sem, so
// that no probe follows. It is called once.
func (t *target) close(ctx context.Context) error {
	if err := t.acquire(ctx); err != nil {
		return t.logoutTimeoutError()
	}
	close(t.closed)
	return t.logout(ctx, t.prober)
}

// logout logs out of prober's session. The caller has acquired sem.
func (t *target) logout(ctx context.Context, prober Prober) error {
	waiting, cancel := context.WithTimeout(ctx, maxLogoutWait)
	defer cancel()
	if t.slots.acquire(waiting, nil, false) == nil {
		defer t.slots.release(false)
	}
	result, err := t.closeProber(ctx, prober)
	t.mu.Lock()
	t.state.recordClose(result)
	t.mu.Unlock()
	if err != nil {
		return fmt.Errorf("endpoint %q: %w", t.name, err)
	}
	return nil
}

// logoutTimeoutError is the error of a logout that did not complete in time.
func (t *target) logoutTimeoutError() error {
	return fmt.Errorf("endpoint %q: its probe or its logout did not end in time, so its session may be left on the appliance", t.name)
}

func (t *target) record(r *probe.Result) {
	t.mu.Lock()
	before, control := t.state.Result.State, t.state.Result.NegativeControl
	t.state.record(r)
	t.mu.Unlock()
	t.log(before, r)
	if now := r.NegativeControl; now != nil && !now.Refused && (control == nil || control.Refused) {
		t.named().Warn("impossible token accepted")
	}
}

// wantsSecret reports whether the last probe failed because it had no valid secret.
func (t *target) wantsSecret() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wantsSecretLocked()
}

func (t *target) wantsSecretLocked() bool {
	switch state := t.state.Result.State; state {
	case sessionapi.LoginSuspended, sessionapi.CredentialMissing:
		return true
	default:
		return state.Verdict() == sessionapi.Refused
	}
}

// named returns a logger with the target's name. It is not kept: it would take as much
// memory as the target's labels, and is rarely used.
func (t *target) named() *slog.Logger {
	return t.logger.With("endpoint", t.name, "api", t.api)
}

// log logs changes of state, and all other probes at level debug.
func (t *target) log(before sessionapi.State, r *probe.Result) {
	level := slog.LevelDebug
	switch {
	case before != r.State && r.State == sessionapi.Valid:
		level = slog.LevelInfo
	case before != r.State:
		level = slog.LevelWarn
	}
	if !t.logger.Enabled(context.Background(), level) {
		return
	}
	t.named().Log(context.Background(), level, "probed", "state", string(r.State), "before", string(before), "duration", r.Duration.Round(time.Microsecond), "diagnosis", r.Diagnosis)
}
