package exposition

import (
	"math"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// text is one of the two text formats.
type text struct {
	formatType expfmt.FormatType
	comments   func(f *Family) string
	float      func(dst []byte, value float64) []byte
	count      func(dst []byte, count uint64) []byte
	exemplar   func(dst []byte, exemplar *dto.Exemplar) []byte
}

// newText returns the text format, version 0.0.4. All its numbers are floats, and
// it has no exemplars.
func newText() *text {
	return &text{
		formatType: expfmt.TypeTextPlain,
		comments: func(f *Family) string {
			help := strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(f.Help)
			return "# HELP " + f.Name + " " + help + "\n# TYPE " + f.Name + " " + typeName(f) + "\n"
		},
		float:    appendFloat,
		count:    func(dst []byte, count uint64) []byte { return appendFloat(dst, float64(count)) },
		exemplar: func(dst []byte, _ *dto.Exemplar) []byte { return dst },
	}
}

func (t *text) kind() expfmt.FormatType { return t.formatType }

func (t *text) header(f *Family) []byte { return []byte(t.comments(f)) }

func (t *text) appendHeader(dst []byte, l *layout, _ int) []byte { return append(dst, l.header...) }

// names have a brace: owners have labels.
func (t *text) names(f *Family) (names lineNames) {
	names[plainName] = []byte(f.Name + "{")
	if f.Type == dto.MetricType_HISTOGRAM {
		names[bucketName] = []byte(f.Name + "_bucket{")
		names[sumName] = []byte(f.Name + "_sum{")
		names[countName] = []byte(f.Name + "_count{")
	}
	return names
}

func (t *text) appendLabel(dst []byte, name, value string, first bool) []byte {
	if !first {
		dst = append(dst, ',')
	}
	dst = append(append(dst, name...), `="`...)
	return append(appendEscaped(dst, value), '"')
}

func (t *text) sample(r *Renderer, value float64, labelValues []string) {
	r.beginLine(plainName, labelValues)
	t.endFloat(r, value)
}

func (t *text) histogram(r *Renderer, h *dto.Histogram) {
	infinite := false
	for _, bucket := range h.GetBucket() {
		t.bucket(r, bucket)
		infinite = infinite || math.IsInf(bucket.GetUpperBound(), +1)
	}
	if !infinite { // there is one only where it has an exemplar
		t.bucket(r, &dto.Bucket{UpperBound: new(math.Inf(+1)), CumulativeCount: new(h.GetSampleCount())})
	}
	r.beginLine(sumName, nil)
	t.endFloat(r, h.GetSampleSum())
	r.beginLine(countName, nil)
	t.endCount(r, h.GetSampleCount(), nil)
}

func (t *text) bucket(r *Renderer, bucket *dto.Bucket) {
	r.beginLine(bucketName, nil)
	r.data = append(t.float(append(r.data, `,le="`...), bucket.GetUpperBound()), '"')
	t.endCount(r, bucket.GetCumulativeCount(), bucket.GetExemplar())
}

func (t *text) endFloat(r *Renderer, value float64) {
	r.data = append(t.float(append(r.data, "} "...), value), '\n')
	r.end()
}

func (t *text) endCount(r *Renderer, count uint64, exemplar *dto.Exemplar) {
	r.data = t.count(append(r.data, "} "...), count)
	r.data = append(t.exemplar(r.data, exemplar), '\n')
	r.end()
}

// typeName is a family's type in the text formats.
func typeName(f *Family) string { return strings.ToLower(f.Type.String()) }

// appendEscaped appends a label's value. One that is not UTF-8 would cost the
// scraper the whole page.
func appendEscaped(dst []byte, value string) []byte {
	value = strings.ToValidUTF8(value, "\uFFFD")
	written := 0
	for i := range len(value) {
		var escaped string
		switch value[i] {
		case '\\':
			escaped = `\\`
		case '"':
			escaped = `\"`
		case '\n':
			escaped = `\n`
		default:
			continue
		}
		dst = append(append(dst, value[written:i]...), escaped...)
		written = i + 1
	}
	return append(dst, value[written:]...)
}

// appendFloat appends a number as short as it gets.
func appendFloat(dst []byte, value float64) []byte {
	const exponents = 1_000_000 // whole numbers below have none
	if whole := int64(value); float64(whole) == value && -exponents < whole && whole < exponents {
		return strconv.AppendInt(dst, whole, 10) // most are, and this is faster; -0 is 0
	}
	return strconv.AppendFloat(dst, value, 'g', -1, 64)
}
