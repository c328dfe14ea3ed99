package exposition

import (
	"math"
	"strconv"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// text is one of the two text formats: 0.0.4, whose numbers are all floats, or OpenMetrics
// 1.0, which also has exemplars and start timestamps.
type text struct{ openMetrics bool }

func (t text) kind() expfmt.FormatType {
	if t.openMetrics {
		return expfmt.TypeOpenMetrics
	}
	return expfmt.TypeTextPlain
}

func (t text) header(f *Family) []byte {
	if t.openMetrics {
		return []byte(openMetricsComments(f))
	}
	help := strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(f.Help)
	return []byte("# HELP " + f.Name + " " + help + "\n# TYPE " + f.Name + " " + typeName(f) + "\n")
}

func (text) footer(*Family) []byte { return nil }

func (text) appendHeader(dst []byte, l *layout, _ int) []byte { return append(dst, l.header...) }

// names include the brace: every target has labels.
func (t text) names(f *Family) (names lineNames) {
	names[plainName] = []byte(f.Name + "{")
	if f.Type == dto.MetricType_HISTOGRAM {
		names[bucketName] = []byte(f.Name + "_bucket{")
		names[sumName] = []byte(f.Name + "_sum{")
		names[countName] = []byte(f.Name + "_count{")
	}
	if t.openMetrics {
		names[createdName] = []byte(strings.TrimSuffix(f.Name, "_total") + "_created{")
	}
	return names
}

func (text) appendLabel(dst []byte, name, value string, first bool) []byte {
	if !first {
		dst = append(dst, ',')
	}
	dst = append(append(dst, name...), `="`...)
	return append(appendEscaped(dst, value), '"')
}

func (t text) sample(r *Renderer, value float64, labelValues []string) {
	r.beginLine(plainName, labelValues)
	t.endFloat(r, value)
	if len(r.created) > 0 && r.layout.Type == dto.MetricType_COUNTER {
		r.beginLine(createdName, labelValues)
		r.data = append(append(append(r.data, "} "...), r.created...), '\n')
		r.end()
	}
}

func (t text) appendCreated(dst []byte, at time.Time) []byte {
	if !t.openMetrics {
		return dst
	}
	return appendOpenMetricsFloat(dst, float64(at.UnixNano())/1e9)
}

func (t text) histogram(r *Renderer, h *dto.Histogram) {
	infinite := false
	for _, bucket := range h.GetBucket() {
		t.bucket(r, bucket)
		infinite = infinite || math.IsInf(bucket.GetUpperBound(), +1)
	}
	if !infinite { // the message has this bucket only for its exemplar
		t.bucket(r, &dto.Bucket{UpperBound: new(math.Inf(+1)), CumulativeCount: new(h.GetSampleCount())})
	}
	r.beginLine(sumName, nil)
	t.endFloat(r, h.GetSampleSum())
	r.beginLine(countName, nil)
	t.endCount(r, h.GetSampleCount(), nil)
	if t.openMetrics && h.CreatedTimestamp != nil {
		r.beginLine(createdName, nil)
		r.data = append(t.appendCreated(append(r.data, "} "...), h.GetCreatedTimestamp().AsTime()), '\n')
		r.end()
	}
}

func (t text) bucket(r *Renderer, bucket *dto.Bucket) {
	r.beginLine(bucketName, nil)
	r.data = append(t.appendFloat(append(r.data, `,le="`...), bucket.GetUpperBound()), '"')
	t.endCount(r, bucket.GetCumulativeCount(), bucket.GetExemplar())
}

func (t text) endFloat(r *Renderer, value float64) {
	r.data = append(t.appendFloat(append(r.data, "} "...), value), '\n')
	r.end()
}

func (t text) endCount(r *Renderer, count uint64, exemplar *dto.Exemplar) {
	r.data = append(r.data, "} "...)
	if t.openMetrics {
		r.data = t.appendExemplar(strconv.AppendUint(r.data, count, 10), exemplar)
	} else {
		r.data = appendFloat(r.data, float64(count))
	}
	r.data = append(r.data, '\n')
	r.end()
}

func (t text) appendFloat(dst []byte, value float64) []byte {
	if t.openMetrics {
		return appendOpenMetricsFloat(dst, value)
	}
	return appendFloat(dst, value)
}

func typeName(f *Family) string { return strings.ToLower(f.Type.String()) }

// appendEscaped appends a label's value. The scraper would refuse the whole page if it were
// not UTF-8.
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

// appendFloat appends the shortest representation of a number.
func appendFloat(dst []byte, value float64) []byte {
	const exponents = 1_000_000 // integers from here on have an exponent
	if whole := int64(value); float64(whole) == value && -exponents < whole && whole < exponents {
		return strconv.AppendInt(dst, whole, 10) // most values are integers, and this is faster; -0 is 0
	}
	return strconv.AppendFloat(dst, value, 'g', -1, 64)
}
