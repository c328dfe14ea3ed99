package collector

import (
	"reflect"
	"testing"
	"time"

	"session_exporter/probe"
	"session_exporter/sessionapi"
)

func TestHistory(t *testing.T) {
	var h history
	begin := time.UnixMicro(1_800_000_000_123_456)
	operations := []string{
		"op", "", "0b9ec1f5-8bc7-4a3c-9d83-7d3c1b1d9a55", "00000000-0000-0000-0000-000000000000",
		// Almost a UUID, and returned unchanged.
		"0B9EC1F5-8BC7-4A3C-9D83-7D3C1B1D9A55", "0b9ec1f58bc74a3c9d837d3c1b1d9a55", "0b9ec1f58-bc7-4a3c-9d83-7d3c1b1d9a55",
		"0b9ec1f5-8bc7-4a3c-9d83-7d3c1b1d9a5g", "-0b9ec1f5-8bc7-4a3c-9d83-7d3c1b1d9a55",
	}
	var want []PastProbe
	for i := range HistoryLength + 30 {
		p := PastProbe{
			Start:      begin.Add(time.Duration(i) * time.Minute),
			Duration:   time.Duration(i) * time.Millisecond,
			State:      sessionapi.States()[i%len(sessionapi.States())],
			HasRequest: true,
			Status:     400 + i, Code: "CODE", OpID: operations[i%len(operations)],
			Phases: probe.Phases{Resolve: 1000, Connect: 2000, TLS: 3000, Processing: 4000, Transfer: 5000},
		}
		h.add(&probe.Result{
			State: p.State, Start: p.Start, Duration: p.Duration,
			Steps: []probe.StepResult{{Step: sessionapi.Check, Status: p.Status, Code: p.Code, OpID: p.OpID, Phases: p.Phases}, {Step: sessionapi.Logout, Status: 200}},
		})
		want = append(want, p)
		kept := want[max(0, len(want)-HistoryLength):]
		if got := h.all(); !reflect.DeepEqual(got, kept) {
			t.Fatalf("after %d: %+v, want %+v", i+1, got, kept)
		}
	}
}

// A probe of 1000 hours without a request, and one without a response.
func TestHistoryOfExtremes(t *testing.T) {
	var h history
	h.add(&probe.Result{State: sessionapi.LoginSuspended, Start: time.UnixMicro(1), Duration: 1000 * time.Hour})
	if got := h.all()[0]; got.State != sessionapi.LoginSuspended || got.HasRequest || got.Status != 0 || got.Duration < time.Hour {
		t.Errorf("%+v", got)
	}
	h.add(&probe.Result{State: sessionapi.Timeout, Steps: []probe.StepResult{{Step: sessionapi.Check}}})
	if got := h.all()[1]; !got.HasRequest || got.Status != 0 {
		t.Errorf("without a response: %+v", got)
	}
}

// TestHistorySize limits the memory of a full history: without texts from the appliance, and
// with operation IDs such as HCX's.
func TestHistorySize(t *testing.T) {
	for _, tc := range []struct {
		operation string
		most      int
	}{
		{"", 2300},
		{"0b9ec1f5-8bc7-4a3c-9d83-7d3c1b1d9a55", 4200},
	} {
		var h history
		for i := range 3 * HistoryLength {
			h.add(&probe.Result{
				State: sessionapi.Valid, Start: time.UnixMicro(1_800_000_000_123_456).Add(time.Duration(i) * time.Minute), Duration: 120 * time.Millisecond,
				Steps: []probe.StepResult{{Step: sessionapi.Check, Status: 200, OpID: tc.operation, Phases: probe.Phases{Processing: 119 * time.Millisecond, Transfer: time.Millisecond}}},
			})
		}
		if size := cap(h.data); size > tc.most {
			t.Errorf("operation %q: %d bytes, want at most %d", tc.operation, size, tc.most)
		}
	}
}
