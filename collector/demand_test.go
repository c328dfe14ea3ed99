package collector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"session_exporter/config"
	"session_exporter/probe"
)

// withOrigins are settings by whose module "m" targets below .test may be asked.
func withOrigins(endpoints ...*config.Endpoint) *config.Config {
	settings := newSettings(endpoints...)
	m := newEndpoint("").Settings
	m.Module = "m"
	m.Credential = &config.Credential{Name: "c", Origins: []config.Origin{{Scheme: "https", Host: "*.test", Port: "443"}}}
	settings.Modules = map[string]config.Settings{"m": m}
	return settings
}

func TestUnknownEndpoint(t *testing.T) {
	c := watch(t, newSettings(newEndpoints(1)...), idle)
	if _, err := c.Probe(t.Context(), "another", 0); !errors.Is(err, ErrNoEndpoint) {
		t.Errorf("error %v", err)
	}
}

// However many ask, one probe is in flight.
func TestAskedProbesAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		endpoint := newEndpoint("a")
		j := newJournal(func(*config.Endpoint) time.Duration { return time.Second })
		c := watch(t, newSettings(endpoint), j.prober)
		start := time.Now()
		var asking sync.WaitGroup
		for range 50 {
			asking.Go(func() {
				answer, err := c.Probe(t.Context(), "a", 0)
				if err != nil || answer.Result.State != probe.Valid || answer.Endpoint != endpoint {
					t.Errorf("answer %+v, error %v", answer, err)
				}
			})
		}
		asking.Wait()
		if took := time.Since(start); len(j.starts["a"]) != 1 || took != time.Second {
			t.Errorf("%d probes in %s, want one of a second", len(j.starts["a"]), took)
		}
	})
}

// Who asks at the endpoint's interval is its schedule; when they cease, ours goes on.
func TestAskedEndpointIsLeftToWhoAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(func(*config.Endpoint) time.Duration { return time.Second })
		c := watch(t, newSettings(newEndpoint("a")), j.prober)
		const asks = 30
		go func() {
			for i := range asks {
				if _, err := c.Probe(t.Context(), "a", 0); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Minute + time.Duration(i%3-1)*time.Second) // as scrapes are, now early, now late
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
		// One, when the schedule takes over: the endpoint's own time comes round.
		if n := len(starts); n < 2*asks-2 || early > 1 {
			t.Errorf("%d probes in an hour, %d of them early", n, early)
		}
	})
}

// Who goes away does not take the probe along, which others may share.
func TestAskerGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(func(*config.Endpoint) time.Duration { return time.Second })
		c := watch(t, newSettings(newEndpoint("a")), j.prober)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := c.Probe(ctx, "a", 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		time.Sleep(2 * time.Second)
		if found := c.applied.Load().byName["a"].found(); found.State != probe.Valid {
			t.Errorf("found %s", found.State)
		}
	})
}

// Who has less time than the probe is told of a timeout, and nobody else is.
func TestAskedWithinTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(func(*config.Endpoint) time.Duration { return 5 * time.Second })
		c := watch(t, newSettings(newEndpoint("a")), j.prober)
		var patient sync.WaitGroup
		patient.Go(func() {
			if answer, err := c.Probe(t.Context(), "a", 6*time.Second); err != nil || answer.Result.State != probe.Valid {
				t.Errorf("answer %+v, error %v", answer, err)
			}
		})
		synctest.Wait()
		for _, within := range []time.Duration{time.Second, 3 * time.Second} {
			start := time.Now()
			answer, err := c.Probe(t.Context(), "a", within)
			if took := time.Since(start); err != nil || took != within {
				t.Fatalf("error %v, in %s", err, took)
			}
			if r := answer.Result; r.State != probe.Timeout || r.Duration != within {
				t.Errorf("%+v", r)
			}
			if up, told := sampleOf(t, answer.Metrics, "session_state", "timeout"); !told || up != 1 {
				t.Errorf("session_state of timeout is %v", up)
			}
			for _, name := range []string{"session_up", "session_http_status_code"} {
				if value, told := sampleOf(t, answer.Metrics, name, ""); !told || value != 0 {
					t.Errorf("%s is %v, told: %t", name, value, told)
				}
			}
			if probes, told := sampleOf(t, answer.Metrics, "session_probes_total", ""); !told || probes != 0 {
				t.Errorf("%v probes", probes)
			}
		}
		patient.Wait()
		w := c.applied.Load().byName["a"]
		if r := w.found(); r.State != probe.Valid || len(j.starts["a"]) != 1 || w.state.probes != 1 {
			t.Errorf("%d probes, found %s", len(j.starts["a"]), r.State)
		}
	})
}

