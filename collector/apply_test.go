package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

func TestApply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := watch(t, newSettings(newEndpoint("old")), idle)
		applied := time.Now()
		if valueOf(t, c.metrics.reloadSuccessful) != 1 || valueOf(t, c.metrics.reloadSuccess) != float64(applied.Unix()) {
			t.Error("the metrics do not report the reload")
		}
		<-time.After(time.Hour)

		next := newSettings(newEndpoints(4)...)
		next.LabelNames = []string{"site"}
		err := c.Apply(next, func(e *config.Endpoint) (Prober, error) {
			if e.Name == "endpoint-1" || e.Name == "endpoint-3" {
				return nil, fmt.Errorf("endpoint %q: no such file", e.Name)
			}
			return &fake{}, nil
		})
		c.Reloaded(err == nil)
		want := "applying session_exporter.yml: endpoint \"endpoint-1\": no such file\nendpoint \"endpoint-3\": no such file"
		if err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
		if valueOf(t, c.metrics.reloadSuccessful) != 0 {
			t.Error("the metric does not report the failure")
		}
		if at := valueOf(t, c.metrics.reloadSuccess); at != float64(applied.Unix()) {
			t.Errorf("last success at %v, want %v", at, applied.Unix())
		}
		now := c.applied.Load()
		if len(now.watched) != 1 || len(now.config.LabelNames) != 0 || len(c.schedule.queue) != 1 || c.schedule.queue[0].target != now.watched[0].target {
			t.Error("something was applied")
		}
	})
}

// A collector without a configuration has nothing to probe, and waits for one.
func TestNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(noCredentials, slog.New(slog.DiscardHandler))
		if results, err := c.ProbeAll(t.Context()); len(results) != 0 || err != nil {
			t.Errorf("found %v, error %v", results, err)
		}
		j := newJournal(takes(0))
		time.AfterFunc(5*time.Hour, func() {
			if err := c.Apply(newSettings(newEndpoint("late")), func(e *config.Endpoint) (Prober, error) { return j.prober(e), nil }); err != nil {
				t.Error(err)
			}
		})
		runFor(t, c, 6*time.Hour+wakeWindow/2)
		if probes := len(j.starts["late"]); probes != 60 {
			t.Errorf("%d probes, want 60", probes)
		}
	})
}

func TestProbeAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made, closed int
		j := newJournal(nil)
		endpoints := newEndpoints(200)
		c := watch(t, newSettings(endpoints...), func(e *config.Endpoint) Prober {
			i := made
			made++
			return &fake{
				probe: func(context.Context) (probe.Result, error) {
					j.begin(e.Name)
					defer j.end(e.Name)
					<-time.After(time.Second)
					result := found(sessionapi.Valid)
					if i%2 == 1 {
						result.State = sessionapi.Timeout
					}
					result.Established = time.Now()
					return result, nil
				},
				close: func(ctx context.Context) error {
					j.mu.Lock()
					defer j.mu.Unlock()
					closed++
					if i == 7 {
						return errors.New("logging out: the response was 500")
					}
					return ctx.Err()
				},
			}
		})
		start := time.Now()
		results, err := c.ProbeAll(t.Context())
		if took := time.Since(start); took != 4*time.Second { // 64 at once
			t.Errorf("took %s", took)
		}
		if err == nil || err.Error() != `endpoint "endpoint-7": logging out: the response was 500` {
			t.Errorf("error %v", err)
		}
		for i, r := range results {
			want := [...]sessionapi.State{sessionapi.Valid, sessionapi.Timeout}[i%2]
			if r.Endpoint != endpoints[i] || r.Result.State != want || r.Result.Established.IsZero() {
				t.Errorf("result %d is of %s: %s", i, r.Endpoint.Name, r.Result.State)
			}
		}
		if len(results) != 200 || closed != 200 || j.most != maxAllInFlight {
			t.Errorf("%d results, %d closed, %d concurrently", len(results), closed, j.most)
		}
		if held := gather(t, c)["session_exporter_sessions_held"]; held.GetMetric()[0].GetGauge().GetValue() != 0 {
			t.Errorf("still holds sessions: %v", held)
		}
	})
}

func TestProbeAllInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(takes(time.Hour))
		c := watch(t, newSettings(newEndpoints(200)...), j.prober)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		results, err := c.ProbeAll(ctx)
		if err != nil || len(results) != 200 || results[0].Result.State != sessionapi.Unknown {
			t.Errorf("%d results, error %v", len(results), err)
		}
		if len(j.starts) != maxAllInFlight {
			t.Errorf("%d probes began, want the first %d", len(j.starts), maxAllInFlight)
		}
	})
}
