package collector

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"

	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// HistoryLength is the number of results kept of an endpoint.
const HistoryLength = 100

// PastProbe is a completed probe.
type PastProbe struct {
	Start    time.Time
	Duration time.Duration
	State    sessionapi.State
	// HasRequest reports whether there was a request other than a logout, even without a
	// connection. Unlike probe.Result.Attempted, it includes a request of an earlier probe
	// whose response came late.
	HasRequest bool

	// These are of the last request other than a logout.
	Status int    // of its response, 0 for none
	Code   string // the API's own error code
	OpID   string // the API's own operation ID
	Phases probe.Phases
}

// history holds the last results of an endpoint, each in about 25 bytes plus the texts from
// the appliance.
type history struct{ timeline }

func (h *history) add(r *probe.Result) {
	if h.length == HistoryLength {
		d := h.decoder()
		d.past()
		h.dropFirst(d)
	}
	h.begin(r.Start)
	last, sent := r.Last()
	status := int64(last.Status)
	if !sent {
		status = noRequest
	}
	p := last.Phases
	for _, number := range []int64{
		r.Duration.Microseconds(), stateIndex(r.State), status,
		p.Resolve.Microseconds(), p.Connect.Microseconds(), p.TLS.Microseconds(), p.Processing.Microseconds(), p.Transfer.Microseconds(),
	} {
		h.data = binary.AppendVarint(h.data, number)
	}
	for _, text := range []string{last.Code, last.OpID} {
		h.data = appendText(h.data, text)
	}
}

// all returns the results, the oldest first.
func (h *history) all() []PastProbe {
	all := make([]PastProbe, 0, h.length)
	for d := h.decoder(); len(d.data) > 0; {
		all = append(all, d.past())
	}
	return all
}

// noRequest is encoded in place of a status.
const noRequest = -1

// states lists all states. Only their indexes are encoded, and only in memory.
var states = sessionapi.States()

func stateIndex(state sessionapi.State) int64 { return int64(slices.Index(states, state)) }

// timeline holds encoded entries, the oldest first, each of which begins with its time. They
// are encoded because there may be millions, they are rarely read, and the garbage collector
// does not scan bytes. It grows with the entries: an endpoint that exists for a short time
// never needs most of it.
type timeline struct {
	data   []byte
	length int
	before int64 // time of the entry before the oldest, in µs since 1970
	last   int64 // time of the last entry
}

func (l *timeline) begin(at time.Time) {
	now := at.UnixMicro()
	l.data = binary.AppendVarint(l.data, now-l.last)
	l.length++
	l.last = now
}

// dropFirst drops the oldest entry, which rest has decoded.
func (l *timeline) dropFirst(rest decoder) {
	l.data = slices.Delete(l.data, 0, len(l.data)-len(rest.data))
	l.before = rest.at
	l.length--
}

func (l *timeline) decoder() decoder { return decoder{l.data, l.before} }

// decoder decodes the entries of a timeline, the oldest first.
type decoder struct {
	data []byte
	at   int64 // time of the entry before the next
}

func (d *decoder) past() PastProbe {
	p := PastProbe{
		Start:    d.time(),
		Duration: d.duration(),
		State:    d.state(),
		Status:   int(d.number()),
		Phases: probe.Phases{
			Resolve: d.duration(), Connect: d.duration(), TLS: d.duration(),
			Processing: d.duration(), Transfer: d.duration(),
		},
		Code: d.text(),
		OpID: d.text(),
	}
	p.HasRequest, p.Status = p.Status != noRequest, max(p.Status, 0)
	return p
}

func (d *decoder) time() time.Time {
	d.at += d.number()
	return time.UnixMicro(d.at)
}

func (d *decoder) number() int64 {
	number, size := binary.Varint(d.data)
	d.data = d.data[size:]
	return number
}

func (d *decoder) duration() time.Duration { return time.Duration(d.number()) * time.Microsecond }

func (d *decoder) state() sessionapi.State { return states[d.number()] }

func (d *decoder) text() string {
	size := d.number()
	if size == uuidMark {
		return formatUUID(d.bytes(uuidBytes))
	}
	return string(d.bytes(size))
}

func (d *decoder) bytes(n int64) []byte {
	first := d.data[:n]
	d.data = d.data[n:]
	return first
}

// A text is encoded as its length and its bytes. A UUID (RFC 9562, section 4), as most
// operation IDs are, is encoded as uuidMark and 16 bytes, which saves 2 kB of a full
// history.
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
