package direct

import (
	"net/http"
	"runtime"
	"strconv"
	"testing"
)

type keeper interface {
	http.RoundTripper
	CloseIdleConnections()
}

// both returns the transports to compare, over TLS. The server is in the same process:
// what it takes is part of both results.
func both(b *testing.B) map[string]keeper {
	b.Helper()
	settings, client := certified(b)
	server := newSite(b, overTLS(settings, always(ok)))
	ours, theirs := transport(b, server), netHTTP(b, server)
	ours.TLSClientConfig, theirs.TLSClientConfig = client, client
	return map[string]keeper{"direct": ours, "net/http": theirs}
}

// An exchange on a kept connection.
func BenchmarkExchange(b *testing.B) {
	for name, kept := range both(b) {
		b.Run(name, func(b *testing.B) {
			req := request(b, http.MethodGet, "https://example.com/", "")
			mustAsk(b, kept, req)
			b.ReportAllocs()
			for b.Loop() {
				mustAsk(b, kept, req)
			}
		})
	}
}

// What is in use for each idle connection. Most of it is TLS's, twice, and the
// server's goroutine, which are the same for both: what counts is the difference.
func BenchmarkIdleConnection(b *testing.B) {
	const connections = 300
	for name, kept := range both(b) {
		b.Run(name, func(b *testing.B) {
			var used uint64
			for b.Loop() {
				before := inUse()
				for n := range connections {
					// All ports lead to the same server.
					mustAsk(b, kept, request(b, http.MethodGet, "https://example.com:"+strconv.Itoa(n+1)+"/", ""))
				}
				used += max(inUse(), before) - before
				kept.CloseIdleConnections()
			}
			b.ReportMetric(float64(used)/float64(b.N*connections), "B/connection")
		})
	}
}

// inUse returns how many bytes of memory are, heaps and stacks.
func inUse() uint64 {
	for range 3 { // pools are emptied by the second, and stacks shrink in time
		runtime.GC()
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc + stats.StackInuse
}
