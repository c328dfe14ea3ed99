//go:build !race

package main

import (
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"

	"session_exporter/simulator"
)

// hostilities are ways to be a burden, each with the state that it must be given.
func hostilities() map[string]struct {
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

// TestHostileAnswersLeaveNothing: what an appliance sends costs memory while it is
// read, and nothing afterwards. It is not for the race detector, under which
// reading so much takes minutes.
func TestHostileAnswersLeaveNothing(t *testing.T) {
	const warmUp, answers = 50, 10_000
	w := newWorld(t, slog.New(slog.DiscardHandler))
	cases := hostilities()
	configuration := "credentials: {script: {token: secret-token}}\nmodules: {m: {api: hcx, credential: script}}\nendpoints:\n"
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
					answer, err := w.watch.Probe(t.Context(), name, 0)
					if err != nil || string(answer.Result.State) != c.state {
						t.Errorf("%s: error %v, answer %+.300v, want %s", name, err, answer, c.state)
						return
					}
				}
			})
		}
		running.Wait()
	}
	heap := func() uint64 {
		w.answering.Wait() // what an appliance needs to compress is not the exporter's
		// The second collection frees what the first has finalized.
		runtime.GC()
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	probes(warmUp * len(cases)) // every connection, buffer and series is there
	before := heap()
	probes(answers)
	after := heap()
	t.Logf("heap in use: %d KiB after %d answers, %d KiB after %d more", before>>10, warmUp*len(cases), after>>10, answers)
	if after > before+before/10 {
		t.Error("memory is not flat")
	}
}
