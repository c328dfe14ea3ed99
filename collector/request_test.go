package collector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

func TestUnknownEndpoint(t *testing.T) {
	c := watch(t, newSettings(newEndpoints(1)...), idle)
	if _, err := c.Probe(t.Context(), "another", RequestOptions{}); !errors.Is(err, ErrNoEndpoint) {
		t.Errorf("error %v", err)
	}
}

// Concurrent requests share one probe.
func TestRequestsShareAProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		endpoint := newEndpoint("a")
		j := newJournal(func(*config.Endpoint) time.Duration { return time.Second })
		c := watch(t, newSettings(endpoint), j.prober)
		start := time.Now()
		var requesting sync.WaitGroup
		for range 50 {
			requesting.Go(func() {
				response, err := c.Probe(t.Context(), "a", RequestOptions{})
				if err != nil || response.Result.State != sessionapi.Valid || response.Endpoint != endpoint {
					t.Errorf("response %+v, error %v", response, err)
				}
			})
		}
		requesting.Wait()
		if took := time.Since(start); len(j.starts["a"]) != 1 || took != time.Second {
			t.Errorf("%d probes in %s, want one of a second", len(j.starts["a"]), took)
		}
	})
}

// Requests at the endpoint's interval replace scheduled probes, which resume when the
// requests end.
func TestRequestsReplaceTheSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(func(*config.Endpoint) time.Duration { return time.Second })
		c := watch(t, newSettings(newEndpoint("a")), j.prober)
		const requests = 30
		go func() {
			for i := range requests {
				if _, err := c.Probe(t.Context(), "a", RequestOptions{}); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Minute + time.Duration(i%3-1)*time.Second) // like scrapes, early or late
			}
		}()
		runFor(t, c, time.Hour)
		starts := j.starts["a"]
		early := 0
		for i, start := range starts[1:] {
			gap := start.Sub(starts[i])
			if gap > 70*time.Second {
				t.Errorf("probe %d came %s after the one before", i+1, gap)
			}
			if gap < 50*time.Second {
				early++
			}
		}
		// One probe may be early: the first one after the schedule has resumed.
		if n := len(starts); n < 2*requests-2 || early > 1 {
			t.Errorf("%d probes in an hour, %d of them early", n, early)
		}
	})
}

// A probe continues when its request ends: other requests may share it.
func TestProbeOutlivesItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(func(*config.Endpoint) time.Duration { return time.Second })
		c := watch(t, newSettings(newEndpoint("a")), j.prober)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := c.Probe(ctx, "a", RequestOptions{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		time.Sleep(2 * time.Second)
		if found := c.applied.Load().byName["a"].lastResult(); found.State != sessionapi.Valid {
			t.Errorf("found %s", found.State)
		}
	})
}

// A request with less time than the probe gets a timeout, and no other request does.
func TestRequestTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(func(*config.Endpoint) time.Duration { return 5 * time.Second })
		c := watch(t, newSettings(newEndpoint("a")), j.prober)
		var patient sync.WaitGroup
		patient.Go(func() {
			if response, err := c.Probe(t.Context(), "a", RequestOptions{MaxWait: 6 * time.Second}); err != nil || response.Result.State != sessionapi.Valid {
				t.Errorf("response %+v, error %v", response, err)
			}
		})
		synctest.Wait()
		for _, within := range []time.Duration{time.Second, 3 * time.Second} {
			start := time.Now()
			response, err := c.Probe(t.Context(), "a", RequestOptions{MaxWait: within})
			if took := time.Since(start); err != nil || took != within {
				t.Fatalf("error %v, in %s", err, took)
			}
			if r := response.Result; r.State != sessionapi.Timeout || r.Duration != within {
				t.Errorf("%+v", r)
			}
			if up, ok := sampleOf(t, response, "session_state", "timeout"); !ok || up != 1 {
				t.Errorf("session_state of timeout is %v", up)
			}
			for _, name := range []string{"session_up", "session_http_status_code"} {
				if value, ok := sampleOf(t, response, name, ""); !ok || value != 0 {
					t.Errorf("%s is %v, has a sample: %t", name, value, ok)
				}
			}
			if probes, ok := sampleOf(t, response, "session_probes_total", ""); !ok || probes != 0 {
				t.Errorf("%v probes", probes)
			}
		}
		patient.Wait()
		w := c.applied.Load().byName["a"]
		if r := w.lastResult(); r.State != sessionapi.Valid || len(j.starts["a"]) != 1 || w.state.Probes != 1 {
			t.Errorf("%d probes, found %s", len(j.starts["a"]), r.State)
		}
	})
}

