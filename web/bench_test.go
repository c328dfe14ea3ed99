package web

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"session_exporter/collector"
	"session_exporter/config"
	"session_exporter/probe"
)

// BenchmarkMetrics is of scrapes over HTTP, but for the network: what is gathered
// of the exporter's own and compression included. Nothing changes in between; see
// the collector's BenchmarkExposition for what changes cost.
func BenchmarkMetrics(b *testing.B) {
	for _, endpoints := range []int{10_000, 50_000} {
		o := newOptions()
		o.Registry = prometheus.NewRegistry()
		o.Registry.MustRegister(o.Collector.Own(), collectors.NewGoCollector())
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
					benchmarkHandler(b, handler, format.accept, encoding)
				})
			}
		}
	}
}

func benchmarkHandler(b *testing.B, handler http.Handler, accept, encoding string) {
	b.Helper()
	request := httptest.NewRequestWithContext(b.Context(), "GET", "/metrics", http.NoBody)
	request.Header.Set("Accept", accept)
	request.Header.Set("Accept-Encoding", encoding)
	var answer discarded
	handler.ServeHTTP(&answer, request) // the first renders all
	runtime.GC()
	b.ReportAllocs()
	began := cpuTime(b)
	for b.Loop() {
		answer = discarded{}
		handler.ServeHTTP(&answer, request)
	}
	b.ReportMetric((cpuTime(b)-began).Seconds()*1e3/float64(b.N), "cpu-ms/op")
	b.ReportMetric(float64(answer.size)/1e6, "MB/scrape")
}

// discarded is an answer of which only the size is kept.
type discarded struct {
	header http.Header
	size   int
}

func (d *discarded) WriteHeader(int) {}

func (d *discarded) Header() http.Header {
	if d.header == nil {
		d.header = http.Header{}
	}
	return d.header
}

func (d *discarded) Write(p []byte) (int, error) {
	d.size += len(p)
	return len(p), nil
}

// probeAll makes a collector watch endpoints, and probes them once.
func probeAll(b *testing.B, c *collector.Collector, n int) {
	b.Helper()
	settings := &config.Config{LabelNames: []string{"site", "zone"}}
	for i := range n {
		settings.Endpoints = append(settings.Endpoints, &config.Endpoint{
			Name:     fmt.Sprintf("endpoint-%d", i),
			Labels:   map[string]string{"site": "a", "zone": "1"},
			Settings: config.Settings{API: "hcx", Interval: time.Minute, Timeout: time.Second},
		})
	}
	random := rand.New(rand.NewPCG(1, 2))
	if err := c.Apply(settings, func(*config.Endpoint) (collector.Prober, error) { return valid{}, nil }); err != nil {
		b.Fatal(err)
	}
	for _, e := range settings.Endpoints {
		if _, err := c.Probe(context.WithValue(b.Context(), randomness{}, random), e.Name, 0); err != nil {
			b.Fatal(err)
		}
	}
}

// valid is a prober that finds sessions valid, with the numbers that differ from
// one endpoint to the next.
type valid struct{}

// randomness is the context's key of where they come from.
type randomness struct{}

func (valid) Close(context.Context) (*probe.Result, error) { return new(probe.Result), nil }
func (valid) Release() *probe.Session                      { return nil }
func (valid) Adopt(*probe.Session) bool                    { return true }

func (valid) Probe(ctx context.Context) (*probe.Result, error) {
	random := ctx.Value(randomness{}).(*rand.Rand)
	upTo := func(d time.Duration) time.Duration { return time.Duration(random.Int64N(int64(d))) }
	start := time.Now()
	skew := upTo(time.Second)
	return &probe.Result{
		State: probe.Valid, Start: start, Duration: upTo(time.Second),
		Steps: []probe.StepResult{{Step: probe.Check, Status: 200, OpID: fmt.Sprintf("b1946ac9-2492-4d23-87a6-%012d", random.Int64N(1e12)), Phases: probe.Phases{
			Processing: upTo(time.Second), Transfer: upTo(time.Millisecond),
		}}},
		CertificateExpiry:  start.Add(upTo(10_000 * time.Hour)).Truncate(time.Second),
		ClockSkew:          &skew,
		Identity:           &probe.Identity{Username: "monitor@vsphere.local", Organization: "DEFAULT", Enterprise: "HCX", Version: "4.10", Roles: []string{"System Administrator"}, Organizations: []string{"DEFAULT"}},
		RolesExpected:      map[string]bool{"System Administrator": true},
		CredentialExpiries: map[string]time.Time{"config": start.Add(1000 * time.Hour).Truncate(time.Hour)},
		Logins:             1,
		Established:        start,
	}, nil
}

// cpuTime is the processor's time of the process so far, the garbage collector's
// included.
func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
