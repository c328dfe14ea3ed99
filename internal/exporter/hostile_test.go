//go:build !race

package exporter

import (
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"

	"session_exporter/collector"
	"session_exporter/simulator"
)

// hostileResponses returns harmful responses, each with the state that it results in.
func hostileResponses() map[string]struct {
	fault simulator.Fault
	state string
} {
	type hostility = struct {
		fault simulator.Fault
		state string
	}
	session := func(roles string) string {
		return `{"success":true,"completed":true,"time":1,"data":{"user":{"username":"monitor","roles":[` + roles + `"x"]}}}`
	}
	ok := func(body string) simulator.Fault { return simulator.Fault{Status: 200, Body: body} }
	return map[string]hostility{
		"100-mb":        {simulator.Fault{Status: 200, Body: "{}", Size: 100 << 20}, "invalid_response"},
		"gzip-bomb":     {simulator.Fault{Status: 200, Body: "{}", Size: 1 << 40, Gzip: true}, "invalid_response"},
		"deep-arrays":   {ok(strings.Repeat("[", 500<<10)), "invalid_response"},
		"deep-objects":  {ok(strings.Repeat(`{"data":`, 100<<10)), "invalid_response"},
		"million-roles": {ok(session(strings.Repeat(`"x",`, 1_000_000))), "invalid_response"},
		"many-roles":    {ok(session(strings.Repeat(`"x",`, 50_000))), "valid"},
		"long-number":   {ok(`{"success":true,"time":` + strings.Repeat("9", 300<<10) + `}`), "invalid_response"},
		"long-header":   {simulator.Fault{Status: 200, Body: "{}", Header: map[string]string{"X-A": strings.Repeat("x", 200<<10)}}, "invalid_response"},
		"long-code":     {simulator.Fault{Code: strings.Repeat("E", 100<<10)}, "server_error"},
		"random-codes":  {simulator.Fault{RandomCode: true}, "server_error"},
	}
}

// TestHostileResponsesLeaveNothing checks that a response takes memory only while it is
// read. With the race detector, reading the responses would take minutes.
func TestHostileResponsesLeaveNothing(t *testing.T) {
	warmUp, responses := size(50, 10), size(5000, 500)
	w := newWorld(t, slog.New(slog.DiscardHandler))
	cases := hostileResponses()
	configuration := "credentials: {script: {token: secret-token}}\nmodules: {m: {api: hcx, credential: script, timeout: 1m}}\nendpoints:\n"
	for name, c := range cases {
		w.add(name, simulator.NewHCX(simulator.Settings{Faults: []simulator.Fault{c.fault}}))
		configuration += fmt.Sprintf("  - {name: %s, url: \"http://%[1]s.test\", module: m}\n", name)
	}
	w.load(configuration)
	probes := func(n int) {
		var running sync.WaitGroup
		for name, c := range cases {
			running.Go(func() {
				for range n / len(cases) {
					probed, err := w.collector.Probe(t.Context(), name, collector.RequestOptions{})
					if err != nil || string(probed.Result.State) != c.state {
						t.Errorf("%s: error %v, result %+.300v, want %s", name, err, probed, c.state)
						return
					}
				}
			})
		}
		running.Wait()
	}
	heap := func() uint64 {
		w.responding.Wait() // exclude the memory that the appliances need to compress
		// The second collection frees what the first one finalized.
		runtime.GC()
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	probes(warmUp * len(cases)) // create every connection, buffer and series
	before := heap()
	probes(responses)
	after := heap()
	t.Logf("heap in use: %d KiB after %d responses, %d KiB after %d more", before>>10, warmUp*len(cases), after>>10, responses)
	if after > before+before/10 {
		t.Error("the heap has grown by more than 10 %")
	}
}
