package exposition

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var formats = []expfmt.Format{
	expfmt.NewFormat(expfmt.TypeTextPlain), expfmt.FmtOpenMetrics_1_0_0, expfmt.NewFormat(expfmt.TypeProtoDelim),
}

// target has the samples of one target.
type target struct {
	labels  []string // values
	version uint64
	created time.Time
	samples map[string][]sample // by family
}

type sample struct {
	own       []string
	value     float64
	histogram *dto.Histogram
}

// world has targets, and writes their metrics with this package and with client_golang.
type world struct {
	families []Family
	names    []string // of labels
	targets  []*target
	rendered int
}

func (w *world) source() *Source {
	return &Source{Families: w.families, LabelNames: w.names, Targets: len(w.targets), Render: w.render}
}

func (w *world) render(i int, known uint64, r *Renderer) uint64 {
	o := w.targets[i]
	if o.version == known {
		return known
	}
	w.rendered++
	r.Begin(w.labels(o), o.created)
	for _, family := range w.families {
		r.Family()
		for _, s := range o.samples[family.Name] {
			if s.histogram != nil {
				r.Histogram(s.histogram)
			} else {
				r.Sample(s.value, s.own)
			}
		}
	}
	return o.version
}

func (w *world) labels(o *target) (labels []*dto.LabelPair) {
	for i, name := range w.names {
		labels = append(labels, &dto.LabelPair{Name: &name, Value: &o.labels[i]})
	}
	return labels
}

// gathered returns the same families as client_golang's Gather would.
func (w *world) gathered() (families []*dto.MetricFamily) {
	for _, f := range w.families {
		family := &dto.MetricFamily{Name: &f.Name, Help: &f.Help, Type: &f.Type}
		if f.Unit != "" {
			family.Unit = &f.Unit
		}
		for _, o := range w.targets {
			for _, s := range o.samples[f.Name] {
				m := &dto.Metric{Label: w.labels(o), Histogram: s.histogram}
				for i := range s.own {
					m.Label = append(m.Label, &dto.LabelPair{Name: &f.Labels[i], Value: &s.own[i]})
				}
				slices.SortFunc(m.Label, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
				switch f.Type {
				case dto.MetricType_GAUGE:
					m.Gauge = &dto.Gauge{Value: &s.value}
				case dto.MetricType_COUNTER:
					m.Counter = &dto.Counter{Value: &s.value}
					if !o.created.IsZero() {
						m.Counter.CreatedTimestamp = timestamppb.New(o.created)
					}
				}
				family.Metric = append(family.Metric, m)
			}
		}
		if len(family.Metric) > 0 {
			families = append(families, family)
		}
	}
	return families
}

func (w *world) check(t *testing.T) {
	t.Helper()
	for i, cache := range NewCaches(w.source()) {
		got, want := written(t, cache, formats[i], nil, nil), encoded(t, formats[i], w.gathered())
		if got != want {
			t.Errorf("%s:\n%s\nwant\n%s", formats[i], got, want)
		}
	}
}

func written(t *testing.T, cache *Cache, format expfmt.Format, others []*dto.MetricFamily, wanted func(string) bool) string {
	t.Helper()
	var body bytes.Buffer
	if err := cache.Write(&body, format, others, wanted); err != nil {
		t.Fatal(err)
	}
	return body.String()
}

func encoded(t *testing.T, format expfmt.Format, families []*dto.MetricFamily) string {
	t.Helper()
	var body bytes.Buffer
	encoder := expfmt.NewEncoder(&body, format, expfmt.WithCreatedLines())
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			t.Fatal(err)
		}
	}
	if err := encoder.(expfmt.Closer).Close(); err != nil {
		t.Fatal(err)
	}
	return body.String()
}

