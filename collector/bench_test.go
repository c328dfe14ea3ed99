package collector

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
)

// BenchmarkExposition scrapes endpoints that have been probed, some of them again since
// the last scrape.
func BenchmarkExposition(b *testing.B) {
	for _, endpoints := range []int{10_000, 50_000} {
		c := probed(b, endpoints)
		for _, format := range []struct {
			name string
			expfmt.Format
		}{{"text", textFormat}, {"openmetrics", openMetricsFormat}, {"protobuf", protobufFormat}} {
			for _, percent := range []int{0, 1, 100} {
				b.Run(fmt.Sprintf("endpoints=%d/format=%s/changed=%d%%", endpoints, format.name, percent), func(b *testing.B) {
					benchmarkScrapes(b, c, format.Format, percent)
				})
			}
		}
	}
}

func benchmarkScrapes(b *testing.B, c *Collector, format expfmt.Format, percent int) {
	b.Helper()
	cache, watched := c.Cache(format), c.applied.Load().watched
	var size counting
	scrape := func() {
		size = 0
		if err := cache.Write(&size, format, nil, nil); err != nil {
			b.Fatal(err)
		}
	}
	before := heapInUse()
	scrape() // the first renders all
	kept := heapInUse() - before
	scraping := newMeter(b)
	for b.Loop() {
		b.StopTimer()
		for i := range len(watched) * percent / 100 {
			result := hcxValid()
			watched[i*100/percent].record(&result)
		}
		b.StartTimer()
		scraping.start()
		scrape()
		scraping.stop()
	}
	b.ReportMetric(float64(size)/1e6, "MB/scrape")
	if kept := kept / int64(len(watched)); kept > 0 { // otherwise an earlier benchmark has rendered them
		b.ReportMetric(float64(kept), "kept-B/endpoint")
	}
}

// heapInUse returns the bytes that are in use.
func heapInUse() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// probed returns a collector of endpoints that have been probed.
func probed(b *testing.B, n int) *Collector {
	b.Helper()
	endpoints := newEndpoints(n)
	for _, e := range endpoints {
		e.Labels = map[string]string{"site": "a", "zone": "1"}
	}
	c := watch(b, newSettings(endpoints...), idle)
	for i, target := range c.applied.Load().watched {
		result := hcxValid()
		result.Duration += time.Duration(i) * 12_345 * time.Nanosecond
		result.Established = result.Start.Add(-result.Duration)
		target.record(&result)
	}
	return c
}

// counting counts the bytes written to it.
type counting int

func (c *counting) Write(p []byte) (int, error) {
	*c += counting(len(p))
	return len(p), nil
}

// meter reports the CPU time between start and stop, of all threads and the garbage
// collector.
type meter struct {
	b              *testing.B
	began, elapsed time.Duration
}

func newMeter(b *testing.B) *meter {
	b.Helper()
	m := &meter{b: b}
	b.ReportAllocs()
	b.Cleanup(func() { b.ReportMetric(m.elapsed.Seconds()*1e3/float64(b.N), "cpu-ms/op") })
	return m
}

func (m *meter) start() { m.began = cpuTime(m.b) }
func (m *meter) stop()  { m.elapsed += cpuTime(m.b) - m.began }

func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkSchedule starts a probe and records its result while 50,000 endpoints wait.
func BenchmarkSchedule(b *testing.B) {
	const endpoints = 50_000
	c := watch(b, newSettings(newEndpoints(endpoints)...), idle)
	s := c.schedule
	b.ReportAllocs()
	for b.Loop() {
		s.mu.Lock()
		s.queue[0].due = time.Now() // it remains the first
		s.mu.Unlock()
		s.startDue(b.Context())
		for running := true; running; runtime.Gosched() {
			s.mu.Lock()
			running = len(s.queue) < endpoints
			s.mu.Unlock()
		}
	}
}

// BenchmarkEndpointMemory measures an endpoint in the collector: new, probed once, and with
// a full history.
func BenchmarkEndpointMemory(b *testing.B) {
	const n = 10_000
	for _, probes := range []int{0, 1, HistoryLength} {
		b.Run(fmt.Sprintf("probes=%d", probes), func(b *testing.B) {
			var bytes int64
			for b.Loop() {
				settings := newSettings(newEndpoints(n)...)
				before := heapInUse()
				c := watch(b, settings, idle)
				for range probes {
					for _, w := range c.applied.Load().watched {
						result := hcxValid()
						w.record(&result)
					}
				}
				bytes += heapInUse() - before
				runtime.KeepAlive(c)
			}
			b.ReportMetric(float64(bytes)/float64(b.N*n), "B/endpoint")
		})
	}
}

func BenchmarkHistoryAdd(b *testing.B) {
	var h history
	result := hcxValid()
	b.ReportAllocs()
	for b.Loop() {
		h.add(&result)
	}
}

// BenchmarkRecord records results a minute apart.
func BenchmarkRecord(b *testing.B) {
	s := newState(nil, "")
	result := hcxValid()
	b.ReportAllocs()
	for b.Loop() {
		result.Start = result.Start.Add(time.Minute)
		s.record(&result)
	}
}