// What somebody is told whose time is up stays as it is when the probe ends that
// goes on, which may be while it is read.
func TestMissedAnswerStays(t *testing.T) {
	c := watch(t, newSettings(newEndpoint("a")), idle)
	w := c.applied.Load().watched[0]
	result := hcxValid()
	w.record(&result)
	missed := w.missed(result.Start, time.Second)
	answer := &one{c.applied.Load(), missed}
	before, history := fmt.Sprint(gatherFrom(t, c, answer)), missed.state.history.all()
	var ending sync.WaitGroup
	ending.Go(func() {
		for range HistoryLength {
			result := hcxValid()
			result.Start, result.Steps[1].Code = result.Start.Add(time.Hour), "CODE"
			w.record(&result)
		}
	})
	for range 10 {
		if after := fmt.Sprint(gatherFrom(t, c, answer)); after != before {
			t.Fatalf("it was\n%s\nand is\n%s", before, after)
		}
	}
	ending.Wait()
	if after := fmt.Sprint(gatherFrom(t, c, answer)); after != before {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
	if after := missed.state.history.all(); !slices.Equal(after, history) {
		t.Errorf("its history was %v and is %v", history, after)
	}
}

// sampleOf returns the sample of a metric with a label of this value, if any.
func sampleOf(t *testing.T, metrics prometheus.Collector, name, label string) (value float64, told bool) {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics)
	families, err := registry.Gather()
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

// An endpoint that a reload takes away is not there, and no reason to say that
// we are stopping.
func TestAskedWhileItIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := watch(t, newSettings(newEndpoint("a")), idle)
		gone := c.applied.Load()
		if err := gone.byName["a"].close(t.Context()); err != nil {
			t.Fatal(err)
		}
		asked := make(chan error)
		go func() {
			_, err := c.ask(t.Context(), 0, func() (*applied, watched, error) {
				if now := c.applied.Load(); now != gone {
					return nil, watched{}, ErrNoEndpoint
				}
				c.applied.Store(&applied{config: &config.Config{}})
				return gone, gone.byName["a"], nil
			})
			asked <- err
		}()
		if err := <-asked; !errors.Is(err, ErrNoEndpoint) {
			t.Errorf("error %v", err)
		}
	})
}

// site counts the probers of targets, and what becomes of them.
type site struct{ made, probed, closed atomic.Int32 }

func (s *site) prober(*config.Endpoint) Prober {
	s.made.Add(1)
	return &fake{
		probe: func(context.Context) (probe.Result, error) { s.probed.Add(1); return found(probe.Valid), nil },
		close: func(context.Context) error { s.closed.Add(1); return nil },
	}
}

func (s *site) check(t *testing.T, when string, made, probed, closed int32) {
	t.Helper()
	if s.made.Load() != made || s.probed.Load() != probed || s.closed.Load() != closed {
		t.Errorf("%s: %d probers made, %d probes, %d closed; want %d, %d, %d", when, s.made.Load(), s.probed.Load(), s.closed.Load(), made, probed, closed)
	}
}

