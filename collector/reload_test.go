package collector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// ledger makes probers that record their events, as "name#number-of-the-prober event".
type ledger struct {
	made map[string]int // only Apply writes

	mu      sync.Mutex // guards entries
	entries []string
}

func (l *ledger) note(entry string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, entry)
}

func (l *ledger) prober(e *config.Endpoint) Prober {
	if l.made == nil {
		l.made = map[string]int{}
	}
	l.made[e.Name]++
	id := fmt.Sprintf("%s#%d", e.Name, l.made[e.Name])
	return &fake{
		probe: func(context.Context) (probe.Result, error) {
			l.note(id + " probed")
			result := found(sessionapi.Valid)
			result.Established = time.Now()
			return result, nil
		},
		close: func(context.Context) error {
			l.note(id + " closed")
			return nil
		},
	}
}

// since returns the entries after the first n, sorted and without duplicates.
func (l *ledger) since(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	entries := slices.Clone(l.entries[n:])
	slices.Sort(entries)
	return strings.Join(slices.Compact(entries), ", ")
}

func reload(t *testing.T, c *Collector, prober func(*config.Endpoint) Prober, endpoints ...*config.Endpoint) {
	t.Helper()
	err := c.Apply(newSettings(endpoints...), func(e *config.Endpoint) (Prober, error) { return prober(e), nil })
	if err != nil {
		t.Fatal(err)
	}
}

func TestReloadReplacesOnlyWhatChanged(t *testing.T) {
	changed := newEndpoint("a")
	changed.Timeout = time.Second
	labeled := newEndpoint("a")
	labeled.Labels = map[string]string{"site": "x"}
	otherAPI := newEndpoint("a")
	otherAPI.API, otherAPI.SessionAPI = "dr", sessionapi.BuiltIn()["dr"]
	for _, tc := range []struct {
		name       string
		next       []*config.Endpoint
		want       string  // in the hour after the reload
		wantProbes float64 // of endpoint a, counted at the end; 60 of them before the reload
	}{
		{"nothing changed", []*config.Endpoint{newEndpoint("a")}, "a#1 probed", 120},
		{"labels changed", []*config.Endpoint{labeled}, "a#1 probed", 120},
		{"settings changed", []*config.Endpoint{changed}, "a#1 closed, a#2 probed", 120},
		{"another API", []*config.Endpoint{otherAPI}, "a#1 closed, a#2 probed", 60},
		{"one added", []*config.Endpoint{newEndpoint("a"), newEndpoint("b")}, "a#1 probed, b#1 probed", 120},
		{"removed", nil, "a#1 closed", 0},
		{"replaced by another endpoint", []*config.Endpoint{newEndpoint("b")}, "a#1 closed, b#1 probed", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l ledger
				c := watch(t, newSettings(newEndpoint("a")), l.prober)
				ctx, stop := context.WithTimeout(t.Context(), 2*time.Hour-time.Nanosecond)
				defer stop()
				var written atomic.Int64
				time.AfterFunc(time.Hour, func() {
					l.mu.Lock()
					written.Store(int64(len(l.entries)))
					l.mu.Unlock()
					reload(t, c, l.prober, tc.next...)
				})
				time.AfterFunc(2*time.Hour-2*time.Nanosecond, func() {
					if got := l.since(int(written.Load())); got != tc.want {
						t.Errorf("after the reload: %s; want %s", got, tc.want)
					}
				})
				if err := c.Run(ctx); err != nil {
					t.Error(err)
				}
				probes := 0.0
				for _, w := range c.applied.Load().watched {
					if w.name == "a" {
						probes = w.state.Probes
					}
				}
				if probes != tc.wantProbes {
					t.Errorf("%v probes counted, want %v", probes, tc.wantProbes)
				}
			})
		})
	}
}

