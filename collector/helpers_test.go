package collector

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// fake is a Prober. Without functions it finds a valid session immediately, and has none to
// log out of.
type fake struct {
	probe func(ctx context.Context) (probe.Result, error)
	close func(ctx context.Context) error
	did   *probe.Result // result of Close, nil for an empty one
}

func (f *fake) Probe(ctx context.Context, _ probe.Options) (*probe.Result, error) {
	if f.probe == nil {
		valid := found(sessionapi.Valid)
		return &valid, nil
	}
	result, err := f.probe(ctx)
	return &result, err
}

// EndBackoff does nothing: a fake does not back off.
func (f *fake) EndBackoff() {}

func (f *fake) Close(ctx context.Context) (*probe.Result, error) {
	did := cmp.Or(f.did, new(probe.Result))
	if f.close == nil {
		return did, nil
	}
	return did, f.close(ctx)
}

func (f *fake) Release() *probe.Session   { return nil }
func (f *fake) Adopt(*probe.Session) bool { return f.close == nil }

func noCredentials() []probe.CredentialStatus { return nil }

func idle(*config.Endpoint) Prober { return &fake{} }

// found returns the result of a probe that sends one check and takes no time.
func found(state sessionapi.State) probe.Result {
	return probe.Result{State: state, Start: time.Now(), Steps: []probe.StepResult{{Step: sessionapi.Check, Status: http.StatusOK}}}
}

// newEndpoint returns an endpoint with an interval of 1m and a timeout of 10 s.
func newEndpoint(name string) *config.Endpoint {
	return &config.Endpoint{Name: name, URL: &url.URL{Scheme: "https", Host: name + ".test"}, Settings: config.Settings{
		API: "hcx", SessionAPI: sessionapi.BuiltIn()["hcx"], Module: "hcx", Auth: sessionapi.AuthLogin, Credential: &config.Credential{Name: "monitor"}, Interval: time.Minute, Timeout: 10 * time.Second,
	}}
}

func newEndpoints(n int) []*config.Endpoint {
	endpoints := make([]*config.Endpoint, n)
	for i := range endpoints {
		endpoints[i] = newEndpoint(fmt.Sprintf("endpoint-%d", i))
	}
	return endpoints
}

func newSettings(endpoints ...*config.Endpoint) *config.Config {
	names := map[string]bool{}
	for _, endpoint := range endpoints {
		for name := range endpoint.Labels {
			names[name] = true
		}
	}
	return &config.Config{Name: "session_exporter.yml", Endpoints: endpoints, LabelNames: slices.Sorted(maps.Keys(names))}
}

// watch returns a collector of endpoints.
func watch(tb testing.TB, settings *config.Config, prober func(*config.Endpoint) Prober) *Collector {
	tb.Helper()
	c := New(noCredentials, slog.New(slog.DiscardHandler))
	if err := c.Apply(settings, func(e *config.Endpoint) (Prober, error) { return prober(e), nil }); err != nil {
		tb.Fatal(err)
	}
	c.Reloaded(true)
	return c
}

// runFor runs a collector for d, which is virtual time in a bubble.
func runFor(t *testing.T, c *Collector, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := c.Run(ctx); err != nil {
		t.Error(err)
	}
}

// journal makes probers that record when they probe.
type journal struct {
	takes func(e *config.Endpoint) time.Duration

	mu       sync.Mutex // guards the fields below
	starts   map[string][]time.Time
	running  map[string]bool
	most     int // probes in flight
	overlaps []string
}

func newJournal(takes func(e *config.Endpoint) time.Duration) *journal {
	return &journal{takes: takes, starts: map[string][]time.Time{}, running: map[string]bool{}}
}

func (j *journal) prober(e *config.Endpoint) Prober {
	return &fake{probe: func(ctx context.Context) (probe.Result, error) {
		j.begin(e.Name)
		defer j.end(e.Name)
		select {
		case <-time.After(j.takes(e)):
			return found(sessionapi.Valid), nil
		case <-ctx.Done():
			return probe.Result{}, ctx.Err()
		}
	}}
}

func (j *journal) begin(name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.running[name] {
		j.overlaps = append(j.overlaps, name)
	}
	j.running[name] = true
	j.starts[name] = append(j.starts[name], time.Now())
	j.most = max(j.most, len(j.running))
}

func (j *journal) end(name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.running, name)
}

// checkPunctual fails if not all probes of the endpoints started on time, from start on.
func (j *journal) checkPunctual(t *testing.T, start time.Time, endpoints []*config.Endpoint) {
	t.Helper()
	for _, e := range endpoints {
		first := nextDue(e.Name, e.Interval, start)
		for i, began := range j.starts[e.Name] {
			due := first.Add(time.Duration(i) * e.Interval)
			if delay := began.Sub(due); delay != 0 {
				t.Fatalf("%s: probe %d began %s after its time", e.Name, i, delay)
			}
		}
	}
	if len(j.overlaps) > 0 {
		t.Errorf("probes of %v overlapped", j.overlaps)
	}
}

func valueOf(tb testing.TB, metric prometheus.Metric) float64 {
	tb.Helper()
	var m dto.Metric
	if err := metric.Write(&m); err != nil {
		tb.Fatal(err)
	}
	switch {
	case m.Counter != nil:
		return m.Counter.GetValue()
	case m.Histogram != nil:
		return float64(m.Histogram.GetSampleCount())
	}
	return m.Gauge.GetValue()
}
