package collector

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
)

// both has our histogram and client_golang's of the same durations.
type both struct {
	ours   histogram
	theirs prometheus.Histogram
}

func newBoth() *both {
	return &both{newHistogram("op_id"), prometheus.NewHistogram(prometheus.HistogramOpts{
		Buckets:                        classicBounds[:],
		NativeHistogramBucketFactor:    1.1,
		NativeHistogramMaxBucketNumber: 50,
	})}
}

func (b *both) observe(d time.Duration, id string) {
	b.ours.observe(d, id)
	if id == "" {
		b.theirs.Observe(d.Seconds())
		return
	}
	b.theirs.(prometheus.ExemplarObserver).ObserveWithExemplar(d.Seconds(), prometheus.Labels{"op_id": id})
}

// check compares everything except the start timestamps, and the exemplars of native
// buckets.
func (b *both) check(tb testing.TB) *dto.Histogram {
	tb.Helper()
	var m dto.Metric
	if err := b.theirs.Write(&m); err != nil {
		tb.Fatal(err)
	}
	got, want := b.ours.dto(new(message)), m.GetHistogram()
	all := got.GetExemplars()
	got.Exemplars, want.Exemplars, want.CreatedTimestamp = nil, nil, got.CreatedTimestamp
	if !proto.Equal(got, want) {
		tb.Fatalf("it is\n%s\nwant\n%s", got, want)
	}
	got.Exemplars = all
	return got
}

func TestHistogram(t *testing.T) {
	const hour = 60 * 60
	logUniform := func(r *rand.Rand, from, to float64) time.Duration {
		return time.Duration(from * math.Pow(to/from, r.Float64()) * 1e9)
	}
	for _, tc := range []struct {
		name   string
		next   func(r *rand.Rand, i int) time.Duration
		schema int32 // after all observations
	}{
		{"none but 0", func(*rand.Rand, int) time.Duration { return 0 }, 3},
		{"one bucket", func(*rand.Rand, int) time.Duration { return 150 * time.Millisecond }, 3},
		{"few buckets", func(r *rand.Rand, _ int) time.Duration { return logUniform(r, .02, .2) }, 3},
		{"many buckets", func(r *rand.Rand, _ int) time.Duration { return logUniform(r, .001, 30) }, 1},
		{"hours", func(r *rand.Rand, _ int) time.Duration { return logUniform(r, 1e-9, 10*hour) }, 0},
		{"the whole range", func(r *rand.Rand, _ int) time.Duration {
			return time.Duration(r.Uint64() >> (1 + r.UintN(64)))
		}, -1},
		{"the classic bounds, and a nanosecond off them", func(r *rand.Rand, i int) time.Duration {
			return time.Duration(classicBounds[i%(len(classicBounds)-1)]*1e9) + time.Duration(r.IntN(3)-1)
		}, 3},
		{"powers of two", func(_ *rand.Rand, i int) time.Duration { return time.Second << 9 >> (i % 19) }, 3},
		{"powers of two, and a nanosecond off them", func(r *rand.Rand, i int) time.Duration {
			return time.Second<<9>>(i%19) + time.Duration(r.IntN(3)-1)
		}, 3},
		{"far apart, the largest first", func(_ *rand.Rand, i int) time.Duration { return math.MaxInt64 >> (i % 64) }, -1},
		{"far apart, the smallest first", func(_ *rand.Rand, i int) time.Duration { return math.MaxInt64 >> (63 - i%64) }, -1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, b := rand.New(rand.NewPCG(1, 2)), newBoth()
			b.check(t)
			for i := range 5000 {
				b.observe(tc.next(r, i), "")
				if i < 200 || i%100 == 0 {
					b.check(t)
				}
			}
			if got := b.check(t).GetSchema(); got != tc.schema {
				t.Errorf("schema %d, want %d", got, tc.schema)
			}
			if len(b.ours.native) > maxNative {
				t.Errorf("%d native buckets", len(b.ours.native))
			}
		})
	}
}

