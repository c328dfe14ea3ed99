package collector

import (
	"context"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// TestProbeEach checks that done is called once for each endpoint, after its logout.
func TestProbeEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards the two below
		closed, done := map[string]bool{}, map[string]sessionapi.State{}
		c := watch(t, newSettings(newEndpoints(2*maxAllInFlight)...), func(e *config.Endpoint) Prober {
			return &fake{
				probe: func(context.Context) (probe.Result, error) {
					<-time.After(time.Second)
					return found(sessionapi.Timeout), nil
				},
				close: func(context.Context) error {
					<-time.After(time.Second)
					mu.Lock()
					defer mu.Unlock()
					closed[e.Name] = true
					return nil
				},
			}
		})
		var halfway int
		time.AfterFunc(3*time.Second, func() {
			mu.Lock()
			defer mu.Unlock()
			halfway = len(done)
		})
		results, err := c.ProbeEach(t.Context(), func(p EndpointResult) {
			mu.Lock()
			defer mu.Unlock()
			if _, again := done[p.Endpoint.Name]; again || !closed[p.Endpoint.Name] {
				t.Errorf("done with %s: again %t, logged out %t", p.Endpoint.Name, again, closed[p.Endpoint.Name])
			}
			done[p.Endpoint.Name] = p.Result.State
		})
		if err != nil || halfway != maxAllInFlight || len(done) != len(results) {
			t.Errorf("error %v; done with %d halfway, of %d in the end, of %d results", err, halfway, len(done), len(results))
		}
		for _, r := range results {
			if done[r.Endpoint.Name] != r.Result.State {
				t.Errorf("%s: passed %s, returned %s", r.Endpoint.Name, done[r.Endpoint.Name], r.Result.State)
			}
		}
	})
}

// TestProbeEvery checks that each endpoint is probed immediately and then at its interval,
// and logged out once at the end. After a slow probe, the next one starts immediately; after
// one that was queued, a second later.
func TestProbeEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var mu sync.Mutex // guards the two below
		closed, at := map[string]int{}, map[string][]time.Duration{}
		c := watch(t, newSettings(newEndpoint("quick"), newEndpoint("slow"), newEndpoint("queues")), func(e *config.Endpoint) Prober {
			return &fake{
				probe: func(context.Context) (probe.Result, error) {
					result := found(sessionapi.Valid)
					result.Queued = e.Name == "queues" && time.Since(start) < 2*time.Second
					if e.Name == "slow" {
						<-time.After(90 * time.Second)
					}
					return result, nil
				},
				close: func(context.Context) error {
					mu.Lock()
					defer mu.Unlock()
					closed[e.Name]++
					return nil
				},
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 185*time.Second)
		defer cancel()
		err := c.ProbeEvery(ctx, func(p EndpointResult) {
			mu.Lock()
			defer mu.Unlock()
			at[p.Endpoint.Name] = append(at[p.Endpoint.Name], p.Result.Start.Sub(start)/time.Second)
		})
		if want := (map[string][]time.Duration{"quick": {0, 60, 120, 180}, "slow": {0, 90, 180}, "queues": {0, 1, 2, 62, 122, 182}}); err != nil || !reflect.DeepEqual(at, want) {
			t.Errorf("error %v, probed at %v, want %v", err, at, want)
		}
		if want := (map[string]int{"quick": 1, "slow": 1, "queues": 1}); !reflect.DeepEqual(closed, want) {
			t.Errorf("logged out %v", closed)
		}
	})
}
