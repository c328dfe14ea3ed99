package collector

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"

	"session_exporter/probe"
)

// HistoryLength is how many results of an endpoint are kept.
const HistoryLength = 100

// Past is a probe of the past.
type Past struct {
	Start    time.Time
	Duration time.Duration
	State    probe.State
	Sent     bool   // whether anything was
	Status   int    // of the last answer, 0 if there was none
	Code     string // the API's own error code
	OpID     string // the API's own operation id
	Phases   probe.Phases
}

// history keeps the last results of an endpoint, each in some 25 bytes and the
// texts that the appliance gave. They are encoded: there may be millions, which
// are hardly ever looked at, and what has no pointers costs a garbage collection
// nothing. It grows as they come: most of what it may take is never needed where
// endpoints come and go.
type history struct {
	results []byte // the oldest first
	length  int
	before  int64 // when the one before the oldest began, in µs since 1970
	last    int64 // when the last one began
}

func (h *history) add(r *probe.Result) {
	if h.length == HistoryLength {
		oldest := encodedPast{h.results, h.before}
		oldest.next()
		h.results = slices.Delete(h.results, 0, len(h.results)-len(oldest.data))
		h.before = oldest.start
		h.length--
	}
	h.length++
	last, sent := r.Last()
	status := int64(last.Status)
	if !sent {
		status = nothingSent
	}
	p := last.Phases
	start := r.Start.UnixMicro()
	for _, number := range []int64{
		start - h.last, r.Duration.Microseconds(), int64(slices.Index(states, r.State)), status,
		p.Resolve.Microseconds(), p.Connect.Microseconds(), p.TLS.Microseconds(), p.Processing.Microseconds(), p.Transfer.Microseconds(),
	} {
		h.results = binary.AppendVarint(h.results, number)
	}
	h.last = start
	for _, text := range []string{last.Code, last.OpID} {
		h.results = appendText(h.results, text)
	}
}

// nothingSent is in the place of a status.
const nothingSent = -1

// A text is its length and itself, except for what most ids of operations are: a
// UUID in its usual form (RFC 9562, section 4) is 16 bytes.
const (
	uuidMark  = -1
	uuidBytes = 16
	uuidText  = 2*uuidBytes + 4
)

func appendText(to []byte, text string) []byte {
	if len(text) == uuidText {
		digits := text[:8] + text[9:13] + text[14:18] + text[19:23] + text[24:]
		var id [uuidBytes]byte
		if _, err := hex.Decode(id[:], []byte(digits)); err == nil && formatUUID(id[:]) == text {
			return append(binary.AppendVarint(to, uuidMark), id[:]...)
		}
	}
	return append(binary.AppendVarint(to, int64(len(text))), text...)
}

func formatUUID(id []byte) string {
	text := make([]byte, 0, uuidText)
	for i, part := range [][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			text = append(text, '-')
		}
		text = hex.AppendEncode(text, part)
	}
	return string(text)
}

// states are all there are, in an order that does not change.
var states = probe.States()

// all returns the results that are kept, the oldest first.
func (h *history) all() []Past {
	all := make([]Past, 0, h.length)
	for results := (encodedPast{h.results, h.before}); len(results.data) > 0; {
		all = append(all, results.next())
	}
	return all
}

// encodedPast is results, the next of which comes first.
type encodedPast struct {
	data  []byte
	start int64 // of the one before the next
}

func (e *encodedPast) next() Past {
	e.start += e.number()
	p := Past{
		Start:    time.UnixMicro(e.start),
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
	p.Sent, p.Status = p.Status != nothingSent, max(p.Status, 0)
	return p
}

func (e *encodedPast) number() int64 {
	number, size := binary.Varint(e.data)
	e.data = e.data[size:]
	return number
}

func (e *encodedPast) duration() time.Duration { return time.Duration(e.number()) * time.Microsecond }

func (e *encodedPast) text() string {
	size := e.number()
	if size == uuidMark {
		return formatUUID(e.bytes(uuidBytes))
	}
	return string(e.bytes(size))
}

func (e *encodedPast) bytes(n int64) []byte {
	first := e.data[:n]
	e.data = e.data[n:]
	return first
}
