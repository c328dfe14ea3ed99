package collector

import (
	"encoding/binary"
	"slices"
	"time"

	"session_exporter/probe"
)

// historyLength is how many results of an endpoint are kept.
const historyLength = 100

// Past is a probe of the past.
type Past struct {
	Start    time.Time
	Duration time.Duration
	State    probe.State
	Status   int    // of the last answer, 0 if there was none
	Code     string // the API's own error code
	OpID     string // the API's own operation id
	Phases   probe.Phases
}

// history keeps the last results of an endpoint, each in some 30 bytes and the
// texts that the appliance gave. They are encoded: there may be millions, which
// are hardly ever looked at, and what has no pointers costs a garbage collection
// nothing. It grows as they come: most of what it may take is never needed where
// endpoints come and go.
type history struct {
	results []byte // the oldest first
	length  int
}

func (h *history) add(r *probe.Result) {
	if h.length == historyLength {
		oldest := encodedPast{h.results}
		oldest.next()
		h.results = slices.Delete(h.results, 0, len(h.results)-len(oldest.data))
		h.length--
	}
	h.length++
	last, _ := r.Last()
	p := last.Phases
	for _, number := range []int64{
		r.Start.UnixMicro(), r.Duration.Microseconds(), int64(slices.Index(states, r.State)), int64(last.Status),
		p.Resolve.Microseconds(), p.Connect.Microseconds(), p.TLS.Microseconds(), p.Processing.Microseconds(), p.Transfer.Microseconds(),
	} {
		h.results = binary.AppendVarint(h.results, number)
	}
	for _, text := range []string{last.Code, last.OpID} {
		h.results = append(binary.AppendVarint(h.results, int64(len(text))), text...)
	}
}

// states are all there are, in an order that does not change.
var states = probe.States()

// all returns the results that are kept, the oldest first.
func (h *history) all() []Past {
	all := make([]Past, 0, h.length)
	for results := (encodedPast{h.results}); len(results.data) > 0; {
		all = append(all, results.next())
	}
	return all
}

// encodedPast is results, the next of which comes first.
type encodedPast struct{ data []byte }

func (e *encodedPast) next() Past {
	return Past{
		Start:    time.UnixMicro(e.number()),
		Duration: e.duration(),
		State:    states[e.number()],
		Status:   int(e.number()),
		Phases: probe.Phases{
			Resolve: e.duration(), Connect: e.duration(), TLS: e.duration(),
			Processing: e.duration(), Transfer: e.duration(),
		},
		Code: e.text(),
		OpID: e.text(),
	}
}

func (e *encodedPast) number() int64 {
	number, size := binary.Varint(e.data)
	e.data = e.data[size:]
	return number
}

func (e *encodedPast) duration() time.Duration { return time.Duration(e.number()) * time.Microsecond }

func (e *encodedPast) text() string {
	size := e.number()
	text := string(e.data[:size])
	e.data = e.data[size:]
	return text
}
