package exposition

import (
	"math"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// protobuf is the delimited protobuf format, with client_model's messages.
type protobuf struct{}

// Field numbers.
const (
	familyName   protowire.Number = 1
	familyHelp   protowire.Number = 2
	familyType   protowire.Number = 3
	familyMetric protowire.Number = 4
	familyUnit   protowire.Number = 5

	metricLabel     protowire.Number = 1
	metricGauge     protowire.Number = 2
	metricCounter   protowire.Number = 3
	metricHistogram protowire.Number = 7

	labelName  protowire.Number = 1
	labelValue protowire.Number = 2

	value          protowire.Number = 1 // of a gauge, of a counter
	counterCreated protowire.Number = 3

	timestampSeconds protowire.Number = 1
	timestampNanos   protowire.Number = 2
)

func (protobuf) kind() expfmt.FormatType { return expfmt.TypeProtoDelim }

func (protobuf) header(f *Family) []byte {
	header := appendText(nil, familyName, f.Name)
	header = appendText(header, familyHelp, f.Help)
	header = protowire.AppendTag(header, familyType, protowire.VarintType)
	return protowire.AppendVarint(header, uint64(f.Type))
}

func (protobuf) footer(f *Family) []byte {
	if f.Unit == "" {
		return nil
	}
	return appendText(nil, familyUnit, f.Unit)
}

func (protobuf) appendCreated(dst []byte, at time.Time) []byte {
	var memory [24]byte // proto.Marshal would allocate for each target
	message := memory[:0]
	if seconds := at.Unix(); seconds != 0 {
		message = protowire.AppendVarint(protowire.AppendTag(message, timestampSeconds, protowire.VarintType), uint64(seconds))
	}
	if nanos := at.Nanosecond(); nanos != 0 {
		message = protowire.AppendVarint(protowire.AppendTag(message, timestampNanos, protowire.VarintType), uint64(nanos))
	}
	return protowire.AppendBytes(protowire.AppendTag(dst, counterCreated, protowire.BytesType), message)
}

func (protobuf) appendHeader(dst []byte, l *layout, size int) []byte {
	return append(protowire.AppendVarint(dst, uint64(len(l.header)+size+len(l.footer))), l.header...)
}

func (protobuf) names(*Family) lineNames { return lineNames{} }

func (protobuf) appendLabel(dst []byte, name, value string, _ bool) []byte {
	value = strings.ToValidUTF8(value, "\uFFFD") // the scraper would refuse the whole page
	dst = protowire.AppendTag(dst, metricLabel, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(textSize(name)+textSize(value)))
	return appendText(appendText(dst, labelName, name), labelValue, value)
}

func (protobuf) sample(r *Renderer, v float64, labelValues []string) {
	kind, size := metricGauge, 1+8 // of the message with the value
	if r.layout.Type == dto.MetricType_COUNTER {
		kind = metricCounter
		size += len(r.created)
	}
	total := r.labelsSize + bytesSize(size)
	for _, own := range r.layout.own {
		value := strings.ToValidUTF8(labelValues[own.value], "\uFFFD")
		total += bytesSize(textSize(own.name) + textSize(value))
	}
	beginMetric(r, total, labelValues)
	r.data = protowire.AppendTag(r.data, kind, protowire.BytesType)
	r.data = protowire.AppendVarint(r.data, uint64(size))
	r.data = protowire.AppendTag(r.data, value, protowire.Fixed64Type)
	r.data = protowire.AppendFixed64(r.data, math.Float64bits(v))
	if kind == metricCounter {
		r.data = append(r.data, r.created...)
	}
	r.end()
}

func (protobuf) histogram(r *Renderer, h *dto.Histogram) {
	size := proto.Size(h)
	beginMetric(r, r.labelsSize+bytesSize(size), nil)
	r.data = protowire.AppendTag(r.data, metricHistogram, protowire.BytesType)
	r.data = protowire.AppendVarint(r.data, uint64(size))
	// It fails only if a required field is not set, and the message has none.
	r.data, _ = proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(r.data, h)
	r.end()
}

// beginMetric starts a metric of size bytes, labels included.
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

// textSize returns the number of bytes that appendText appends.
func textSize(s string) int { return bytesSize(len(s)) }

// bytesSize returns the size of a field with size bytes in it. All field numbers take one
// byte.
func bytesSize(size int) int { return 1 + protowire.SizeBytes(size) }
