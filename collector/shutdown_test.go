package collector

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// Each quarter of the appliances behaves differently at a shutdown.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 200
		var closed [n]atomic.Int32
		released := make(chan struct{})
		behaviors := []fake{
			{}, // logs out immediately
			{close: func(context.Context) error { return errors.New("the response was 500") }},
			{close: func(ctx context.Context) error { // hangs in Close
				<-ctx.Done()
				return fmt.Errorf("logging out: %w", ctx.Err())
			}},
			{probe: func(context.Context) (probe.Result, error) { // hangs in Probe, like a login
				<-released
				return found(sessionapi.Valid), nil
			}},
		}
		var made int
		c := watch(t, newSettings(newEndpoints(n)...), func(*config.Endpoint) Prober {
			i := made
			made++
			behavior := behaviors[i%4]
			return &fake{probe: behavior.probe, close: func(ctx context.Context) error {
				closed[i].Add(1)
				_, err := behavior.Close(ctx)
				return err
			}}
		})
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Minute, stop)
		start := time.Now()
		err := c.Run(ctx)
		if took := time.Since(start) - 10*time.Minute; took != shutdownTimeout {
			t.Errorf("took %s, want its deadline of %s", took, shutdownTimeout)
		}
		lines := strings.Split(err.Error(), "\n")
		if last := lines[len(lines)-1]; len(lines) != maxReported+1 || last != fmt.Sprintf("and %d more", 3*n/4-maxReported) {
			t.Errorf("%d lines, of which the last is %q", len(lines), last)
		}
		lines = lines[:len(lines)-1]
		for i := range n {
			name := fmt.Sprintf("endpoint %q: ", fmt.Sprintf("endpoint-%d", i))
			want := [...]string{"", "the response was 500", "logging out: context deadline exceeded", "its probe or its logout did not end in time, so its session may be left on the appliance"}[i%4]
			if want != "" && len(lines) > 0 {
				if lines[0] != name+want {
					t.Errorf("reports %q, want %q", lines[0], name+want)
				}
				lines = lines[1:]
			}
			if times := closed[i].Load(); (times == 1) != (i%4 != 3) || times > 1 {
				t.Errorf("endpoint %d was closed %d times", i, times)
			}
		}
		if len(lines) > 0 {
			t.Errorf("reports %q too", lines)
		}
		close(released)
	})
}

func TestShutdownIsParallelAndImmediate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &fake{
			probe: func(ctx context.Context) (probe.Result, error) {
				<-ctx.Done()
				return probe.Result{}, ctx.Err()
			},
			close: func(ctx context.Context) error {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				<-time.After(time.Second)
				return nil
			},
		}
		c := watch(t, newSettings(newEndpoints(1000)...), func(*config.Endpoint) Prober { return slow })
		start := time.Now()
		runFor(t, c, time.Minute+time.Second)
		if took := time.Since(start) - time.Minute; took != 2*time.Second {
			t.Errorf("ended %s after the last probe was due, want 2 s", took)
		}
		synctest.Wait()
		if inFlight := valueOf(t, c.metrics.inFlight); inFlight != 0 {
			t.Errorf("%v in flight", inFlight)
		}
		if len(c.schedule.queue) != 1000 {
			t.Errorf("%d endpoints in the queue", len(c.schedule.queue))
		}
	})
}

// A prober must not even be called, because it may send a login regardless of ctx.
func TestNothingStartsAfterShutdown(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	c := watch(t, newSettings(newEndpoints(100)...), func(e *config.Endpoint) Prober {
		return &fake{probe: func(context.Context) (probe.Result, error) {
			t.Errorf("%s was probed", e.Name)
			return found(sessionapi.Valid), nil
		}}
	})
	for _, target := range c.applied.Load().watched {
		if err := target.probe(over, job{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v", target.name, err)
		}
	}
	results, err := c.ProbeAll(over)
	if err != nil || len(results) != 100 || results[99].Result.State != sessionapi.Unknown {
		t.Errorf("%d results, error %v", len(results), err)
	}
}

func TestNothingIsProbedAfterItsLogout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed atomic.Bool
		c := watch(t, newSettings(newEndpoint("a")), func(*config.Endpoint) Prober {
			return &fake{
				probe: func(context.Context) (probe.Result, error) {
					if closed.Load() {
						t.Error("probed after its logout")
					}
					return found(sessionapi.Valid), nil
				},
				close: func(context.Context) error {
					closed.Store(true)
					return nil
				},
			}
		})
		runFor(t, c, 5*time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := c.applied.Load().watched[0].probe(ctx, job{}); !errors.Is(err, errClosed) {
			t.Errorf("error %v", err)
		}
	})
}

// A host with many endpoints gets no more concurrent logouts than it can respond to in time.
func TestShutdownOfOneHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		endpoints := newEndpoints(5 * closesPerHost)
		for _, e := range endpoints {
			e.URL = endpoints[0].URL
		}
		var running, most, closed atomic.Int32
		c := watch(t, newSettings(endpoints...), func(*config.Endpoint) Prober {
			return &fake{close: func(context.Context) error {
				most.Store(max(most.Load(), running.Add(1)))
				time.Sleep(100 * time.Millisecond)
				running.Add(-1)
				closed.Add(1)
				return nil
			}}
		})
		runFor(t, c, time.Second)
		if most.Load() != closesPerHost || int(closed.Load()) != len(endpoints) {
			t.Errorf("%d logouts in flight, %d in all", most.Load(), closed.Load())
		}
	})
}

// A shutdown does not wait for a reload that hangs. The reload changes nothing afterwards.
func TestShutdownWhileAReloadHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed atomic.Int32
		prober := func(*config.Endpoint) Prober {
			return &fake{close: func(context.Context) error { closed.Add(1); return nil }}
		}
		c := watch(t, newSettings(newEndpoint("a")), prober)
		released, reloaded := make(chan struct{}), make(chan error)
		go func() {
			reloaded <- c.Apply(newSettings(newEndpoint("a"), newEndpoint("b")), func(e *config.Endpoint) (Prober, error) {
				<-released
				return prober(e), nil
			})
		}()
		start := time.Now()
		runFor(t, c, time.Minute)
		if took := time.Since(start); took != time.Minute || closed.Load() != 1 {
			t.Errorf("stopped after %s with %d logouts", took, closed.Load())
		}
		close(released)
		if err := <-reloaded; !errors.Is(err, ErrStopped) {
			t.Errorf("the reload's error is %v", err)
		}
	})
}
