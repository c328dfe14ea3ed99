package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"session_exporter/collector"
	"session_exporter/sessionapi"
)

// Watch prints the results of endpoints that are probed repeatedly: a line for each
// probe, and an explanation of each change of state. It is safe for concurrent use.
type Watch struct {
	out    io.Writer
	asJSON bool
	style  style

	mu   sync.Mutex // guards the fields below
	last map[string]sessionapi.State
	err  error
}

// NewWatch returns a Watch without results. As JSON, each result is an object on one line.
// color is auto, always or never.
func NewWatch(out io.Writer, asJSON bool, color string) *Watch {
	return &Watch{out: out, asJSON: asJSON, style: styleFor(out, color), last: make(map[string]sessionapi.State)}
}

// Add prints the result of a probe.
func (w *Watch) Add(r collector.EndpointResult) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before, known := w.last[r.Endpoint.Name]
	w.last[r.Endpoint.Name] = r.Result.State
	var err error
	if w.asJSON {
		err = json.NewEncoder(w.out).Encode(newEndpointJSON(r))
	} else {
		_, err = io.WriteString(w.out, w.line(r, before, known))
	}
	if w.err == nil {
		w.err = err
	}
}

// line formats a result. before is the state of the previous one, if known is set.
func (w *Watch) line(r collector.EndpointResult, before sessionapi.State, known bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s: %s", r.Result.Start.UTC().Format(time.RFC3339), w.style.paint(bold, Printable(r.Endpoint.Name)), w.style.state(r.Result.State))
	changed := known && before != r.Result.State
	if changed {
		fmt.Fprintf(&b, " (was %s)", before)
	}
	if took := latency(&r.Result); took != nothingSent {
		fmt.Fprintf(&b, " in %s", took)
	}
	b.WriteString("\n")
	if changed || !known {
		b.WriteString(w.style.details(r))
	}
	return b.String()
}

// Valid returns how many endpoints were valid at their last probe.
func (w *Watch) Valid() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	valid := 0
	for _, state := range w.last {
		if state == sessionapi.Valid {
			valid++
		}
	}
	return valid
}

// Err returns the first error of printing.
func (w *Watch) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}
