package collector

import (
	"bytes"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"session_exporter/collector/exposition"
	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// twin has client_golang's own counters and histograms, created and updated at the same time
// as those of a collector.
type twin struct {
	*Collector
	registry  *prometheus.Registry
	counters  map[string]*prometheus.CounterVec
	durations *prometheus.HistogramVec
}

func newTwin(t *testing.T) *twin {
	t.Helper()
	tw := &twin{Collector: watch(t, newSettings(), idle), registry: prometheus.NewRegistry(), counters: map[string]*prometheus.CounterVec{}}
	for _, f := range familyTable() {
		labels := append([]string{"api", "endpoint"}, f.labels...)
		switch f.kind {
		case counter:
			tw.counters[f.name] = prometheus.NewCounterVec(prometheus.CounterOpts{Name: f.name, Help: f.help, Unit: exposition.UnitOf(f.name)}, labels)
			tw.registry.MustRegister(tw.counters[f.name])
		case histogramKind:
			tw.durations = prometheus.NewHistogramVec(prometheus.HistogramOpts{
				Name: f.name, Help: f.help, Unit: exposition.UnitOf(f.name),
				Buckets: classicBounds[:], NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: maxNative,
			}, labels)
			tw.registry.MustRegister(tw.durations)
		}
	}
	return tw
}

// reload reloads with these endpoints. The counters of new ones start at 0.
func (tw *twin) reload(t *testing.T, endpoints ...*config.Endpoint) {
	t.Helper()
	for _, w := range tw.applied.Load().watched {
		if !slices.ContainsFunc(endpoints, func(e *config.Endpoint) bool { return e.Name == w.name && e.API == w.api }) {
			gone := prometheus.Labels{"api": w.api, "endpoint": w.name}
			for _, vec := range tw.counters {
				vec.DeletePartialMatch(gone)
			}
			tw.durations.DeletePartialMatch(gone)
		}
	}
	reload(t, tw.Collector, idle, endpoints...)
	for _, e := range endpoints { // existing ones are not changed
		tw.durations.WithLabelValues(e.API, e.Name)
		for name, vec := range tw.counters {
			if name != "session_errors_total" {
				vec.WithLabelValues(e.API, e.Name)
				continue
			}
			for _, code := range e.SessionAPI.Spec().Codes {
				vec.WithLabelValues(e.API, e.Name, code)
			}
		}
	}
}

// fail records a failed login of all endpoints, with a documented code if the API has one.
func (tw *twin) fail() {
	const took = 300 * time.Millisecond
	for _, w := range tw.applied.Load().watched {
		code := ""
		if codes := w.endpoint.SessionAPI.Spec().Codes; len(codes) > 0 {
			code = codes[0]
		}
		result := probe.Result{
			State: sessionapi.CredentialsRejected, Start: time.Now(), Duration: took, Logins: 1, LoginFailures: 1,
			Steps: []probe.StepResult{{Step: sessionapi.Login, Status: 401, Code: code}},
		}
		w.record(&result)
		for _, name := range []string{"session_probes_total", "session_probe_failures_total", "session_logins_total", "session_login_failures_total"} {
			tw.counters[name].WithLabelValues(w.api, w.name).Inc()
		}
		if code != "" {
			tw.counters["session_errors_total"].WithLabelValues(w.api, w.name, code).Inc()
		}
		tw.durations.WithLabelValues(w.api, w.name).Observe(took.Seconds())
	}
}

// check compares the counters and histograms in all formats.
func (tw *twin) check(t *testing.T) {
	t.Helper()
	families, err := tw.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range formats {
		for _, family := range families {
			var got, want bytes.Buffer
			only := func(name string) bool { return name == family.GetName() }
			if err := tw.Cache(format).Write(&got, format, nil, only); err != nil {
				t.Fatal(err)
			}
			if err := expfmt.NewEncoder(&want, format, expfmt.WithCreatedLines()).Encode(family); err != nil {
				t.Fatal(err)
			}
			ours := bytes.TrimSuffix(got.Bytes(), []byte("# EOF\n"))
			if !bytes.Equal(inOrder(format, family, ours), inOrder(format, family, want.Bytes())) {
				t.Errorf("%s: it is\n%s\nwant\n%s", format, ours, want.Bytes())
			}
		}
	}
}

// created returns when the failures of an endpoint started to be counted.
func (tw *twin) created(t *testing.T, endpoint string) time.Time {
	t.Helper()
	for _, m := range gather(t, tw.Collector)["session_probe_failures_total"].GetMetric() {
		if labelOf(m, "endpoint") == endpoint {
			return m.GetCounter().GetCreatedTimestamp().AsTime()
		}
	}
	t.Fatalf("%s has no counter", endpoint)
	return time.Time{}
}

func labelOf(m *dto.Metric, name string) string {
	for _, label := range m.GetLabel() {
		if label.GetName() == name {
			return label.GetValue()
		}
	}
	return ""
}

// Counters start when their endpoint is added, not when the exporter starts; otherwise, an
// increase right after a reload would be missed. A reload that keeps the counters keeps their
// start.
func TestCountersStartWithTheirEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tw := newTwin(t)
		begin := time.Now()
		changed := newEndpoint("a")
		changed.Timeout = time.Second
		otherAPI := newEndpoint("a")
		otherAPI.API, otherAPI.SessionAPI = "dr", sessionapi.BuiltIn()["dr"]
		for _, step := range []struct {
			name      string
			endpoints []*config.Endpoint
			a, b      time.Duration // start of the counters; negative for none
		}{
			{"start", []*config.Endpoint{newEndpoint("a")}, 0, -1},
			{"b is added", []*config.Endpoint{newEndpoint("a"), newEndpoint("b")}, 0, time.Hour},
			{"a gets another prober", []*config.Endpoint{changed, newEndpoint("b")}, 0, time.Hour},
			{"b is removed", []*config.Endpoint{changed}, 0, -1},
			{"b is back", []*config.Endpoint{changed, newEndpoint("b")}, 0, 4 * time.Hour},
			{"a gets another API", []*config.Endpoint{otherAPI, newEndpoint("b")}, 5 * time.Hour, 4 * time.Hour},
		} {
			tw.reload(t, step.endpoints...)
			tw.check(t)
			time.Sleep(time.Minute)
			tw.fail()
			tw.check(t)
			for name, want := range map[string]time.Duration{"a": step.a, "b": step.b} {
				if want < 0 {
					continue
				}
				if got := tw.created(t, name).Sub(begin); got != want {
					t.Errorf("%s: the counters of %s started after %s, want %s", step.name, name, got, want)
				}
			}
			time.Sleep(time.Hour - time.Minute)
		}
	})
}

// The count of a credential's refusals starts when the credential is added.
func TestRefusalsStartWithTheirCredential(t *testing.T) {
	c := watch(t, newSettings(newEndpoint("a")), idle)
	since := time.Unix(1767225600, 0).UTC()
	c.metrics.credentials = func() []probe.CredentialStatus {
		return []probe.CredentialStatus{{Name: "monitor", Refusals: 2, Since: since}}
	}
	got := gather(t, c)["session_exporter_credential_refusals_total"].GetMetric()[0].GetCounter()
	if created := got.GetCreatedTimestamp().AsTime(); !created.Equal(since) {
		t.Errorf("created %s, want %s", created, since)
	}
}
