package exposition

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// newOpenMetrics returns OpenMetrics, version 1.0. Its floats are seen to be
// floats, and it has exemplars.
func newOpenMetrics() *text {
	t := newText()
	t.formatType = expfmt.TypeOpenMetrics
	t.comments = openComments
	t.float = appendOpenFloat
	t.count = func(dst []byte, count uint64) []byte { return strconv.AppendUint(dst, count, 10) }
	t.exemplar = t.appendExemplar
	return t
}

func openComments(f *Family) string {
	name, kind := f.Name, typeName(f)
	if f.Type == dto.MetricType_COUNTER {
		var counted bool
		if name, counted = strings.CutSuffix(name, "_total"); !counted {
			kind = "unknown"
		}
	}
	help := strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(f.Help)
	return "# HELP " + name + " " + help + "\n# TYPE " + name + " " + kind + "\n"
}

func (t *text) appendExemplar(dst []byte, exemplar *dto.Exemplar) []byte {
	if len(exemplar.GetLabel()) == 0 {
		return dst
	}
	dst = append(dst, " # {"...)
	for i, label := range exemplar.GetLabel() {
		dst = t.appendLabel(dst, label.GetName(), label.GetValue(), i == 0)
	}
	dst = appendOpenFloat(append(dst, "} "...), exemplar.GetValue())
	if exemplar.Timestamp != nil {
		dst = appendOpenFloat(append(dst, ' '), float64(exemplar.GetTimestamp().AsTime().UnixNano())/1e9)
	}
	return dst
}

func appendOpenFloat(dst []byte, value float64) []byte {
	start := len(dst)
	dst = appendFloat(dst, value)
	if math.IsNaN(value) || math.IsInf(value, 0) || bytes.ContainsAny(dst[start:], "e.") {
		return dst
	}
	return append(dst, ".0"...)
}
