package exposition

import (
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

type format interface {
	kind() expfmt.FormatType
	// header precedes a family's samples. It does not include their size.
	header(f *Family) []byte
	appendHeader(dst []byte, l *layout, size int) []byte
	// footer follows the samples.
	footer(f *Family) []byte
	// names are the first bytes of a family's lines.
	names(f *Family) lineNames
	// appendCreated appends the start timestamp of a target's counters.
	appendCreated(dst []byte, at time.Time) []byte
	// appendLabel appends a label. The first of a line has no separator.
	appendLabel(dst []byte, name, value string, first bool) []byte
	sample(r *Renderer, value float64, labelValues []string)
	histogram(r *Renderer, h *dto.Histogram)
}

// layout holds the constant parts of a family's lines and the order of their labels.
type layout struct {
	Family
	header []byte
	footer []byte
	names  lineNames
	first  spanRef // the target's labels before the first of the family's
	own    []ownLabel
}

// ownLabel is one of Family.Labels. A layout has them sorted by name.
type ownLabel struct {
	name  string
	value int     // index in Family.Labels
	after spanRef // the target's labels between this one and the next
}

// span is the range [from, to) of a target's labels.
type span struct{ from, to int }

// newLayouts returns the layouts of all families, and the spans that they refer to.
func newLayouts(source *Source, format format) ([]layout, []span) {
	spans := []span{{0, len(source.LabelNames)}} // of lines without labels of the family
	refer := func(s span) spanRef {
		if s.from == s.to {
			return noSpan
		}
		at := slices.Index(spans, s)
		if at < 0 {
			at = len(spans)
			spans = append(spans, s)
		}
		return spanRef(at + 1)
	}
	layouts := make([]layout, len(source.Families))
	for i := range source.Families {
		l := &layouts[i]
		l.Family = source.Families[i]
		l.header, l.footer, l.names = format.header(&l.Family), format.footer(&l.Family), format.names(&l.Family)
		for value, name := range l.Labels {
			l.own = append(l.own, ownLabel{name: name, value: value})
		}
		slices.SortFunc(l.own, func(a, b ownLabel) int { return strings.Compare(a.name, b.name) })
		end := len(source.LabelNames)
		for own := range slices.Backward(l.own) {
			at, _ := slices.BinarySearch(source.LabelNames, l.own[own].name)
			l.own[own].after, end = refer(span{at, end}), at
		}
		l.first = refer(span{0, end})
	}
	return layouts, spans
}
