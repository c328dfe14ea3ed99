package collector

import (
	"cmp"
	"math"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	nativeSchema = 3 // initially: 2^3 buckets for each power of two, a factor of 1.1
	maxNative    = 50
)

// These are constant: messages have pointers to them.
var (
	// From a reused connection on the same site to the default timeout.
	classicBounds = [...]float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, math.Inf(+1)}
	zeroThreshold = float64(prometheus.DefNativeHistogramZeroThreshold)
)

// nativeBounds are the upper bounds of native buckets from 1/2 to below 1.
var nativeBounds = func() (bounds [1 << nativeSchema]float64) {
	for i := range bounds {
		bounds[i] = math.Exp2(float64(i)/float64(len(bounds)) - 1)
	}
	return bounds
}()

// histogram is a histogram of durations with classic and native buckets. It takes a tenth
// of the memory of client_golang's, but needs a lock and accepts only durations. It exposes
// the same as client_golang's, with two differences. If it has too many native buckets, it
// merges them instead of resetting, which would reset the classic ones too. Its native
// exemplars are those of the classic buckets, the last of each; client_golang selects ten
// others.
type histogram struct {
	operation string // the API's name of an operation id, for exemplars; constant
	created   int64  // Unix time in nanoseconds
	sum       float64
	classic   [len(classicBounds)]uint32 // not cumulative
	zero      uint32                     // native, of durations that are 0
	schema    int32
	native    []nativeBucket // by index
	exemplars []exemplar     // by bucket, and so by duration
}

// nativeBucket counts durations greater than 2^((index-1) / 2^schema) s and at most
// 2^(index / 2^schema) s.
type nativeBucket struct {
	index int32
	count uint32
}

type exemplar struct {
	id       string
	duration time.Duration
	at       int64 // Unix time in nanoseconds
	bucket   int   // classic
}

func newHistogram(operation string) histogram {
	return histogram{operation: operation, created: time.Now().UnixNano(), schema: nativeSchema}
}

// clone returns a deep copy: observe changes buckets and exemplars in place.
func (h *histogram) clone() histogram {
	c := *h
	c.native, c.exemplars = slices.Clone(h.native), slices.Clone(h.exemplars)
	return c
}

// observe adds the duration of a probe. id is the API's id of its last operation, empty
// for none.
func (h *histogram) observe(d time.Duration, id string) {
	seconds := d.Seconds()
	h.sum += seconds
	bucket, _ := slices.BinarySearch(classicBounds[:], seconds)
	h.classic[bucket]++
	h.observeNative(seconds)
	// OpenMetrics limits the length of an exemplar, and the configuration may set the name.
	if id == "" || h.operation == "" || utf8.RuneCountInString(h.operation)+utf8.RuneCountInString(id) > prometheus.ExemplarMaxRunes {
		return
	}
	e := exemplar{id: id, duration: d, at: time.Now().UnixNano(), bucket: bucket}
	at, found := slices.BinarySearchFunc(h.exemplars, e, func(a, b exemplar) int { return cmp.Compare(a.bucket, b.bucket) })
	if found {
		h.exemplars[at] = e
	} else {
		h.exemplars = slices.Insert(h.exemplars, at, e)
	}
}

func (h *histogram) observeNative(seconds float64) {
	if seconds > zeroThreshold {
		bucket := nativeBucket{index: nativeIndex(seconds), count: 1}
		for range nativeSchema - h.schema {
			bucket.index = widen(bucket.index)
		}
		at, found := slices.BinarySearchFunc(h.native, bucket, func(a, b nativeBucket) int { return cmp.Compare(a.index, b.index) })
		if found {
			h.native[at].count++
		} else {
			h.native = slices.Insert(h.native, at, bucket)
		}
	} else {
		h.zero++
	}
	// Once per observation, as in client_golang. Halving stops when each bucket spans a factor
	// of 4, if not before: maxNative such buckets hold all durations.
	if len(h.native) > maxNative {
		h.halve()
	}
}

// nativeIndex returns a number's bucket at nativeSchema.
func nativeIndex(seconds float64) int32 {
	fraction, exponent := math.Frexp(seconds) // at least 1/2 and below 1
	step, _ := slices.BinarySearch(nativeBounds[:], fraction)
	return int32((exponent-1)*len(nativeBounds) + step)
}

