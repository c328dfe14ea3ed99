package collector

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// backsOff is a Prober whose logins fail until recovered. It backs off for an hour after each.
type backsOff struct {
	fake
	takes     time.Duration
	recovered bool
	until     time.Time
	sent      []time.Time
}

func (b *backsOff) Probe(_ context.Context, options probe.Options) (*probe.Result, error) {
	if !options.IgnoreBackoff && time.Now().Before(b.until) {
		time.Sleep(b.takes)
		return &probe.Result{State: sessionapi.ServerError, Start: time.Now(), BackoffUntil: b.until, ResumeAt: b.until}, nil
	}
	b.sent = append(b.sent, time.Now())
	time.Sleep(b.takes)
	b.EndBackoff()
	r := found(sessionapi.Valid)
	if !b.recovered {
		b.until = time.Now().Add(time.Hour)
		r = found(sessionapi.ServerError)
	}
	r.Attempted, r.LastRequest, r.BackoffUntil = true, time.Now(), b.until
	return &r, nil
}

func (b *backsOff) EndBackoff() { b.until = time.Time{} }

func watchBackingOff(t *testing.T, takes time.Duration) (*Collector, *backsOff) {
	t.Helper()
	b := &backsOff{takes: takes}
	return watch(t, newSettings(newEndpoint("a")), func(*config.Endpoint) Prober { return b }), b
}

func TestProbeNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b := watchBackingOff(t, 0)
		probed, err := c.ProbeNow(t.Context(), "a")
		if err != nil || probed.Result.State != sessionapi.ServerError || !probed.Result.Attempted || probed.Endpoint.Name != "a" {
			t.Fatalf("%+v, %v", probed, err)
		}
		// A /probe request respects the back-off, and sends nothing.
		if response, err := c.Probe(t.Context(), "a", RequestOptions{}); err != nil || response.Result.Attempted {
			t.Fatalf("%+v, %v", response, err)
		}
		time.Sleep(minProbeNow - time.Second)
		_, err = c.ProbeNow(t.Context(), "a")
		if soon, ok := errors.AsType[*TooSoonError](err); !ok || !soon.Until.Equal(time.Now().Add(time.Second)) {
			t.Fatalf("error %v", err)
		}
		time.Sleep(time.Second)
		b.recovered = true
		if probed, err := c.ProbeNow(t.Context(), "a"); err != nil || probed.Result.State != sessionapi.Valid {
			t.Fatalf("%+v, %v", probed, err)
		}
		if response, err := c.Probe(t.Context(), "a", RequestOptions{}); err != nil || response.Result.State != sessionapi.Valid {
			t.Fatalf("%+v, %v", response, err)
		}
		if _, err := c.ProbeNow(t.Context(), "b"); !errors.Is(err, ErrNoEndpoint) {
			t.Errorf("error %v", err)
		}
	})
}

// Concurrent calls share one probe, but not one that was held back.
func TestProbeNowIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b := watchBackingOff(t, time.Second)
		b.until = time.Now().Add(time.Hour)
		var probing sync.WaitGroup
		probing.Go(func() { _, _ = c.Probe(t.Context(), "a", RequestOptions{}) }) // held back
		synctest.Wait()
		for range 20 {
			probing.Go(func() {
				if probed, err := c.ProbeNow(t.Context(), "a"); err != nil || !probed.Result.Attempted {
					t.Errorf("%+v, %v", probed, err)
				}
			})
		}
		probing.Wait()
		if len(b.sent) != 1 {
			t.Errorf("sent at %v", b.sent)
		}
	})
}

// ProbeNow does not replace scheduled probes.
func TestProbeNowLeavesTheSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(func(*config.Endpoint) time.Duration { return 0 })
		c := watch(t, newSettings(newEndpoint("a")), j.prober)
		start := time.Now()
		first := nextDue("a", time.Minute, start)
		go func() {
			time.Sleep(first.Sub(start) + 30*time.Second)
			if _, err := c.ProbeNow(t.Context(), "a"); err != nil {
				t.Error(err)
			}
		}()
		runFor(t, c, 5*time.Minute)
		if !slices.ContainsFunc(j.starts["a"], func(at time.Time) bool { return at.Equal(first.Add(time.Minute)) }) {
			t.Errorf("probed at %v", j.starts["a"])
		}
	})
}

func TestProbeNowEndsWithTheExporter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := watch(t, newSettings(newEndpoint("a")), func(*config.Endpoint) Prober {
			return &fake{probe: func(ctx context.Context) (probe.Result, error) {
				<-ctx.Done()
				return probe.Result{}, ctx.Err()
			}}
		})
		stopped := make(chan error)
		go func() {
			_, err := c.ProbeNow(t.Context(), "a")
			stopped <- err
		}()
		gone, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.ProbeNow(gone, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		runFor(t, c, time.Second)
		if err := <-stopped; !errors.Is(err, ErrStopped) {
			t.Errorf("error %v", err)
		}
	})
}

// Resume immediately probes the endpoints of a credential that are in back-off, and no
// others.
func TestResumeEndsBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		probers := make(map[string]*backsOff)
		a, other := newEndpoint("a"), newEndpoint("other")
		other.Credential = &config.Credential{Name: "other"}
		c := watch(t, newSettings(a, other), func(e *config.Endpoint) Prober {
			probers[e.Name] = new(backsOff)
			return probers[e.Name]
		})
		go func() {
			time.Sleep(10*time.Minute + 30*time.Second)
			c.Resume("monitor")
		}()
		start := time.Now()
		runFor(t, c, 20*time.Minute)
		if sent := probers["a"].sent; len(sent) != 2 || sent[1].Sub(start) != 10*time.Minute+30*time.Second {
			t.Errorf("sent at %v", sent)
		}
		if sent := probers["other"].sent; len(sent) != 1 {
			t.Errorf("of the other credential: sent at %v", sent)
		}
	})
}

// A request whose probe had no slot in time gets ErrBusy: no result will follow.
func TestProbeNowWithoutASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(takes(time.Minute))
		c := limited(t, 1)
		reload(t, c, j.prober, newEndpoint("a"), newEndpoint("b"))
		var requests sync.WaitGroup
		for endpoint, want := range map[string]error{"a": context.DeadlineExceeded, "b": ErrBusy} {
			requests.Go(func() {
				if endpoint == "b" {
					time.Sleep(time.Second)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				if _, err := c.ProbeNow(ctx, endpoint); !errors.Is(err, want) {
					t.Errorf("%s: error %v, want %v", endpoint, err, want)
				}
			})
		}
		requests.Wait()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if a, b := len(j.starts["a"]), len(j.starts["b"]); a != 1 || b != 0 {
			t.Errorf("%d and %d probes, want 1 and 0", a, b)
		}
	})
}