// Counters have start timestamps and families units, if the format supports them.
func TestCreatedAndUnit(t *testing.T) {
	w := &world{names: []string{"a", "c"}, families: []Family{
		{Name: "busy_seconds_total", Help: "Time.", Unit: UnitOf("busy_seconds_total"), Type: dto.MetricType_COUNTER, Labels: []string{"b", "d"}},
		{Name: "c_total", Type: dto.MetricType_COUNTER},
		{Name: "counted", Type: dto.MetricType_COUNTER},
		{Name: "g_seconds", Unit: UnitOf("g_seconds"), Type: dto.MetricType_GAUGE},
	}}
	for i, created := range []time.Time{{}, time.Unix(0, 0), time.Unix(1767225600, 0), time.Unix(1767225600, 123456789), time.Unix(1<<33, 999)} {
		w.targets = append(w.targets, &target{labels: []string{fmt.Sprint(i), hostile}, version: 1, created: created, samples: map[string][]sample{
			"busy_seconds_total": {{own: []string{"x", hostile}, value: 1.5}, {own: []string{"y", ""}, value: 2}},
			"c_total":            {{value: 1}}, "counted": {{value: 3}}, "g_seconds": {{value: 4}},
		}})
	}
	w.check(t)
	text := written(t, NewCaches(w.source())[1], formats[1], nil, nil)
	for _, want := range []string{"# UNIT busy_seconds seconds\n", "# UNIT g_seconds seconds\n", "c_created{", `busy_seconds_created{a="3",b="y"`, " 1.7672256e+09\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestUnitOf(t *testing.T) {
	for name, want := range map[string]string{
		"a_seconds": "seconds", "a_timestamp_seconds": "seconds", "a_seconds_total": "seconds", "a_bytes_total": "bytes", "a_total": "", "seconds": "", "a_seconds_count": "", "": "",
	} {
		if got := UnitOf(name); got != want {
			t.Errorf("%s is in %q, want %q", name, got, want)
		}
	}
}

const hostile = "a\\b\"c\nd\te{}=,#\x00\x01\xe2\x80\xa8é"

func TestValues(t *testing.T) {
	w := &world{names: []string{"a"}, families: []Family{
		{Name: "c_total", Help: `A "counter", \ and` + "\nmore.", Type: dto.MetricType_COUNTER, Labels: []string{"of"}},
		{Name: "counted", Help: "", Type: dto.MetricType_COUNTER},
		{Name: "g", Help: "A gauge.", Type: dto.MetricType_GAUGE, Labels: []string{"of"}},
		{Name: "none", Help: "Has no samples.", Type: dto.MetricType_GAUGE},
	}}
	o := &target{labels: []string{hostile}, version: 1, samples: map[string][]sample{"counted": {{value: 7}}}}
	for i, value := range []float64{
		0, math.Copysign(0, -1), 1, -1, 2, 10, -999_999, 999_999, 1_000_000, -1_000_000, 1_000_001, 1<<53 + 2, 1e15, 1e21, 1e22, 0.5, -0.5, 1e-4, 1e-5,
		1.7e9, 1767225600.123456789, math.Pi, math.MaxFloat64, math.SmallestNonzeroFloat64, math.MaxInt64, math.MinInt64, math.NaN(), math.Inf(+1), math.Inf(-1),
	} {
		s := sample{own: []string{fmt.Sprint(i)}, value: value}
		o.samples["g"] = append(o.samples["g"], s)
		o.samples["c_total"] = append(o.samples["c_total"], s)
	}
	w.targets = []*target{o}
	w.check(t)
}

// A family's labels sort between and after the target's. Values have any length.
func TestLabels(t *testing.T) {
	long := strings.Repeat("0123456789", 7)
	for _, own := range [][]string{{"b"}, {"d"}, {"f"}, {"b", "c1"}, {"d", "b"}, {"f", "d", "b"}, {"z", "y", "d", "b"}} {
		t.Run(strings.Join(own, ","), func(t *testing.T) {
			w := &world{names: []string{"a", "c", "e"}, families: []Family{{Name: "x", Type: dto.MetricType_GAUGE, Labels: own}, {Name: "y", Type: dto.MetricType_GAUGE}}}
			for _, value := range []string{"", "v", hostile, strings.Repeat("x", 240), strings.Repeat("x", 254), strings.Repeat(long, 1000)} {
				w.targets = append(w.targets, &target{labels: []string{value, "", long}, version: 1, samples: map[string][]sample{
					"x": {{own: slices.Repeat([]string{value}, len(own)), value: 1}, {own: []string{"1", "2", "3", "4"}[:len(own)], value: 2}},
					"y": {{value: 3}},
				}})
			}
			w.check(t)
		})
	}
}

func TestHistograms(t *testing.T) {
	bucket := func(bound float64, count uint64, exemplar *dto.Exemplar) *dto.Bucket {
		return &dto.Bucket{UpperBound: &bound, CumulativeCount: &count, Exemplar: exemplar}
	}
	exemplar := func(value float64, at *timestamppb.Timestamp, labels ...*dto.LabelPair) *dto.Exemplar {
		return &dto.Exemplar{Value: &value, Timestamp: at, Label: labels}
	}
	id := &dto.LabelPair{Name: new("op_id"), Value: new(hostile)}
	w := &world{names: []string{"a", "b"}, families: []Family{{Name: "h_seconds", Help: "A histogram.", Type: dto.MetricType_HISTOGRAM}}}
	for i, h := range []*dto.Histogram{
		{SampleCount: new(uint64(0)), SampleSum: new(0.0)},
		{SampleCount: new(uint64(2_000_000)), SampleSum: new(math.NaN()), Bucket: []*dto.Bucket{bucket(.005, 0, nil), bucket(1, 1_000_000, nil), bucket(1e6, 1_500_000, nil)}},
		{
			SampleCount: new(uint64(3)), SampleSum: new(12.5),
			Bucket: []*dto.Bucket{
				bucket(1, 1, exemplar(1, nil, id)), bucket(2, 2, exemplar(1.25, timestamppb.New(time.Unix(1767225600, 123456789)), id, id)),
				bucket(3, 2, exemplar(3, nil)), bucket(math.Inf(+1), 3, exemplar(1e9, nil, id)),
			},
			CreatedTimestamp: timestamppb.New(time.Unix(1, 2)),
			Schema:           new(int32(3)), ZeroThreshold: new(1e-128), ZeroCount: new(uint64(1)),
			PositiveSpan:  []*dto.BucketSpan{{Offset: new(int32(-21)), Length: new(uint32(2))}, {Offset: new(int32(1)), Length: new(uint32(1))}},
			PositiveDelta: []int64{1, -1, 2}, NegativeSpan: []*dto.BucketSpan{{Offset: new(int32(0)), Length: new(uint32(1))}}, NegativeDelta: []int64{4},
		},
	} {
		w.targets = append(w.targets, &target{labels: []string{fmt.Sprint(i), hostile}, version: 1, samples: map[string][]sample{"h_seconds": {{histogram: h}}}})
	}
	w.check(t)
}

// small is a world with two families and n targets.
func small(n int) *world {
	w := &world{names: []string{"a"}, families: []Family{{Name: "d", Type: dto.MetricType_GAUGE}, {Name: "h", Type: dto.MetricType_GAUGE}}}
	for i := range n {
		w.targets = append(w.targets, &target{labels: []string{fmt.Sprint(i)}, version: 1, samples: map[string][]sample{"d": {{value: 1}}, "h": {{value: 2}}}})
	}
	return w
}

func other(name string, metrics ...*dto.Metric) *dto.MetricFamily {
	return &dto.MetricFamily{Name: &name, Help: new("Other."), Type: dto.MetricType_GAUGE.Enum(), Metric: metrics}
}

func one() *dto.Metric { return &dto.Metric{Gauge: &dto.Gauge{Value: new(1.0)}} }

func TestOthersAreMerged(t *testing.T) {
	w := small(3)
	for i, cache := range NewCaches(w.source()) {
		for _, names := range [][]string{nil, {"a"}, {"e"}, {"z"}, {"a", "b", "e", "f", "y", "z"}} {
			var others []*dto.MetricFamily
			for _, name := range names {
				others = append(others, other(name, one()))
			}
			for _, wanted := range []func(string) bool{nil, func(name string) bool { return name == "d" || name == "e" }, func(name string) bool { return name > "e" }} {
				all := append(w.gathered(), others...)
				slices.SortFunc(all, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
				all = slices.DeleteFunc(all, func(f *dto.MetricFamily) bool { return wanted != nil && !wanted(f.GetName()) })
				if got, want := written(t, cache, formats[i], others, wanted), encoded(t, formats[i], all); got != want {
					t.Errorf("%s with %q:\n%s\nwant\n%s", formats[i], names, got, want)
				}
			}
		}
	}
}

func TestOneBrokenFamily(t *testing.T) {
	var body bytes.Buffer
	err := NewCaches(small(1).source())[0].Write(&body, formats[0], []*dto.MetricFamily{other("a"), other("z", one())}, nil)
	if err == nil || !strings.Contains(err.Error(), "no metrics") {
		t.Errorf("error %v", err)
	}
	if !strings.Contains(body.String(), `d{a="0"} 1`) || !strings.HasSuffix(body.String(), "z 1\n") {
		t.Errorf("wrote %s", body.String())
	}
}

// Only targets that have changed are rendered again.
func TestRendering(t *testing.T) {
	w := small(100)
	cache := NewCaches(w.source())[0]
	for _, step := range []struct {
		change   func()
		rendered int
	}{
		{func() {}, 100},
		{func() {}, 0},
		{func() { w.targets[3].version, w.targets[3].samples = 2, nil }, 1},
		{func() { w.targets[3].version, w.targets[3].samples = 3, w.targets[4].samples }, 1},
		{func() {
			for _, o := range w.targets {
				o.version, o.samples = 4, nil
			}
		}, 100},
	} {
		step.change()
		w.rendered = 0
		if got, want := written(t, cache, formats[0], nil, nil), encoded(t, formats[0], w.gathered()); got != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
		if w.rendered != step.rendered {
			t.Errorf("%d rendered, want %d", w.rendered, step.rendered)
		}
	}
}

// A broken connection ends the scrape and does not affect the next one.
func TestBrokenWriter(t *testing.T) {
	w := small(5000)
	gone := errors.New("gone")
	for i, cache := range NewCaches(w.source()) {
		writes := 0
		err := cache.Write(writer(func([]byte) error { writes++; return gone }), formats[i], []*dto.MetricFamily{other("z", one())}, nil)
		if !errors.Is(err, gone) || writes != 1 {
			t.Errorf("%d writes, error %v", writes, err)
		}
		if got, want := written(t, cache, formats[i], nil, nil), encoded(t, formats[i], w.gathered()); got != want {
			t.Error("the next page is broken")
		}
	}
}

type writer func(p []byte) error

func (w writer) Write(p []byte) (int, error) { return len(p), w(p) }

// A scraper refuses the whole page if any text is not UTF-8.
func TestInvalidUTF8(t *testing.T) {
	w := &world{names: []string{"a"}, families: []Family{{Name: "x", Type: dto.MetricType_GAUGE, Labels: []string{"b"}}}}
	w.targets = []*target{{labels: []string{"\xff!"}, version: 1, samples: map[string][]sample{"x": {{own: []string{"\xc3"}}}}}}
	got := make([]string, len(formats))
	for i, cache := range NewCaches(w.source()) {
		got[i] = written(t, cache, formats[i], nil, nil)
	}
	w.targets[0].labels[0], w.targets[0].samples["x"][0].own[0] = "\uFFFD!", "\uFFFD"
	for i, format := range formats {
		if want := encoded(t, format, w.gathered()); got[i] != want {
			t.Errorf("%q, want %q", got[i], want)
		}
	}
}
