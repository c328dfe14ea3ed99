package web

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"session_exporter/collector"
	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// hangTime is how long the probe of a slow endpoint takes, unless its context ends earlier.
const hangTime = time.Minute

// stub is a prober that returns a given state or, if it hangs, a timeout after hangTime.
type stub struct {
	state sessionapi.State
	hangs bool
}

func (s stub) Probe(ctx context.Context, _ probe.Options) (*probe.Result, error) {
	start := time.Now()
	if s.hangs {
		select {
		case <-time.After(hangTime):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		return &probe.Result{State: sessionapi.Timeout, Start: start, Duration: hangTime}, nil
	}
	return &probe.Result{State: s.state, Start: start, Duration: 250 * time.Millisecond, Steps: []probe.StepResult{{Step: sessionapi.Check, Status: 200}}}, nil
}

func (stub) Close(context.Context) (*probe.Result, error) { return new(probe.Result), nil }
func (stub) Release() *probe.Session                      { return nil }
func (stub) Adopt(*probe.Session) bool                    { return true }
func (stub) EndBackoff()                                  {}

// newProbingHandler returns a handler whose collector has this configuration.
func newProbingHandler(t *testing.T, settings *config.Config) http.Handler {
	t.Helper()
	return newHandler(t, newProbingOptions(t, settings))
}

func newProbingOptions(t *testing.T, settings *config.Config) Options {
	t.Helper()
	o := newOptions()
	o.Collector = collector.New(func() []probe.CredentialStatus { return nil }, slog.New(slog.DiscardHandler))
	err := o.Collector.Apply(settings, func(e *config.Endpoint) (collector.Prober, error) {
		if e.Name == "bad" {
			return stub{state: sessionapi.CredentialsRejected}, nil
		}
		return stub{state: sessionapi.Valid, hangs: e.Name == "slow"}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func threeEndpoints() *config.Config {
	at := func(name string) *config.Endpoint {
		return &config.Endpoint{
			Name: name, URL: &url.URL{Scheme: "https", Host: name + ".test:9443"}, Labels: map[string]string{"site": "a"},
			Settings: config.Settings{
				API: "hcx", SessionAPI: sessionapi.BuiltIn()["hcx"], Module: "m", Interval: time.Minute, Timeout: 10 * time.Second,
				Credential: &config.Credential{Name: "c", Origins: []config.Origin{{Scheme: "https", Host: "*.test", Port: "9443"}}},
			},
		}
	}
	endpoints := []*config.Endpoint{at("good"), at("bad"), at("slow")}
	return &config.Config{
		Endpoints: endpoints, LabelNames: []string{"site"},
		Modules: map[string]config.Settings{"m": endpoints[0].Settings},
	}
}

func TestProbe(t *testing.T) {
	for _, tc := range []struct {
		name, query string
		status      int
		want        []string
	}{
		{"good", "endpoint=good", 200, []string{`session_up{api="hcx",endpoint="good",site="a"} 1`, "\nprobe_success 1\n", "\nprobe_duration_seconds 0.25\n"}},
		{"bad", "endpoint=bad", 200, []string{`session_state{api="hcx",endpoint="bad",site="a",state="credentials_rejected"} 1`, "\nprobe_success 0\n"}},
		{"target", "module=m&target=https://new.test:9443", 200, []string{`session_up{api="hcx",endpoint="https://new.test:9443",site=""} 1`, "\nprobe_success 1\n"}},
		{"unknown", "endpoint=another", 404, []string{"the configuration has no endpoint with this name"}},
		{"foreign", "module=m&target=https://attacker.example", 403, []string{"foreign origin"}},
		{"unknown module", "module=x&target=https://new.test:9443", 400, []string{`unknown module "x"`}},
		{"nothing", "", 400, []string{"name an endpoint or a target: /probe?endpoint=NAME, or /probe?module=MODULE&target=URL"}},
		{"a target alone", "target=https://new.test:9443", 400, []string{"name an endpoint or a target"}},
		{"both", "endpoint=good&module=m&target=https://new.test:9443", 400, []string{"name an endpoint or a target"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			response := send(newProbingHandler(t, threeEndpoints()), http.MethodGet, "/probe?"+tc.query)
			if response.Code != tc.status {
				t.Errorf("status %d, want %d", response.Code, tc.status)
			}
			for _, want := range tc.want {
				if !strings.Contains(response.Body.String(), want) {
					t.Errorf("no %q in\n%s", want, response.Body)
				}
			}
		})
	}
}

// The response is the same as promhttp's for every format and filter.
func TestProbeSameAsPromhttp(t *testing.T) {
	settings := threeEndpoints()
	settings.MetricsDeny = []*regexp.Regexp{regexp.MustCompile("^(?:probe_duration_seconds|session_login.*)$")}
	for _, settings := range []*config.Config{threeEndpoints(), settings} {
		for _, query := range []string{"", "&name[]=session_state&name[]=probe_success", "&name[]=nothing"} {
			for _, accept := range []string{
				"", "text/plain;version=0.0.4;escaping=dots", "application/openmetrics-text;version=0.0.1", acceptText, acceptProtobuf,
				"application/openmetrics-text;version=2.0.0",
			} {
				synctest.Test(t, func(t *testing.T) { // so that both probes start at the same time
					got := send(newProbingHandler(t, settings), http.MethodGet, "/probe?endpoint=bad"+query, "Accept", accept)
					c := newProbingOptions(t, settings).Collector
					probed, err := c.Probe(t.Context(), "bad", collector.RequestOptions{})
					if err != nil {
						t.Fatal(err)
					}
					registry := prometheus.NewRegistry()
					duration := prometheus.NewGauge(prometheus.GaugeOpts{Name: "probe_duration_seconds", Help: "How long the probe took."})
					duration.Set(0.25)
					registry.MustRegister(duration, prometheus.NewGauge(prometheus.GaugeOpts{Name: "probe_success", Help: "Whether the probe found a valid session."}))
					theirs := promhttp.HandlerFor(c.Filter(prometheus.Gatherers{registry, probed}), promhttp.HandlerOpts{EnableOpenMetrics: true, EnableOpenMetricsTextCreatedSamples: true})
					want := send(theirs, http.MethodGet, "/probe?endpoint=bad"+query, "Accept", offered(accept))
					if got.Header().Get("Content-Type") != want.Header().Get("Content-Type") || !slices.Equal(got.Header().Values("Vary"), want.Header().Values("Vary")) {
						t.Errorf("%q: %s, want %s", accept, got.Header(), want.Header())
					}
					if got.Body.String() != want.Body.String() {
						t.Errorf("%q%s: %s\nwant\n%s", accept, query, got.Body, want.Body)
					}
				})
			}
		}
	}
}

// Probes on demand are compressed as scrapes are.
func TestProbeEncodings(t *testing.T) {
	handler := newProbingHandler(t, threeEndpoints())
	for _, encoding := range []string{"", "gzip", "zstd"} {
		response := send(handler, http.MethodGet, "/probe?endpoint=good", "Accept-Encoding", encoding)
		if got := response.Header().Get("Content-Encoding"); got != encoding {
			t.Errorf("encoding %q, want %q", got, encoding)
		}
		if body := decompress(t, encoding, response.Body.String()); !strings.Contains(body, "\nprobe_success 1\n") {
			t.Errorf("%s: %s", encoding, body)
		}
	}
}

// A response must reach Prometheus within its scrape timeout.
func TestProbeScrapeTimeout(t *testing.T) {
	for _, tc := range []struct {
		header string
		within time.Duration
	}{{"10", 9500 * time.Millisecond}, {"2.5", 2 * time.Second}, {"0.5", 250 * time.Millisecond}} {
		t.Run(tc.header, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				handler := newProbingHandler(t, threeEndpoints())
				defer time.Sleep(hangTime) // until the probe has finished
				start := time.Now()
				response := send(handler, http.MethodGet, "/probe?endpoint=slow", scrapeTimeoutHeader, tc.header)
				if took := time.Since(start); took != tc.within {
					t.Errorf("took %s, want %s", took, tc.within)
				}
				if response.Code != 200 || !strings.Contains(response.Body.String(), `state="timeout"} 1`) {
					t.Errorf("status %d, body %s", response.Code, response.Body)
				}
			})
		})
	}
	for _, header := range []string{"0", "-1", "soon", "NaN", "Inf", "1e300"} {
		if response := send(newProbingHandler(t, threeEndpoints()), http.MethodGet, "/probe?endpoint=good", scrapeTimeoutHeader, header); response.Code != http.StatusBadRequest {
			t.Errorf("%s: status %d", header, response.Code)
		}
	}
}

// Requests with different timeouts that share a probe each return within their own.
func TestProbeSharedForTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := newProbingHandler(t, threeEndpoints())
		var longer sync.WaitGroup
		defer longer.Wait()
		longer.Go(func() {
			start := time.Now()
			response := send(handler, http.MethodGet, "/probe?endpoint=slow", scrapeTimeoutHeader, "100")
			if took := time.Since(start); response.Code != 200 || took != hangTime {
				t.Errorf("status %d in %s", response.Code, took)
			}
		})
		synctest.Wait()
		start := time.Now()
		response := send(handler, http.MethodGet, "/probe?endpoint=slow", scrapeTimeoutHeader, "5")
		if took := time.Since(start); response.Code != 200 || took != 4500*time.Millisecond || !strings.Contains(response.Body.String(), "\nprobe_success 0\n") {
			t.Errorf("status %d in %s", response.Code, took)
		}
	})
}

func TestDiscovery(t *testing.T) {
	settings := threeEndpoints()
	settings.Endpoints = settings.Endpoints[:1]
	response := send(newProbingHandler(t, settings), http.MethodGet, "/sd")
	var got any
	if err := json.Unmarshal(response.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := []any{map[string]any{
		"targets": []any{"good"},
		"labels": map[string]any{
			"__param_endpoint":                 "good",
			"__meta_session_exporter_api":      "hcx",
			"__meta_session_exporter_module":   "m",
			"__meta_session_exporter_url":      "https://good.test:9443",
			"__meta_session_exporter_interval": "1m",
			"__meta_session_exporter_timeout":  "10s",
			"site":                             "a",
		},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if contentType := response.Header().Get("Content-Type"); contentType != "application/json" { // Prometheus accepts no other
		t.Errorf("content type %q", contentType)
	}
	if body := send(newProbingHandler(t, &config.Config{}), http.MethodGet, "/sd").Body.String(); body != "[]\n" {
		t.Errorf("without endpoints: %q", body)
	}
}
