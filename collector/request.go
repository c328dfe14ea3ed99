package collector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"session_exporter/collector/exposition"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// ErrNoEndpoint is the error for an endpoint that the configuration does not have.
var ErrNoEndpoint = errors.New("the configuration has no endpoint with this name")

// ErrBusy is the error of a request that ended before its probe was started.
var ErrBusy = errors.New("too many probes are in flight; raise the open-file limit (LimitNOFILE=, ulimit -n)")

// RequestOptions are the options of a requested probe.
type RequestOptions struct {
	// MaxWait limits how long the caller waits, 0 for no limit. If the probe takes longer,
	// the response is a timeout for this caller, and the probe continues.
	MaxWait time.Duration
	// Trace traces every step of the probe, see probe.Options. A probe that is already
	// in flight remains as it is.
	Trace bool
}

// Response is the result of a requested probe, and its metrics.
type Response struct {
	EndpointResult
	applied *applied
	watched watched
}

// Gather implements prometheus.Gatherer.
func (r *Response) Gather() ([]*dto.MetricFamily, error) {
	return gatherer(func(out io.Writer) error {
		return r.Rendered(protobufFormat).Write(out, protobufFormat, nil, nil)
	}).Gather()
}

// Rendered returns the rendered metrics in one of exposition.Formats.
func (r *Response) Rendered(format expfmt.Format) exposition.Target {
	return r.applied.cache(format).Target(func(out *exposition.Renderer) { r.applied.render(r.watched, 0, out) })
}

// Probe probes an endpoint of the configuration now. Concurrent requests share one
// probe, and requests at the endpoint's interval replace scheduled probes. The error is
// ErrNoEndpoint, ErrBusy, ErrStopped or ctx's. A probe that fails is not an error.
func (c *Collector) Probe(ctx context.Context, endpoint string, o RequestOptions) (*Response, error) {
	return c.request(ctx, o, func() (*applied, watched, error) {
		current := c.applied.Load()
		w, known := current.byName[endpoint]
		if !known {
			return nil, watched{}, ErrNoEndpoint
		}
		return current, w, nil
	})
}

// ProbeTarget is Probe for a target that the configuration does not list, with the
// settings of a module. Its error may also be ErrTooManyTargets, or one of
// config.Config's Target.
func (c *Collector) ProbeTarget(ctx context.Context, module, url string, o RequestOptions) (*Response, error) {
	return c.request(ctx, o, func() (*applied, watched, error) { return c.lookup(module, url) })
}

// request probes the target that find returns.
func (c *Collector) request(ctx context.Context, o RequestOptions, find func() (*applied, watched, error)) (*Response, error) {
	start := time.Now()
	var timeUp <-chan time.Time
	if o.MaxWait > 0 {
		timeUp = time.After(o.MaxWait)
	}
	for {
		current, w, err := find()
		if err != nil {
			return nil, err
		}
		select {
		case err = <-c.start(ctx, w, start, o.Trace):
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timeUp:
			if w.isWaiting() {
				return nil, ErrBusy
			}
			w = w.timedOut(start, o.MaxWait)
		}
		switch {
		case c.onDemand.ctx.Err() != nil:
			return nil, ErrStopped
		case errors.Is(err, errClosed): // a reload removed the target, or it was idle
			continue
		case err != nil:
			return nil, err
		}
		return &Response{EndpointResult{w.endpoint, w.lastResult()}, current, w}, nil
	}
}

// start starts a probe for a request, and returns a channel that gets its error. Once it has
// its slot, the probe is not canceled with the request: others may share it, and the session
// that it establishes would be lost.
func (c *Collector) start(request context.Context, w watched, at time.Time, trace bool) <-chan error {
	probed := make(chan error, 1)
	go func() {
		err := w.probe(c.onDemand.ctx, job{abandoned: request.Done(), options: probe.Options{Trace: trace}})
		if err == nil { // otherwise there is no result, and the schedule must continue
			w.setRequested(at)
		}
		probed <- err
	}()
	return probed
}

// timedOut returns a copy of the target in state Timeout, for a caller that does not wait
// longer while the probe continues. Nothing is counted, or the counters would decrease at the
// end of the probe.
func (w watched) timedOut(start time.Time, maxWait time.Duration) watched {
	w.mu.Lock()
	defer w.mu.Unlock()
	view := &target{name: w.name, api: w.api, state: w.state.clone()}
	result := &view.state.Result
	result.State, result.Start, result.Duration = sessionapi.Timeout, start, maxWait
	result.Diagnosis = fmt.Sprintf("The probe is not complete after %s, the time limit of this request. It continues.", maxWait.Round(time.Millisecond))
	result.Advice = "Set a scrape timeout longer than the endpoint's timeout, or scrape /metrics, which never waits for a probe."
	result.Steps, result.Identity, result.RolesExpected, result.ClockSkew = nil, nil, nil, nil
	result.ResumeAt = time.Time{}
	w.target = view
	return w
}
