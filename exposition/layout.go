package exposition

import (
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// format is one of the formats. It renders into pieces.
type format interface {
	kind() expfmt.FormatType
	// header is what stands before a family's samples, but for their size.
	header(f *Family) []byte
	appendHeader(dst []byte, l *layout, size int) []byte
	// names are what begins the lines of a family.
	names(f *Family) lineNames
	// appendLabel appends an owner's label.
	appendLabel(dst []byte, name, value string, first bool) []byte
	sample(r *Renderer, value float64, labelValues []string)
	histogram(r *Renderer, h *dto.Histogram)
}

// layout is how the lines of a family are put together.
type layout struct {
	Family
	header []byte
	names  lineNames
	first  spanRef // the owner's labels before the first of the family's own
	own    []ownLabel
}

// ownLabel is a label of a family, in the order of names.
type ownLabel struct {
	name  string
	value int     // index in Family.Labels
	after spanRef // the owner's labels between this one and the next
}

// span are labels of an owner, from one up to before another.
type span struct{ from, to int }

// layOut returns the layouts of all families, and the spans that they refer to.
func layOut(source *Source, format format) ([]layout, []span) {
	spans := []span{{0, len(source.LabelNames)}} // of lines without labels of their own
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
		l.header, l.names = format.header(&l.Family), format.names(&l.Family)
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
