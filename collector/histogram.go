package collector

import (
	"cmp"
	"math"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	nativeSchema = 3 // at first: 2^3 buckets for each power of two, as of a factor of 1.1
	maxNative    = 50
)

// Messages refer to these, so they never change.
var (
	// From a kept connection on the same site to the default timeout. The last has
	// all that takes longer.
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

// histogram is of durations, classic and native at once. What it exposes is what
// client_golang's would, which takes ten times the memory: that needs no lock, and
// is good for any values. There are two differences. Too many native buckets only
// get wider, and nothing is ever reset: that would be the classic ones too. And
// the exemplars of native buckets are those of the classic ones, each of which has
// its last, where client_golang selects ten of their own.
type histogram struct {
	operation string // what the API calls the id of an operation, for exemplars; never changes
	created   int64  // Unix time in nanoseconds
	sum       float64
	classic   [len(classicBounds)]uint32 // not cumulative
	zero      uint32                     // native, of durations that are 0
	schema    int32
	native    []nativeBucket // by index
	exemplars []exemplar     // by bucket, and so by duration
}

// nativeBucket has durations of at most 2^(index / 2^schema) s that the bucket
// before has not.
type nativeBucket struct {
	index int32
	count uint32
}

type exemplar struct {
	id       string
	duration time.Duration
	at       int64 // Unix time in nanoseconds
	bucket   int   // the classic one
}

func newHistogram(operation string) histogram {
	return histogram{operation: operation, created: time.Now().UnixNano(), schema: nativeSchema}
}

// copied returns a histogram of its own: buckets and exemplars are changed in place.
func (h *histogram) copied() histogram {
	own := *h
	own.native, own.exemplars = slices.Clone(h.native), slices.Clone(h.exemplars)
	return own
}

// observe takes in how long a probe took, with the API's own id of its last
// operation, if any.
func (h *histogram) observe(d time.Duration, id string) {
	seconds := d.Seconds()
	h.sum += seconds
	bucket, _ := slices.BinarySearch(classicBounds[:], seconds)
	h.classic[bucket]++
	h.observeNative(seconds)
	// OpenMetrics allows no more; the name may be out of the configuration.
	if id == "" || h.operation == "" || utf8.RuneCountInString(h.operation)+utf8.RuneCountInString(id) > prometheus.ExemplarMaxRunes {
		return
	}
	last := exemplar{id: id, duration: d, at: time.Now().UnixNano(), bucket: bucket}
	at, there := slices.BinarySearchFunc(h.exemplars, last, func(a, b exemplar) int { return cmp.Compare(a.bucket, b.bucket) })
	if there {
		h.exemplars[at] = last
	} else {
		h.exemplars = slices.Insert(h.exemplars, at, last)
	}
}

func (h *histogram) observeNative(seconds float64) {
	if seconds > zeroThreshold {
		bucket := nativeBucket{index: nativeIndex(seconds), count: 1}
		for range nativeSchema - h.schema {
			bucket.index = widen(bucket.index)
		}
		at, there := slices.BinarySearchFunc(h.native, bucket, func(a, b nativeBucket) int { return cmp.Compare(a.index, b.index) })
		if there {
			h.native[at].count++
		} else {
			h.native = slices.Insert(h.native, at, bucket)
		}
	} else {
		h.zero++
	}
	// Once for each observation, as client_golang does it. It ends: where each
	// bucket goes from a number to its fourfold, all durations that there are fit.
	if len(h.native) > maxNative {
		h.halve()
	}
}

// nativeIndex returns the bucket that a number has at first.
func nativeIndex(seconds float64) int32 {
	fraction, exponent := math.Frexp(seconds) // at least 1/2 and below 1
	step, _ := slices.BinarySearch(nativeBounds[:], fraction)
	return int32((exponent-1)*len(nativeBounds) + step)
}

// widen returns the bucket that a bucket is part of where they are twice as wide.
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
