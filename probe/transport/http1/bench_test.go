package http1

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

// both returns the transports to compare, over TLS. The server runs in the same
// process, so both results include the cost of the server.
func both(b *testing.B) map[string]keeper {
	b.Helper()
	settings, client := testTLS(b)
	server := newSite(b, overTLS(settings, always(ok)))
	ours, theirs := transport(b, server), netHTTP(b, server)
	ours.TLSClientConfig, theirs.TLSClientConfig = client, client
	return map[string]keeper{"http1": ours, "net/http": theirs}
}

// BenchmarkExchange measures an exchange on a kept connection.
func BenchmarkExchange(b *testing.B) {
	for name, kept := range both(b) {
		b.Run(name, func(b *testing.B) {
			req := request(b, http.MethodGet, "https://example.com/", "")
			mustGet(b, kept, req)
			b.ReportAllocs()
			for b.Loop() {
				mustGet(b, kept, req)
			}
		})
	}
}

// BenchmarkIdleConnection reports the memory of an idle connection. Most of it is TLS
// on both sides and the server's goroutine, which are the same for both transports:
// only the difference is meaningful.
func BenchmarkIdleConnection(b *testing.B) {
	const connections = 300
	for name, kept := range both(b) {
		b.Run(name, func(b *testing.B) {
			var used uint64
			for b.Loop() {
				before := inUse()
				for n := range connections {
					// All ports lead to the same server.
					mustGet(b, kept, request(b, http.MethodGet, "https://example.com:"+strconv.Itoa(n+1)+"/", ""))
				}
				used += max(inUse(), before) - before
				kept.CloseIdleConnections()
			}
			b.ReportMetric(float64(used)/float64(b.N*connections), "B/connection")
		})
	}
}

// inUse returns the bytes of heaps and stacks in use.
func inUse() uint64 {
	for range 3 { // pools are emptied by the second, and stacks shrink gradually
		runtime.GC()
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc + stats.StackInuse
}
