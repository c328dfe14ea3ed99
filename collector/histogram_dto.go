package collector

import (
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// maxNativeGap is how many empty buckets in a row are written as such. To begin
// another span takes more.
const maxNativeGap = 2

// message is the memory of what each histogram's message has.
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

// dto returns what is exposed. It stays as it is when more is observed.
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
		buckets = buckets[:last] // +Inf goes without saying
	}
	out := &m.histogram
	out.SampleCount, out.SampleSum, out.Bucket = &m.count, &m.sum, buckets
	out.Schema, out.ZeroThreshold, out.ZeroCount = &m.schema, &zeroThreshold, &m.zero
	out.PositiveSpan, out.PositiveDelta = h.spans()
	out.Exemplars = exemplars
	out.CreatedTimestamp = setTime(&m.created, h.created)
	return out
}

// spans returns native buckets as runs, and by how many each bucket of these has
// more than the one before.
func (h *histogram) spans() (spans []*dto.BucketSpan, deltas []int64) {
	type memory struct {
		span   dto.BucketSpan
		offset int32
		length uint32
	}
	var current *memory
	var next int32 // after the bucket before
	var before int64
	deltas = make([]int64, 0, 2*len(h.native)) // or more, with all gaps
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

// setTime sets a time of Unix time in nanoseconds, and returns it.
func setTime(t *timestamppb.Timestamp, unixNano int64) *timestamppb.Timestamp {
	t.Seconds, t.Nanos = unixNano/int64(time.Second), int32(unixNano%int64(time.Second))
	return t
}