// A target is kept while somebody asks for it, and given up behind that.
func TestTargetIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s site
		c := watch(t, withOrigins(), s.prober)
		for range 10 {
			answer, err := c.ProbeTarget(t.Context(), "m", "https://a.test/", 0)
			if err != nil || answer.Result.State != probe.Valid || answer.Endpoint.Name != "https://a.test" {
				t.Fatalf("answer %+v, error %v", answer, err)
			}
			time.Sleep(minIdle - time.Second)
		}
		s.check(t, "asked for", 1, 10, 0)
		time.Sleep(2 * time.Second)
		s.check(t, "not asked for", 1, 10, 1)
		if _, err := c.ProbeTarget(t.Context(), "m", "https://a.test", 0); err != nil {
			t.Fatal(err)
		}
		s.check(t, "asked for again", 2, 11, 1)
		runFor(t, c, time.Second)
		s.check(t, "stopped", 2, 11, 2)
		if _, err := c.ProbeTarget(t.Context(), "m", "https://b.test", 0); !errors.Is(err, ErrStopped) {
			t.Errorf("error %v when stopped", err)
		}
		s.check(t, "asked for when stopped", 2, 11, 2)
	})
}

// A reload keeps the targets that it does not change.
func TestTargetsUnderReload(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*config.Config)
		made   int32 // after asking again
		closed int32
		err    error
	}{
		{"nothing", func(*config.Config) {}, 1, 0, nil},
		{"labels of endpoints", func(c *config.Config) { c.LabelNames = []string{"site"} }, 1, 0, nil},
		{"the module", func(c *config.Config) { m := c.Modules["m"]; m.Timeout = time.Second; c.Modules["m"] = m }, 2, 1, nil},
		{"the origins", func(c *config.Config) { c.Modules["m"].Credential.Origins = nil }, 1, 1, config.ErrForeignOrigin},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s site
				c := watch(t, withOrigins(), s.prober)
				ask := func() error {
					_, err := c.ProbeTarget(t.Context(), "m", "https://a.test", 0)
					return err
				}
				if err := ask(); err != nil {
					t.Fatal(err)
				}
				changed := withOrigins()
				tc.change(changed)
				if err := c.Apply(changed, func(e *config.Endpoint) (Prober, error) { return s.prober(e), nil }); err != nil {
					t.Fatal(err)
				}
				if err := ask(); !errors.Is(err, tc.err) {
					t.Errorf("error %v, want %v", err, tc.err)
				}
				synctest.Wait()
				if s.made.Load() != tc.made || s.closed.Load() != tc.closed {
					t.Errorf("%d probers made and %d closed, want %d and %d", s.made.Load(), s.closed.Load(), tc.made, tc.closed)
				}
				runFor(t, c, time.Second)
				if s.made.Load() != s.closed.Load() {
					t.Errorf("%d probers made and %d closed at the end", s.made.Load(), s.closed.Load())
				}
			})
		})
	}
}

func TestTooManyTargets(t *testing.T) {
	var s site
	c := watch(t, withOrigins(), s.prober)
	for i := range maxTargets {
		if _, err := c.ProbeTarget(t.Context(), "m", fmt.Sprintf("https://a%d.test", i), 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.ProbeTarget(t.Context(), "m", "https://b.test", 0); !errors.Is(err, ErrTooManyTargets) {
		t.Errorf("error %v", err)
	}
	if _, err := c.ProbeTarget(t.Context(), "m", "https://a1.test", 0); err != nil {
		t.Errorf("a target that is kept: error %v", err)
	}
}

// A probe that was asked for does not outlive the exporter.
func TestStopEndsAskedProbes(t *testing.T) {
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
			_, err := c.Probe(t.Context(), "a", 0)
			failed <- err
		}()
		synctest.Wait()
		go runFor(t, c, time.Second)
		if err := <-failed; !errors.Is(err, ErrStopped) {
			t.Errorf("error %v", err)
		}
		synctest.Wait()
		if !closed {
			t.Error("the session was not ended")
		}
	})
}

func TestAnswerMetrics(t *testing.T) {
	c := watch(t, withOrigins(newEndpoints(3)...), idle)
	answer, err := c.Probe(t.Context(), "endpoint-1", 0)
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(answer.Metrics)
	families, err := registry.Gather()
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
