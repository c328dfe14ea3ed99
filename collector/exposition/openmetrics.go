package exposition

import (
	"bytes"
	"math"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

func openMetricsComments(f *Family) string {
	name, kind := f.Name, typeName(f)
	if f.Type == dto.MetricType_COUNTER {
		var counted bool
		if name, counted = strings.CutSuffix(name, "_total"); !counted {
			kind = "unknown"
		}
	}
	help := strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(f.Help)
	comments := "# HELP " + name + " " + help + "\n# TYPE " + name + " " + kind + "\n"
	if f.Unit != "" {
		comments += "# UNIT " + name + " " + f.Unit + "\n"
	}
	return comments
}

func (t text) appendExemplar(dst []byte, exemplar *dto.Exemplar) []byte {
	if len(exemplar.GetLabel()) == 0 {
		return dst
	}
	dst = append(dst, " # {"...)
	for i, label := range exemplar.GetLabel() {
		dst = t.appendLabel(dst, label.GetName(), label.GetValue(), i == 0)
	}
	dst = appendOpenMetricsFloat(append(dst, "} "...), exemplar.GetValue())
	if exemplar.Timestamp != nil {
		dst = appendOpenMetricsFloat(append(dst, ' '), float64(exemplar.GetTimestamp().AsTime().UnixNano())/1e9)
	}
	return dst
}

// appendOpenMetricsFloat is appendFloat with a point or an exponent.
func appendOpenMetricsFloat(dst []byte, value float64) []byte {
	start := len(dst)
	dst = appendFloat(dst, value)
	if math.IsNaN(value) || math.IsInf(value, 0) || bytes.ContainsAny(dst[start:], "e.") {
		return dst
	}
	return append(dst, ".0"...)
}
