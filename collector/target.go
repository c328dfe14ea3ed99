package collector

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"session_exporter/config"
	"session_exporter/probe"
)

// target is one endpoint that is watched.
type target struct {
	endpoint *config.Endpoint
	prober   Prober
	logger   *slog.Logger
	// labels are those of all its series, sorted by name.
	labels []*dto.LabelPair
	// turn holds one token; who has it may use prober.
	turn chan struct{}

	duration histogram // has its own lock

	mu    sync.Mutex // guards state
	state state
}

func newTarget(endpoint *config.Endpoint, prober Prober, labelNames []string, logger *slog.Logger) *target {
	return &target{
		endpoint: endpoint,
		prober:   prober,
		logger:   logger.With("endpoint", endpoint.Name, "api", endpoint.API),
		labels:   endpointLabels(endpoint, labelNames),
		turn:     make(chan struct{}, 1),
		duration: newDurationHistogram(),
		state:    newState(probe.SpecOf(endpoint.API).Codes),
	}
}

// probe makes one probe and records it, unless ctx is over.
func (t *target) probe(ctx context.Context) {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return // asked again, for select takes either of two that are ready
	}
	result, err := t.prober.Probe(ctx)
	if err != nil {
		return // we are stopping, and nothing was found
	}
	t.record(&result)
}

// close waits for the probe that runs, if any, and logs out.
func (t *target) close(ctx context.Context) error {
	select {
	case t.turn <- struct{}{}: // kept: nobody probes after this
	case <-ctx.Done():
		return fmt.Errorf("endpoint %q: its probe did not end in time, so its session may be left on the appliance", t.endpoint.Name)
	}
	err := t.prober.Close(ctx)
	t.mu.Lock()
	t.state.recordClose(err == nil)
	t.mu.Unlock()
	if err != nil {
		return fmt.Errorf("endpoint %q: %w", t.endpoint.Name, err)
	}
	return nil
}

func (t *target) record(r *probe.Result) {
	if last, sent := r.Last(); sent {
		t.observe(r.Duration, last.OpID)
	}
	t.mu.Lock()
	before := t.state.result.State
	t.state.record(r)
	t.mu.Unlock()
	t.log(before, r)
}

// observe adds a probe's duration, with the API's own id of the operation as
// an exemplar where it gave one.
func (t *target) observe(duration time.Duration, operation string) {
	name := probe.SpecOf(t.endpoint.API).OperationID
	if operation == "" || name == "" {
		t.duration.Observe(duration.Seconds())
		return
	}
	t.duration.ObserveWithExemplar(duration.Seconds(), prometheus.Labels{name: operation})
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
	t.logger.Log(context.Background(), level, "probed", "state", string(r.State), "before", string(before), "duration", r.Duration.Round(time.Microsecond), "diagnosis", r.Diagnosis)
}