// A timed-out response does not change at the end of the probe, which may be while it is
// read.
func TestTimedOutResponseStays(t *testing.T) {
	c := watch(t, newSettings(newEndpoint("a")), idle)
	w := c.applied.Load().watched[0]
	result := hcxValid()
	w.record(&result)
	timedOut := w.timedOut(result.Start, time.Second)
	response := &Response{applied: c.applied.Load(), watched: timedOut}
	before, history := fmt.Sprint(gatherFrom(t, c, response)), timedOut.state.history.all()
	var ending sync.WaitGroup
	ending.Go(func() {
		for range HistoryLength {
			result := hcxValid()
			result.Start, result.Steps[1].Code = result.Start.Add(time.Hour), "CODE"
			w.record(&result)
		}
	})
	for range 10 {
		if after := fmt.Sprint(gatherFrom(t, c, response)); after != before {
			t.Fatalf("it was\n%s\nand is\n%s", before, after)
		}
	}
	ending.Wait()
	if after := fmt.Sprint(gatherFrom(t, c, response)); after != before {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
	if after := timedOut.state.history.all(); !slices.Equal(after, history) {
		t.Errorf("its history was %v and is %v", history, after)
	}
}

// sampleOf returns the sample of a metric that has a label with this value, if any.
func sampleOf(t *testing.T, metrics prometheus.Gatherer, name, label string) (value float64, ok bool) {
	t.Helper()
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			has := slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetValue() == label })
			if family.GetName() == name && (label == "" || has) {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue(), true
			}
		}
	}
	return 0, false
}

// A request for an endpoint that a reload removes gets ErrNoEndpoint, not ErrStopped.
func TestRequestWhileItsEndpointIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := watch(t, newSettings(newEndpoint("a")), idle)
		gone := c.applied.Load()
		if err := gone.byName["a"].close(t.Context()); err != nil {
			t.Fatal(err)
		}
		failed := make(chan error)
		go func() {
			_, err := c.request(t.Context(), RequestOptions{}, func() (*applied, watched, error) {
				if now := c.applied.Load(); now != gone {
					return nil, watched{}, ErrNoEndpoint
				}
				c.applied.Store(&applied{config: &config.Config{}})
				return gone, gone.byName["a"], nil
			})
			failed <- err
		}()
		if err := <-failed; !errors.Is(err, ErrNoEndpoint) {
			t.Errorf("error %v", err)
		}
	})
}

// A requested probe does not outlive the exporter.
func TestStopEndsRequestedProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := false
		c := watch(t, newSettings(newEndpoint("a")), func(*config.Endpoint) Prober {
			return &fake{
				probe: func(ctx context.Context) (probe.Result, error) { <-ctx.Done(); return probe.Result{}, ctx.Err() },
				close: func(context.Context) error { closed = true; return nil },
			}
		})
		failed := make(chan error)
		go func() {
			_, err := c.Probe(t.Context(), "a", RequestOptions{})
			failed <- err
		}()
		synctest.Wait()
		go runFor(t, c, time.Second)
		if err := <-failed; !errors.Is(err, ErrStopped) {
			t.Errorf("error %v", err)
		}
		synctest.Wait()
		if !closed {
			t.Error("the session was not logged out")
		}
	})
}

func TestResponseMetrics(t *testing.T) {
	c := watch(t, withOrigins(newEndpoints(3)...), idle)
	response, err := c.Probe(t.Context(), "endpoint-1", RequestOptions{})
	if err != nil {
		t.Fatal(err)
	}
	families, err := response.Gather()
	if err != nil || len(families) < len(familyTable())/2 {
		t.Fatalf("%d families, error %v", len(families), err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if !slices.ContainsFunc(metric.GetLabel(), func(l *dto.LabelPair) bool { return l.GetName() == "endpoint" && l.GetValue() == "endpoint-1" }) {
				t.Errorf("%s: %v is of another endpoint", family.GetName(), metric)
			}
		}
	}
}