// The last exemplar of each classic bucket is kept. Time in a bubble passes only by sleep.
func TestHistogramExemplars(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, b := rand.New(rand.NewPCG(1, 2)), newBoth()
		for i := range 1000 {
			<-time.After(time.Second + time.Nanosecond)
			id := fmt.Sprint("operation ", i)
			if r.IntN(3) == 0 {
				id = "" // keeps the last one
			}
			b.observe(time.Duration(1e6*math.Pow(1e5, r.Float64())), id)
			var inBuckets []*dto.Exemplar
			h := b.check(t)
			for _, bucket := range h.GetBucket() {
				if bucket.Exemplar != nil {
					inBuckets = append(inBuckets, bucket.Exemplar)
				}
			}
			if !slices.Equal(h.GetExemplars(), inBuckets) {
				t.Fatalf("exemplars %s, want those of the buckets: %s", h.GetExemplars(), inBuckets)
			}
		}
		if got := len(b.ours.exemplars); got != len(classicBounds) {
			t.Errorf("%d exemplars of %d buckets", got, len(classicBounds))
		}
	})
}

func TestHistogramNoExemplar(t *testing.T) {
	for _, tc := range []struct {
		name, operation, id string
		exemplars           int
	}{
		{"one", "op_id", "1", 1},
		{"the appliance gave no ID", "op_id", "", 0},
		{"the API has none", "", "1", 0},
		{"as long as OpenMetrics allows", strings.Repeat("a", 64), strings.Repeat("é", 64), 1},
		{"too long", strings.Repeat("a", 64), strings.Repeat("é", 65), 0},
	} {
		h := newHistogram(tc.operation)
		h.observe(time.Second, tc.id)
		if got := len(h.dto(new(message)).GetExemplars()); got != tc.exemplars {
			t.Errorf("%s: %d exemplars, want %d", tc.name, got, tc.exemplars)
		}
	}
}

// Later observations do not change a message.
func TestHistogramMessageStays(t *testing.T) {
	h := newHistogram("op_id")
	h.observe(time.Second, "a")
	message := h.dto(new(message))
	before := proto.Clone(message)
	for i := range 100 {
		h.observe(time.Duration(i)*time.Second, "b")
	}
	if !proto.Equal(message, before) {
		t.Errorf("it was\n%s\nand is\n%s", before, message)
	}
}

// A message that reuses another's memory retains nothing of its contents.
func TestHistogramMessageReused(t *testing.T) {
	many, _ := usual()
	many.observe(time.Hour, "beyond the last bound")
	none, one := newHistogram("op_id"), newHistogram("other_id")
	one.observe(time.Second, "a")
	var memory message
	for _, h := range []*histogram{many, &none, &one, many, &one} {
		if got, want := h.dto(&memory), h.dto(new(message)); !proto.Equal(got, want) {
			t.Errorf("it is\n%s\nwant\n%s", got, want)
		}
	}
	if got := testing.AllocsPerRun(100, func() { many.dto(&memory) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func TestHistogramCreated(t *testing.T) {
	before := time.Now()
	h := newHistogram("")
	if created := h.dto(new(message)).GetCreatedTimestamp().AsTime(); created.Before(before.Round(0)) || created.After(time.Now()) {
		t.Errorf("created %s, want %s", created, before)
	}
}

// An observation in an existing bucket allocates nothing, and a message only a few times.
func TestHistogramAllocations(t *testing.T) {
	h, durations := usual()
	i := 0
	if got := testing.AllocsPerRun(len(durations), func() {
		h.observe(durations[i%len(durations)], "b1946ac9-2492-4d23-87a6-000000000001")
		i++
	}); got != 0 {
		t.Errorf("%v allocations for an observation", got)
	}
	if got := testing.AllocsPerRun(100, func() { h.dto(new(message)) }); got > 15 {
		t.Errorf("%v allocations for a rendering", got)
	}
}

// usual returns a histogram with the durations of a typical endpoint: most of them close
// together, and a long tail.
func usual() (*histogram, []time.Duration) {
	r, h := rand.New(rand.NewPCG(1, 2)), newHistogram("op_id")
	durations := make([]time.Duration, 1000)
	for i := range durations {
		durations[i] = time.Duration(20e6 * math.Exp(.8*r.ExpFloat64()))
		h.observe(durations[i], fmt.Sprint("operation ", i))
	}
	return &h, durations
}

func BenchmarkHistogramObserve(b *testing.B) {
	h, durations := usual()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		h.observe(durations[i%len(durations)], "b1946ac9-2492-4d23-87a6-000000000001")
	}
}

func BenchmarkHistogramMessage(b *testing.B) {
	h, _ := usual()
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			h.dto(new(message))
		}
	})
	b.Run("reused", func(b *testing.B) {
		var memory message
		b.ReportAllocs()
		for b.Loop() {
			h.dto(&memory)
		}
	})
}
