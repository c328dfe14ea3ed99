package collector

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// withOrigins returns settings with a module "m" that allows targets below .test.
func withOrigins(endpoints ...*config.Endpoint) *config.Config {
	settings := newSettings(endpoints...)
	m := newEndpoint("").Settings
	m.Module = "m"
	m.Credential = &config.Credential{Name: "c", Origins: []config.Origin{{Scheme: "https", Host: "*.test", Port: "443"}}}
	settings.Modules = map[string]config.Settings{"m": m}
	return settings
}

// tally counts probers, their probes, and their logouts.
type tally struct{ made, probed, closed atomic.Int32 }

func (s *tally) prober(*config.Endpoint) Prober {
	s.made.Add(1)
	return &fake{
		probe: func(context.Context) (probe.Result, error) { s.probed.Add(1); return found(sessionapi.Valid), nil },
		close: func(context.Context) error { s.closed.Add(1); return nil },
	}
}

func (s *tally) check(t *testing.T, when string, made, probed, closed int32) {
	t.Helper()
	if s.made.Load() != made || s.probed.Load() != probed || s.closed.Load() != closed {
		t.Errorf("%s: %d probers made, %d probes, %d closed; want %d, %d, %d", when, s.made.Load(), s.probed.Load(), s.closed.Load(), made, probed, closed)
	}
}

// A target is kept while it is requested, and dropped after that.
func TestTargetIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s tally
		c := watch(t, withOrigins(), s.prober)
		for range 10 {
			response, err := c.ProbeTarget(t.Context(), "m", "https://a.test/", RequestOptions{})
			if err != nil || response.Result.State != sessionapi.Valid || response.Endpoint.Name != "https://a.test" {
				t.Fatalf("response %+v, error %v", response, err)
			}
			time.Sleep(minIdle - time.Second)
		}
		s.check(t, "requested", 1, 10, 0)
		time.Sleep(2 * time.Second)
		s.check(t, "not requested", 1, 10, 1)
		if _, err := c.ProbeTarget(t.Context(), "m", "https://a.test", RequestOptions{}); err != nil {
			t.Fatal(err)
		}
		s.check(t, "requested again", 2, 11, 1)
		runFor(t, c, time.Second)
		s.check(t, "stopped", 2, 11, 2)
		if _, err := c.ProbeTarget(t.Context(), "m", "https://b.test", RequestOptions{}); !errors.Is(err, ErrStopped) {
			t.Errorf("error %v when stopped", err)
		}
		s.check(t, "requested when stopped", 2, 11, 2)
	})
}

// A reload keeps the targets that it does not change.
func TestTargetsUnderReload(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*config.Config)
		made   int32 // after the next request
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
				var s tally
				c := watch(t, withOrigins(), s.prober)
				request := func() error {
					_, err := c.ProbeTarget(t.Context(), "m", "https://a.test", RequestOptions{})
					return err
				}
				if err := request(); err != nil {
					t.Fatal(err)
				}
				changed := withOrigins()
				tc.change(changed)
				if err := c.Apply(changed, func(e *config.Endpoint) (Prober, error) { return s.prober(e), nil }); err != nil {
					t.Fatal(err)
				}
				if err := request(); !errors.Is(err, tc.err) {
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
	var s tally
	c := watch(t, withOrigins(), s.prober)
	for i := range maxTargets {
		if _, err := c.ProbeTarget(t.Context(), "m", fmt.Sprintf("https://a%d.test", i), RequestOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.ProbeTarget(t.Context(), "m", "https://b.test", RequestOptions{}); !errors.Is(err, ErrTooManyTargets) {
		t.Errorf("error %v", err)
	}
	if _, err := c.ProbeTarget(t.Context(), "m", "https://a1.test", RequestOptions{}); err != nil {
		t.Errorf("a target that is kept: error %v", err)
	}
}

// Thousands of paths of a closed port displace only each other, and make room for others.
func TestPathsOfAClosedPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := watch(t, withOrigins(), func(e *config.Endpoint) Prober {
			return &fake{probe: func(context.Context) (probe.Result, error) {
				if e.URL.Host == "closed.test" {
					return found(sessionapi.Unreachable), nil
				}
				return found(sessionapi.Valid), nil
			}}
		})
		request := func(url string) sessionapi.State {
			t.Helper()
			response, err := c.ProbeTarget(t.Context(), "m", url, RequestOptions{})
			if err != nil {
				t.Fatalf("%s: %v", url, err)
			}
			return response.Result.State
		}
		request("https://closed.test/first")
		valid := request("https://valid.test")
		for i := range 2 * maxPerOrigin {
			request(fmt.Sprintf("https://closed.test/%d", i))
		}
		if kept := len(c.onDemand.targets); kept != maxPerOrigin+1 {
			t.Errorf("%d targets are kept, want %d", kept, maxPerOrigin+1)
		}
		for i := range maxTargets - 1 {
			request(fmt.Sprintf("https://a%d.test", i))
		}
		if got := request("https://valid.test"); got != valid || len(c.onDemand.targets) != maxTargets {
			t.Errorf("it is %s, and %d targets are kept", got, len(c.onDemand.targets))
		}
		kept := 0
		for _, v := range c.onDemand.targets {
			if v.endpoint.URL.Host == "closed.test" {
				kept++
			}
		}
		if kept != 0 {
			t.Errorf("%d targets of the closed port are kept, and valid ones are not", kept)
		}
	})
}