// widen returns the bucket that includes a bucket at half the resolution.
func widen(index int32) int32 { return (index + 1) >> 1 }

// halve halves the resolution.
func (h *histogram) halve() {
	h.schema--
	wide := h.native[:0]
	for _, bucket := range h.native {
		bucket.index = widen(bucket.index)
		if last := len(wide) - 1; last >= 0 && wide[last].index == bucket.index {
			wide[last].count += bucket.count
		} else {
			wide = append(wide, bucket)
		}
	}
	h.native = wide
}

// maxNativeGap is how many consecutive empty buckets are written. Another span would take
// more space.
const maxNativeGap = 2

// message holds the fixed parts of a histogram's message, in one allocation.
type message struct {
	histogram   dto.Histogram
	created     timestamppb.Timestamp
	count, zero uint64
	sum         float64
	schema      int32
	buckets     [len(classicBounds)]dto.Bucket
	bucketRefs  [len(classicBounds)]*dto.Bucket
	cumulative  [len(classicBounds)]uint64
}

// dto returns the histogram's message. Later observations do not change it.
func (h *histogram) dto() *dto.Histogram {
	m := &message{zero: uint64(h.zero), sum: h.sum, schema: h.schema}
	exemplars := h.exemplarMessages()
	for i, exemplar := range h.exemplars {
		m.buckets[exemplar.bucket].Exemplar = exemplars[i]
	}
	for i := range m.buckets {
		m.count += uint64(h.classic[i])
		m.cumulative[i] = m.count
		m.buckets[i].CumulativeCount, m.buckets[i].UpperBound = &m.cumulative[i], &classicBounds[i]
		m.bucketRefs[i] = &m.buckets[i]
	}
	buckets := m.bucketRefs[:]
	if last := len(buckets) - 1; buckets[last].Exemplar == nil {
		buckets = buckets[:last] // +Inf is implied
	}
	out := &m.histogram
	out.SampleCount, out.SampleSum, out.Bucket = &m.count, &m.sum, buckets
	out.Schema, out.ZeroThreshold, out.ZeroCount = &m.schema, &zeroThreshold, &m.zero
	out.PositiveSpan, out.PositiveDelta = h.spans()
	out.Exemplars = exemplars
	out.CreatedTimestamp = setTime(&m.created, h.created)
	return out
}

// spans returns the native buckets as spans of consecutive ones, and the difference of each
// count to the one before.
func (h *histogram) spans() (spans []*dto.BucketSpan, deltas []int64) {
	type memory struct {
		span   dto.BucketSpan
		offset int32
		length uint32
	}
	var current *memory
	var next int32 // index after the last bucket
	var before int64
	deltas = make([]int64, 0, 2*len(h.native)) // more only with many gaps
	add := func(count int64) {
		deltas = append(deltas, count-before)
		before = count
		current.length++
	}
	for _, bucket := range h.native {
		if gap := bucket.index - next; current == nil || gap > maxNativeGap {
			current = &memory{offset: gap}
			current.span.Offset, current.span.Length = &current.offset, &current.length
			spans = append(spans, &current.span)
		} else {
			for range gap {
				add(0)
			}
		}
		add(int64(bucket.count))
		next = bucket.index + 1
	}
	return spans, deltas
}

func (h *histogram) exemplarMessages() []*dto.Exemplar {
	memory := make([]struct {
		exemplar dto.Exemplar
		id       string
		seconds  float64
		at       timestamppb.Timestamp
		label    dto.LabelPair
		labels   [1]*dto.LabelPair
	}, len(h.exemplars))
	refs := make([]*dto.Exemplar, len(h.exemplars))
	for i, e := range h.exemplars {
		m := &memory[i]
		m.id, m.seconds = e.id, e.duration.Seconds()
		m.label.Name, m.label.Value = &h.operation, &m.id
		m.labels[0] = &m.label
		m.exemplar.Label, m.exemplar.Value, m.exemplar.Timestamp = m.labels[:], &m.seconds, setTime(&m.at, e.at)
		refs[i] = &m.exemplar
	}
	return refs
}

// setTime sets t to a Unix time in nanoseconds and returns t.
func setTime(t *timestamppb.Timestamp, unixNano int64) *timestamppb.Timestamp {
	t.Seconds, t.Nanos = unixNano/int64(time.Second), int32(unixNano%int64(time.Second))
	return t
}
