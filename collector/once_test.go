package collector

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/probe"
)

// TestProbeEach: each endpoint is told of once, when its logout is over too.
func TestProbeEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards the two below
		left, told := map[string]bool{}, map[string]probe.State{}
		c := watch(t, newSettings(newEndpoints(2*atOnce)...), func(e *config.Endpoint) Prober {
			return &fake{
				probe: func(context.Context) (probe.Result, error) {
					<-time.After(time.Second)
					return found(probe.Timeout), nil
				},
				close: func(context.Context) error {
					<-time.After(time.Second)
					mu.Lock()
					defer mu.Unlock()
					left[e.Name] = true
					return nil
				},
			}
		})
		var halfway int
		time.AfterFunc(3*time.Second, func() {
			mu.Lock()
			defer mu.Unlock()
			halfway = len(told)
		})
		results, err := c.ProbeEach(t.Context(), func(p Probed) {
			mu.Lock()
			defer mu.Unlock()
			if _, again := told[p.Endpoint.Name]; again || !left[p.Endpoint.Name] {
				t.Errorf("told of %s: again %t, logged out %t", p.Endpoint.Name, again, left[p.Endpoint.Name])
			}
			told[p.Endpoint.Name] = p.Result.State
		})
		if err != nil || halfway != atOnce || len(told) != len(results) {
			t.Errorf("error %v; told of %d halfway, of %d in the end, of %d results", err, halfway, len(told), len(results))
		}
		for _, r := range results {
			if told[r.Endpoint.Name] != r.Result.State {
				t.Errorf("%s: told %s, found %s", r.Endpoint.Name, told[r.Endpoint.Name], r.Result.State)
			}
		}
	})
}
