package exposition

import (
	"math"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// protobuf is the delimited protobuf format. Its messages are those of
// client_model.
type protobuf struct{}

// The numbers of fields.
const (
	familyName   protowire.Number = 1
	familyHelp   protowire.Number = 2
	familyType   protowire.Number = 3
	familyMetric protowire.Number = 4

	metricLabel     protowire.Number = 1
	metricGauge     protowire.Number = 2
	metricCounter   protowire.Number = 3
	metricHistogram protowire.Number = 7

	labelName  protowire.Number = 1
	labelValue protowire.Number = 2

	value protowire.Number = 1 // of a gauge, of a counter
)

func (protobuf) kind() expfmt.FormatType { return expfmt.TypeProtoDelim }

func (protobuf) header(f *Family) []byte {
	header := appendText(nil, familyName, f.Name)
	header = appendText(header, familyHelp, f.Help)
	header = protowire.AppendTag(header, familyType, protowire.VarintType)
	return protowire.AppendVarint(header, uint64(f.Type))
}

func (protobuf) appendHeader(dst []byte, l *layout, size int) []byte {
	return append(protowire.AppendVarint(dst, uint64(len(l.header)+size)), l.header...)
}

func (protobuf) names(*Family) lineNames { return lineNames{} }

func (protobuf) appendLabel(dst []byte, name, value string, _ bool) []byte {
	value = strings.ToValidUTF8(value, "\uFFFD") // or the scraper refuses the whole page
	dst = protowire.AppendTag(dst, metricLabel, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(textSize(name)+textSize(value)))
	return appendText(appendText(dst, labelName, name), labelValue, value)
}

func (protobuf) sample(r *Renderer, v float64, labelValues []string) {
	const size = 1 + 8 // of the message that has the value
	total := r.labelsSize + 1 + 1 + size
	for _, own := range r.layout.own {
		value := strings.ToValidUTF8(labelValues[own.value], "\uFFFD")
		total += bytesSize(textSize(own.name) + textSize(value))
	}
	beginMetric(r, total, labelValues)
	kind := metricGauge
	if r.layout.Type == dto.MetricType_COUNTER {
		kind = metricCounter
	}
	r.data = protowire.AppendTag(r.data, kind, protowire.BytesType)
	r.data = protowire.AppendVarint(r.data, size)
	r.data = protowire.AppendTag(r.data, value, protowire.Fixed64Type)
	r.data = protowire.AppendFixed64(r.data, math.Float64bits(v))
	r.end()
}

func (protobuf) histogram(r *Renderer, h *dto.Histogram) {
	size := proto.Size(h)
	beginMetric(r, r.labelsSize+bytesSize(size), nil)
	r.data = protowire.AppendTag(r.data, metricHistogram, protowire.BytesType)
	r.data = protowire.AppendVarint(r.data, uint64(size))
	// It fails for required fields that are not set, and there are none.
	r.data, _ = proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(r.data, h)
	r.end()
}

// beginMetric begins a metric of so many bytes, labels included.
func beginMetric(r *Renderer, size int, labelValues []string) {
	r.begin(noName, noSpan)
	r.data = protowire.AppendTag(r.data, familyMetric, protowire.BytesType)
	r.data = protowire.AppendVarint(r.data, uint64(size))
	r.end()
	r.beginLine(noName, labelValues)
}

func appendText(dst []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(dst, field, protowire.BytesType), s)
}

// textSize is how much appendText appends.
func textSize(s string) int { return bytesSize(len(s)) }

// bytesSize is the size of a field with so many bytes in it. All its numbers take
// one byte.
func bytesSize(size int) int { return 1 + protowire.SizeBytes(size) }
