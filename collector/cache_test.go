package collector

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/collector/exposition"
	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// TestCacheIsNeverStale makes random changes to states and configurations, and compares
// the pages in between with client_golang's.
func TestCacheIsNeverStale(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			settings := newSettings(randomEndpoints(random)...)
			c := watch(t, settings, idle)
			for range 40 {
				watched := c.applied.Load().watched
				switch {
				case random.IntN(8) == 0:
					settings = newSettings(randomEndpoints(random)...)
					if random.IntN(2) == 0 {
						settings.MetricsDeny = []*regexp.Regexp{regexp.MustCompile("^(?:session_(state|login.*|probe_duration_seconds))$")}
					}
					if err := c.Apply(settings, func(*config.Endpoint) (Prober, error) { return &fake{}, nil }); err != nil {
						t.Fatal(err)
					}
				case len(watched) > 0:
					changeState(random, watched[random.IntN(len(watched))].target)
				}
				for _, format := range formats {
					if random.IntN(2) == 0 {
						expose(t, c, format)
					}
				}
			}
		})
	}
}

func changeState(random *rand.Rand, target *target) {
	if random.IntN(5) == 0 {
		target.mu.Lock()
		target.state.recordClose(&probe.Result{Logouts: random.IntN(2)})
		target.mu.Unlock()
		return
	}
	result := []func() probe.Result{hcxValid, drValid, hostileResult, func() probe.Result {
		return probe.Result{State: sessionapi.LoginSuspended, Start: time.Now(), ResumeAt: time.Unix(1<<34, 5)}
	}}[random.IntN(4)]()
	result.Duration = time.Duration(random.ExpFloat64() * float64(time.Second))
	result.Logins, result.Expirations, result.Lifetime = random.IntN(3), random.IntN(2), time.Duration(random.Int64N(1e15))
	for i := range result.Steps {
		result.Steps[i].Code = []string{"", hostileText, fmt.Sprint(random.IntN(40))}[random.IntN(3)]
	}
	target.record(&result)
}

// randomEndpoints returns up to five of ten endpoints. Their labels sort before, between
// and after the exporter's.
func randomEndpoints(random *rand.Rand) []*config.Endpoint {
	var endpoints []*config.Endpoint
	for _, i := range random.Perm(10)[:random.IntN(6)] {
		e := newEndpoint(fmt.Sprint("endpoint ", i, hostileText))
		if i%2 == 1 {
			e.API, e.SessionAPI, e.Auth, e.Module = "dr", sessionapi.BuiltIn()["dr"], sessionapi.AuthBasic, "dr"
		}
		e.Labels = map[string]string{}
		for _, name := range []string{"A", "b", "cz", "ez", "org", "rz", "st", "team", "ux", "zone"} {
			if random.IntN(3) == 0 {
				e.Labels[name] = []string{"", "plain", hostileText, strings.Repeat("long", 1+random.IntN(100))}[random.IntN(4)]
			}
		}
		endpoints = append(endpoints, e)
	}
	return endpoints
}

// Scrapers of one format share the fragments: an unchanged state is not read again, and no
// scrape allocates memory that grows with the endpoints.
func TestScrapersShareTheCache(t *testing.T) {
	c := watch(t, newSettings(newEndpoints(200)...), idle)
	for _, target := range c.applied.Load().watched {
		result := hcxValid()
		target.record(&result)
	}
	for _, format := range formats {
		cache := c.Cache(format)
		var first bytes.Buffer
		if err := cache.Write(&first, format, nil, nil); err != nil {
			t.Fatal(err)
		}
		if allocs := testing.AllocsPerRun(10, func() {
			if err := cache.Write(new(counting), format, nil, nil); err != nil {
				t.Error(err)
			}
		}); allocs > 20 {
			t.Errorf("%s: %v allocations without a change", format, allocs)
		}
		var scraping sync.WaitGroup
		for range 4 {
			scraping.Go(func() {
				var body bytes.Buffer
				if err := cache.Write(&body, format, nil, nil); err != nil || !bytes.Equal(body.Bytes(), first.Bytes()) {
					t.Errorf("%s: the page changed, or error %v", format, err)
				}
			})
		}
		scraping.Wait()
	}
}

// A scraper that reads slowly gets the page as it was when its scrape began.
func TestPageIsConsistent(t *testing.T) {
	c := watch(t, newSettings(newEndpoints(100)...), idle)
	before := write(t, c, textFormat)
	var slow bytes.Buffer
	changing := func(p []byte) {
		slow.Write(p)
		if slow.Len() > len(p) {
			return
		}
		for _, target := range c.applied.Load().watched {
			result := hcxValid()
			target.record(&result)
		}
		write(t, c, textFormat) // has the changed states
	}
	if err := c.Cache(textFormat).Write(writerFunc(changing), textFormat, gatherFrom(t, c, aboutExporter(t, c)), nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(slow.Bytes(), before) {
		t.Error("the page mixes old and changed states")
	}
}

type writerFunc func(p []byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}

// Each format has a cache.
func TestCachedFormats(t *testing.T) {
	c := watch(t, newSettings(), idle)
	for _, format := range exposition.Formats {
		if c.Cache(format) == nil {
			t.Errorf("%s has none", format)
		}
	}
}

// A response's rendered metrics are client_golang's, in all formats, for an endpoint, for a
// target, and for a caller that did not wait.
func TestRenderedResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := withOrigins(newEndpoints(3)...)
		settings.LabelNames = []string{"site", "zone"}
		c := watch(t, settings, func(e *config.Endpoint) Prober {
			return &fake{probe: func(context.Context) (probe.Result, error) {
				if e.Name == "endpoint-2" {
					time.Sleep(time.Minute)
				}
				return hcxValid(), nil
			}}
		})
		for name, request := range map[string]func() (*Response, error){
			"endpoint": func() (*Response, error) { return c.Probe(t.Context(), "endpoint-1", RequestOptions{}) },
			"target":   func() (*Response, error) { return c.ProbeTarget(t.Context(), "m", "https://a.test", RequestOptions{}) },
			"timeout": func() (*Response, error) {
				return c.Probe(t.Context(), "endpoint-2", RequestOptions{MaxWait: time.Second})
			},
		} {
			response, err := request()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, format := range slices.Concat(formats, formats) { // the memory is reused
				var body bytes.Buffer
				if err := response.Rendered(format).Write(&body, format, nil, nil); err != nil {
					t.Fatal(err)
				}
				checkSame(t, gatherFrom(t, c, response), format, body.Bytes())
			}
		}
		time.Sleep(time.Hour) // until the last probe has ended
	})
}

// Reloads change the names of labels while a target is requested: its labels and its
// metrics are of the same configuration.
func TestRenderedTargetUnderReload(t *testing.T) {
	c := watch(t, withOrigins(), idle)
	stop := make(chan struct{})
	var reloading sync.WaitGroup
	reloading.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			settings := withOrigins()
			settings.LabelNames = []string{"x", "y", "z"}[:i%4]
			if err := c.Apply(settings, func(e *config.Endpoint) (Prober, error) { return idle(e), nil }); err != nil {
				t.Error(err)
			}
		}
	})
	defer reloading.Wait()
	defer close(stop)
	for range 500 {
		response, err := c.ProbeTarget(t.Context(), "m", "https://a.test", RequestOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		if err := response.Rendered(textFormat).Write(&body, textFormat, nil, nil); err != nil || !strings.Contains(body.String(), "\nsession_up{") {
			t.Fatalf("error %v, wrote %s", err, &body)
		}
	}
}
