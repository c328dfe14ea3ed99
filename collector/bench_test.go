package collector

import (
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// A scrape of 10,000 endpoints that all have been probed.
func BenchmarkCollect(b *testing.B) {
	endpoints := newEndpoints(10_000)
	for _, e := range endpoints {
		e.Labels = map[string]string{"site": "a", "zone": "1"}
	}
	c := watch(b, newSettings(endpoints...), idle)
	result := hcxValid()
	for _, target := range c.applied.Load().watched {
		target.record(&result)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	gather := func(b *testing.B, encoder expfmt.Encoder) {
		b.Helper()
		b.ReportAllocs()
		for b.Loop() {
			families, err := registry.Gather()
			if err != nil {
				b.Fatal(err)
			}
			if encoder == nil {
				continue
			}
			for _, family := range families {
				if err := encoder.Encode(family); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.Run("gather", func(b *testing.B) { gather(b, nil) })
	b.Run("text", func(b *testing.B) { gather(b, expfmt.NewEncoder(io.Discard, textFormat)) })
	b.Run("protobuf", func(b *testing.B) { gather(b, expfmt.NewEncoder(io.Discard, protobufFormat)) })
}

// One probe's start and end, its result included, while 50,000 endpoints wait.
func BenchmarkSchedule(b *testing.B) {
	c := watch(b, newSettings(newEndpoints(50_000)...), idle)
	s := c.schedule
	b.ReportAllocs()
	for b.Loop() {
		s.mu.Lock()
		s.queue[0].due = time.Now() // it is the first, and stays it
		s.mu.Unlock()
		s.startDue(b.Context())
		for running := true; running; runtime.Gosched() {
			s.mu.Lock()
			running = s.inFlight > 0
			s.mu.Unlock()
		}
	}
}
