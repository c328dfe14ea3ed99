package collector

import (
	"math"
	"slices"
	"time"

	"session_exporter/probe"
)

// historyLength is how many results of an endpoint are kept. Full, they take
// 7 KiB, and 100 bytes more for each that an appliance gave an operation id.
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

// history keeps the last results of an endpoint. It grows as they come: most of
// what it may take is never needed where endpoints come and go.
type history struct {
	ring []past
	next int // where the oldest is, once ring is full
}

// past is a Past as small as it gets: there may be millions.
type past struct {
	start    int64 // Unix time in microseconds
	duration micros
	phases   [5]micros
	status   uint16
	state    uint8 // index in probe.States
	code     string
	opID     string
}

// micros is a duration of up to an hour, in microseconds.
type micros uint32

func toMicros(d time.Duration) micros {
	return micros(min(max(d.Microseconds(), 0), math.MaxUint32))
}

func (m micros) duration() time.Duration { return time.Duration(m) * time.Microsecond }

func (h *history) add(r *probe.Result) {
	last, _ := r.Last()
	p := past{
		start:    r.Start.UnixMicro(),
		duration: toMicros(r.Duration),
		phases: [5]micros{
			toMicros(last.Phases.Resolve), toMicros(last.Phases.Connect), toMicros(last.Phases.TLS),
			toMicros(last.Phases.Processing), toMicros(last.Phases.Transfer),
		},
		status: uint16(min(max(last.Status, 0), math.MaxUint16)),
		code:   last.Code,
		opID:   last.OpID,
	}
	for i, state := range probe.States() {
		if state == r.State {
			p.state = uint8(i)
		}
	}
	if len(h.ring) < historyLength {
		if len(h.ring) == cap(h.ring) { // by no more than it will ever need
			h.ring = slices.Grow(h.ring, min(len(h.ring)+1, historyLength-len(h.ring)))
		}
		h.ring = append(h.ring, p)
		return
	}
	h.ring[h.next] = p
	h.next = (h.next + 1) % historyLength
}

// all returns the results that are kept, the oldest first.
func (h *history) all() []Past {
	all := make([]Past, 0, len(h.ring))
	for i := range h.ring {
		all = append(all, h.ring[(h.next+i)%len(h.ring)].past())
	}
	return all
}

func (p past) past() Past {
	return Past{
		Start:    time.UnixMicro(p.start),
		Duration: p.duration.duration(),
		State:    probe.States()[p.state],
		Status:   int(p.status),
		Code:     p.code,
		OpID:     p.opID,
		Phases: probe.Phases{
			Resolve: p.phases[0].duration(), Connect: p.phases[1].duration(), TLS: p.phases[2].duration(),
			Processing: p.phases[3].duration(), Transfer: p.phases[4].duration(),
		},
	}
}