// A reload does not interrupt the probes in flight. Removed endpoints are not probed again,
// and no endpoint that is kept is probed twice concurrently.
func TestReloadWhileProbing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(takes(9 * time.Second))
		endpoints := newEndpoints(60)
		c := watch(t, newSettings(endpoints...), j.prober)
		for second := range 600 {
			time.AfterFunc(time.Duration(second)*time.Second, func() {
				next := slices.Clone(endpoints[:30]) // these are always kept
				if second%2 == 0 {
					next = append(next, endpoints[30:45]...)
				}
				reload(t, c, j.prober, next...)
			})
		}
		start := time.Now()
		runFor(t, c, time.Hour)
		for _, e := range endpoints[:30] {
			if probes := len(j.starts[e.Name]); probes != 60 {
				t.Errorf("%s was probed %d times in an hour, want 60", e.Name, probes)
			}
		}
		for _, e := range endpoints[45:] {
			if probes := len(j.starts[e.Name]); probes > 1 {
				t.Errorf("%s was probed %d times, though it was removed immediately", e.Name, probes)
			}
		}
		for _, name := range j.overlaps {
			if slices.ContainsFunc(endpoints[:30], func(e *config.Endpoint) bool { return e.Name == name }) {
				t.Errorf("probes of %s overlapped", name)
			}
		}
		if took := time.Since(start); took > time.Hour+20*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

// A shutdown waits for the logouts of a reload.
func TestReloadLogsOutBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed atomic.Int32
		c := watch(t, newSettings(newEndpoints(100)...), func(*config.Endpoint) Prober {
			return &fake{close: func(ctx context.Context) error {
				select {
				case <-time.After(2 * time.Second):
					closed.Add(1)
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}}
		})
		time.AfterFunc(time.Minute, func() { reload(t, c, idle) })
		runFor(t, c, time.Minute+time.Second)
		if closed.Load() != 100 {
			t.Errorf("%d of 100 logouts were waited for", closed.Load())
		}
		err := c.Apply(newSettings(), nil)
		if !errors.Is(err, ErrStopped) {
			t.Errorf("a reload after the end gives %v", err)
		}
	})
}

// The error of a shutdown names, once each, the endpoints whose logout did not complete in
// time, after a reload changed, removed or dropped them.
func TestShutdownNamesTheLogoutsOfAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := func(*config.Endpoint) Prober {
			return &fake{close: func(ctx context.Context) error {
				<-ctx.Done()
				return ctx.Err()
			}}
		}
		changed := newEndpoint("changed")
		changed.Timeout = time.Second
		c := watch(t, withOrigins(newEndpoint("changed"), newEndpoint("removed")), hangs)
		if _, err := c.ProbeTarget(t.Context(), "m", "https://target.test", RequestOptions{}); err != nil {
			t.Fatal(err)
		}
		reload(t, c, hangs, changed)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		err := c.Run(ctx)
		if took := time.Since(start) - time.Second; took != shutdownTimeout {
			t.Errorf("took %s, want its deadline of %s", took, shutdownTimeout)
		}
		if err == nil {
			t.Fatal("nothing was left")
		}
		lines := strings.Split(err.Error(), "\n")
		slices.Sort(lines)
		const left = ": its probe or its logout did not end in time, so its session may be left on the appliance"
		if want := []string{`endpoint "changed"` + left, `endpoint "https://target.test"` + left, `endpoint "removed"` + left}; !slices.Equal(lines, want) {
			t.Errorf("left %q, want %q", lines, want)
		}
		time.Sleep(time.Hour) // the logouts must end
	})
}

// An endpoint that is removed is logged out of, however long its probe takes.
func TestRemovedDuringALongProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEndpoint("a")
		e.Interval, e.Timeout = 5*time.Minute, 2*time.Minute
		var closed atomic.Bool
		c := watch(t, newSettings(e), func(*config.Endpoint) Prober {
			return &fake{
				probe: func(context.Context) (probe.Result, error) {
					time.Sleep(logoutTimeout + 30*time.Second)
					return found(sessionapi.Valid), nil
				},
				close: func(context.Context) error { closed.Store(true); return nil },
			}
		})
		go func() { _, _ = c.Probe(t.Context(), "a", RequestOptions{}) }()
		synctest.Wait()
		if err := c.Apply(newSettings(), func(*config.Endpoint) (Prober, error) { return &fake{}, nil }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if !closed.Load() {
			t.Error("it was not logged out of")
		}
	})
}
