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
	// They range from a probe on a kept connection within a site to the default timeout.
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
// the same as client_golang's, with two differences. It has no counterpart of
// NativeHistogramMinResetDuration: with too many native buckets it always merges them, because
// a reset would reset the classic ones too. Its native exemplars are those of the classic
// buckets, the last of each; client_golang selects ten others.
type histogram struct {
	operation string // the API's name of an operation ID, for exemplars; constant
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

// observe adds the duration of a probe. id is the API's ID of its last operation, empty
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

// maxNativeGap is the longest run of empty buckets that is written as zeros: two of them
// take less space than another span.
const maxNativeGap = 2

// message is the memory of a histogram's message. It can be reused: a new one takes 8 kB.
type message struct {
	histogram    dto.Histogram
	created      timestamppb.Timestamp
	count, zero  uint64
	sum          float64
	schema       int32
	buckets      [len(classicBounds)]dto.Bucket
	bucketRefs   [len(classicBounds)]*dto.Bucket
	cumulative   [len(classicBounds)]uint64
	spans        []spanMessage
	spanRefs     []*dto.BucketSpan
	deltas       []int64
	exemplars    []exemplarMessage
	exemplarRefs []*dto.Exemplar
}

type spanMessage struct {
	span   dto.BucketSpan
	offset int32
	length uint32
}

type exemplarMessage struct {
	exemplar dto.Exemplar
	id       string
	seconds  float64
	at       timestamppb.Timestamp
	label    dto.LabelPair
	labels   [1]*dto.LabelPair
}

// dto returns the histogram's message, in the memory of m. Later observations do not
// change it.
func (h *histogram) dto(m *message) *dto.Histogram {
	m.count, m.zero, m.sum, m.schema = 0, uint64(h.zero), h.sum, h.schema
	for i := range m.buckets {
		m.count += uint64(h.classic[i])
		m.cumulative[i] = m.count
		b := &m.buckets[i]
		b.CumulativeCount, b.UpperBound, b.Exemplar = &m.cumulative[i], &classicBounds[i], nil
		m.bucketRefs[i] = b
	}
	h.setSpans(m)
	h.setExemplars(m)
	for i, exemplar := range h.exemplars {
		m.buckets[exemplar.bucket].Exemplar = m.exemplarRefs[i]
	}
	buckets := m.bucketRefs[:]
	if last := len(buckets) - 1; buckets[last].Exemplar == nil {
		buckets = buckets[:last] // +Inf is implied
	}
	out := &m.histogram
	out.SampleCount, out.SampleSum, out.Bucket = &m.count, &m.sum, buckets
	out.Schema, out.ZeroThreshold, out.ZeroCount = &m.schema, &zeroThreshold, &m.zero
	out.PositiveSpan, out.PositiveDelta = m.spanRefs, m.deltas
	out.Exemplars = m.exemplarRefs
	out.CreatedTimestamp = setTime(&m.created, h.created)
	return out
}

// setSpans sets the native buckets as spans of consecutive ones, and the difference of each
// count to the one before.
func (h *histogram) setSpans(m *message) {
	m.spans = slices.Grow(m.spans[:0], len(h.native)) // they must not move
	m.spanRefs = m.spanRefs[:0]
	m.deltas = slices.Grow(m.deltas[:0], 2*len(h.native)) // more only with many gaps
	var current *spanMessage
	var next int32 // index after the last bucket
	var before int64
	add := func(count int64) {
		m.deltas = append(m.deltas, count-before)
		before = count
		current.length++
	}
	for i, bucket := range h.native {
		if gap := bucket.index - next; i == 0 || gap > maxNativeGap {
			m.spans = m.spans[:len(m.spans)+1]
			current = &m.spans[len(m.spans)-1]
			current.offset, current.length = gap, 0
			current.span.Offset, current.span.Length = &current.offset, &current.length
			m.spanRefs = append(m.spanRefs, &current.span)
		} else {
			for range gap {
				add(0)
			}
		}
		add(int64(bucket.count))
		next = bucket.index + 1
	}
}

func (h *histogram) setExemplars(m *message) {
	m.exemplars = slices.Grow(m.exemplars[:0], len(h.exemplars))[:len(h.exemplars)]
	m.exemplarRefs = slices.Grow(m.exemplarRefs[:0], len(h.exemplars))
	for i, e := range h.exemplars {
		x := &m.exemplars[i]
		x.id, x.seconds = e.id, e.duration.Seconds()
		x.label.Name, x.label.Value = &h.operation, &x.id
		x.labels[0] = &x.label
		x.exemplar.Label, x.exemplar.Value, x.exemplar.Timestamp = x.labels[:], &x.seconds, setTime(&x.at, e.at)
		m.exemplarRefs = append(m.exemplarRefs, &x.exemplar)
	}
}

// setTime sets t to a Unix time in nanoseconds and returns t.
func setTime(t *timestamppb.Timestamp, unixNano int64) *timestamppb.Timestamp {
	t.Seconds, t.Nanos = unixNano/int64(time.Second), int32(unixNano%int64(time.Second))
	return t
}
