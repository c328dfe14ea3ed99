package collector

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// ChangesLength is the number of changes of state kept of an endpoint.
const ChangesLength = 20

// maxReason limits the reason of a change, in characters: "the request was sent on a kept
// connection, and no response arrived" fits.
const maxReason = 72

// Change is a change of an endpoint's state.
type Change struct {
	Time time.Time // start of the first probe with the new state
	// From is sessionapi.Unknown in the first change.
	From, To sessionapi.State
	// Reason is the status and error code of the response, or why there was none, in at
	// most 72 characters. It is empty if the new state is valid, if no request was
	// attempted, or if the response was a success without an error code.
	Reason string
	Probes int // number of consecutive probes with the new state, until the next change or now
}

// changes holds an endpoint's most recent changes of state, each in about 10 bytes plus its
// reason. An endpoint that fails now and then keeps 20 changes in 400 bytes.
type changes struct{ timeline }

// add adds a change from the state that the given number of consecutive probes had, to
// the state of the result.
func (c *changes) add(from sessionapi.State, probes int, r *probe.Result) {
	if c.length == ChangesLength {
		d := c.decoder()
		d.change()
		c.dropFirst(d)
	}
	c.begin(r.Start)
	for _, number := range []int64{stateIndex(from), stateIndex(r.State), int64(probes)} {
		c.data = binary.AppendVarint(c.data, number)
	}
	c.data = appendText(c.data, reasonOf(r))
}

// all returns the changes, the oldest first. probes is the number of consecutive probes
// with the current state.
func (c *changes) all(probes int) []Change {
	all := make([]Change, 0, c.length)
	for d := c.decoder(); len(d.data) > 0; {
		change := d.change()
		if len(all) > 0 {
			all[len(all)-1].Probes = change.Probes
		}
		all = append(all, change)
	}
	if len(all) > 0 {
		all[len(all)-1].Probes = probes
	}
	return all
}

// change decodes a change. Its Probes counts the probes with the previous state.
func (d *decoder) change() Change {
	return Change{Time: d.time(), From: d.state(), To: d.state(), Probes: int(d.number()), Reason: d.text()}
}

func reasonOf(r *probe.Result) string {
	last, sent := r.Last()
	switch {
	case r.State == sessionapi.Valid || !sent || last.Status/100 == 2 && last.Code == "":
		return ""
	case last.Status == 0 && last.Trace != nil && last.Trace.Failure != "":
		return sessionapi.CleanText(last.Trace.Failure, maxReason)
	default:
		return sessionapi.CleanText(last.StatusText(), maxReason)
	}
}

// ValidShare is the share of time in which an endpoint was valid. From the start of a
// probe to that of the next, or to now, it is in the state that the probe found.
type ValidShare struct {
	Ratio float64 // 0 to 1
	// Observed is the time that the ratio covers: the window, or the time since the first
	// probe if that is shorter. It is zero before the first probe.
	Observed time.Duration
}

const (
	validWindow = 24 * time.Hour
	bucketWidth = 5 * time.Minute
	bucketCount = int(validWindow / bucketWidth)
)

// validTime holds the valid time of the last 24 hours in 288 bytes, one for each five
// minutes. If a window begins within a bucket, the bucket's share applies to the part
// inside the window, so a ratio may be wrong by up to five minutes of valid time. It is
// not derived from the changes, because 20 of them may be within an hour.
type validTime struct {
	buckets []uint8 // shares of the observed time of each bucket, in 1/255, the oldest first
	current int64   // valid time in the current bucket, in ns
	first   int64   // start of the first probe, in ns since 1970; 0 before it
	last    int64   // start of the last probe
	valid   bool    // that probe found a valid session
}

// record records the start of a probe and whether it found a valid session.
func (v *validTime) record(at time.Time, valid bool) {
	now := at.UnixNano()
	if now < v.last { // the clock was set back, so the record no longer applies
		*v = validTime{}
	}
	if v.first == 0 {
		v.first, v.last = now, now
	}
	if begin := now - int64(validWindow); v.last < begin { // the machine slept, or the clock was set forward
		v.buckets, v.current, v.first, v.last = v.buckets[:0], 0, begin, begin
	}
	for v.last < now {
		end := min(now, bucketStart(v.last)+int64(bucketWidth))
		if v.valid {
			v.current += end - v.last
		}
		if v.last = end; bucketStart(end) == end {
			v.closeBucket()
		}
	}
	v.valid = valid
}

// closeBucket adds the bucket that ends at last.
func (v *validTime) closeBucket() {
	if v.buckets == nil {
		v.buckets = make([]uint8, 0, bucketCount)
	}
	if len(v.buckets) == bucketCount {
		v.buckets = slices.Delete(v.buckets, 0, 1)
	}
	observed := v.last - max(v.last-int64(bucketWidth), v.first)
	v.buckets = append(v.buckets, uint8(math.Round(float64(v.current)/float64(observed)*math.MaxUint8)))
	v.current = 0
}

// bucketStart returns the start of the bucket that contains a time.
func bucketStart(at int64) int64 { return at - at%int64(bucketWidth) }

// share returns the share of valid time in a window of at most validWindow before now.
func (v *validTime) share(now time.Time, window time.Duration) ValidShare {
	end := now.UnixNano()
	start := max(v.first, end-int64(window))
	if v.first == 0 || end <= start {
		return ValidShare{}
	}
	valid := 0.0
	add := func(from, to int64, share float64) {
		// Times after now are from before the clock was set back.
		if from, to = max(from, start), min(to, end); from < to {
			valid += share * float64(to-from)
		}
	}
	current := bucketStart(v.last)
	for i, bucket := range v.buckets {
		from := current - int64(len(v.buckets)-i)*int64(bucketWidth)
		add(from, from+int64(bucketWidth), float64(bucket)/math.MaxUint8)
	}
	if observed := v.last - max(current, v.first); observed > 0 {
		add(current, v.last, float64(v.current)/float64(observed))
	}
	if v.valid {
		add(v.last, end, 1)
	}
	return ValidShare{Ratio: valid / float64(end-start), Observed: time.Duration(end - start)}
}
