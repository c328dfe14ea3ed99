package web

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"session_exporter/collector"
	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// BenchmarkMetrics measures scrapes without the network, including the exporter's own
// metrics and compression. No endpoint changes between scrapes; see the collector's
// BenchmarkExposition for the cost of changes.
func BenchmarkMetrics(b *testing.B) {
	for _, endpoints := range []int{10_000, 50_000} {
		o := newOptions()
		o.Registry = prometheus.NewRegistry()
		o.Registry.MustRegister(o.Collector.ExporterMetrics(), collectors.NewGoCollector())
		probeAll(b, o.Collector, endpoints)
		handler, err := NewHandler(o)
		if err != nil {
			b.Fatal(err)
		}
		for _, format := range []struct{ name, accept string }{
			{"text", "text/plain;version=0.0.4"}, {"openmetrics", acceptText}, {"protobuf", acceptProtobuf},
		} {
			for _, encoding := range []string{"identity", "gzip", "zstd"} {
				b.Run(fmt.Sprintf("endpoints=%d/format=%s/encoding=%s", endpoints, format.name, encoding), func(b *testing.B) {
					benchmarkHandler(b, handler, "/metrics", format.accept, encoding)
				})
			}
		}
	}
}

// BenchmarkProbeOnDemand measures probes on demand without the network: the request, the record of
// the result, its metrics and their compression. The probe itself costs nothing.
func BenchmarkProbeOnDemand(b *testing.B) {
	for _, format := range []struct{ name, accept string }{
		{"text", "text/plain;version=0.0.4"}, {"openmetrics", acceptText}, {"protobuf", acceptProtobuf},
	} {
		for _, encoding := range []string{"identity", "gzip", "zstd"} {
			b.Run(fmt.Sprintf("format=%s/encoding=%s", format.name, encoding), func(b *testing.B) {
				o := newOptions()
				probeAll(b, o.Collector, 1000)
				handler, err := NewHandler(o)
				if err != nil {
					b.Fatal(err)
				}
				benchmarkHandler(b, handler, "/probe?endpoint=endpoint-7", format.accept, encoding)
			})
		}
	}
}

func benchmarkHandler(b *testing.B, handler http.Handler, path, accept, encoding string) {
	b.Helper()
	request := httptest.NewRequestWithContext(b.Context(), "GET", path, http.NoBody)
	request.Header.Set("Accept", accept)
	request.Header.Set("Accept-Encoding", encoding)
	var response discardWriter
	serve := func() {
		fresh := *request // a copy, because a request caches its parsed parameters
		handler.ServeHTTP(&response, &fresh)
	}
	serve() // the first scrape renders all endpoints
	runtime.GC()
	b.ReportAllocs()
	start := cpuTime(b)
	for b.Loop() {
		response = discardWriter{}
		serve()
	}
	b.ReportMetric((cpuTime(b)-start).Seconds()*1e3/float64(b.N), "cpu-ms/op")
	b.ReportMetric(float64(response.size)/1e6, "MB/scrape")
}

// discardWriter discards a response and counts its bytes.
type discardWriter struct {
	header http.Header
	size   int
}

func (d *discardWriter) WriteHeader(int) {}

func (d *discardWriter) Header() http.Header {
	if d.header == nil {
		d.header = http.Header{}
	}
	return d.header
}

func (d *discardWriter) Write(p []byte) (int, error) {
	d.size += len(p)
	return len(p), nil
}

// probeAll adds endpoints to a collector and probes them once.
func probeAll(b *testing.B, c *collector.Collector, n int) {
	b.Helper()
	settings := &config.Config{LabelNames: []string{"site", "zone"}}
	for i := range n {
		settings.Endpoints = append(settings.Endpoints, &config.Endpoint{
			Name:     fmt.Sprintf("endpoint-%d", i),
			URL:      &url.URL{Scheme: "https", Host: fmt.Sprintf("appliance-%d.example.com:9443", i)},
			Labels:   map[string]string{"site": "a", "zone": "1"},
			Settings: config.Settings{API: "hcx", SessionAPI: sessionapi.BuiltIn()["hcx"], Module: "hcx", Credential: &config.Credential{Name: "monitor"}, Auth: sessionapi.AuthLogin, Interval: time.Minute, Timeout: time.Second},
		})
	}
	random := rand.New(rand.NewPCG(1, 2))
	if err := c.Apply(settings, func(*config.Endpoint) (collector.Prober, error) { return validProber{random}, nil }); err != nil {
		b.Fatal(err)
	}
	for _, e := range settings.Endpoints {
		if _, err := c.Probe(b.Context(), e.Name, collector.RequestOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// validProber returns valid results with random numbers.
type validProber struct{ random *rand.Rand }

func (validProber) Close(context.Context) (*probe.Result, error) { return new(probe.Result), nil }
func (validProber) Release() *probe.Session                      { return nil }
func (validProber) Adopt(*probe.Session) bool                    { return true }
func (validProber) EndBackoff()                                  {}

func (v validProber) Probe(context.Context, probe.Options) (*probe.Result, error) {
	upTo := func(d time.Duration) time.Duration { return time.Duration(v.random.Int64N(int64(d))) }
	start := time.Now()
	skew := upTo(time.Second)
	return &probe.Result{
		State: sessionapi.Valid, Start: start, Duration: upTo(time.Second),
		Steps: []probe.StepResult{{Step: sessionapi.Check, Status: 200, OpID: fmt.Sprintf("b1946ac9-2492-4d23-87a6-%012d", v.random.Int64N(1e12)), Phases: probe.Phases{
			Processing: upTo(time.Second), Transfer: upTo(time.Millisecond),
		}}},
		CertificateExpiry:  start.Add(upTo(10_000 * time.Hour)).Truncate(time.Second),
		ClockSkew:          &skew,
		Identity:           &sessionapi.Identity{Username: "monitor@vsphere.local", Organization: "DEFAULT", Enterprise: "HCX", Version: "4.10", Roles: []string{"System Administrator"}, Organizations: []string{"DEFAULT"}},
		RolesExpected:      map[string]bool{"System Administrator": true},
		CredentialExpiries: map[string]time.Time{"config": start.Add(1000 * time.Hour).Truncate(time.Hour)},
		Logins:             1,
		Established:        start,
	}, nil
}

// cpuTime returns the CPU time of the process so far, including the garbage collector's.
func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
