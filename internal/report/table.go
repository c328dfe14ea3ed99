package report

import (
	"strings"
	"time"

	"session_exporter/collector"
	"session_exporter/probe"
)

// The columns of the table. The diagnosis is last because it can be long.
const (
	nameColumn = iota
	stateColumn
	latencyColumn
	diagnosisColumn
	columnCount
)

const (
	gap = "  " // between two columns
	// minWidth is the least width to which a column is truncated. On terminals too narrow for
	// that, lines wrap.
	minWidth = 10
)

type tableRow [columnCount]string

// table returns a table with a row for each endpoint. text/tabwriter would count colors as
// text, and cannot truncate columns.
func (s style) table(results []collector.EndpointResult) string {
	rows := []tableRow{{"ENDPOINT", "STATE", "LATENCY", "DIAGNOSIS"}}
	for _, r := range results {
		rows = append(rows, tableRow{Printable(r.Endpoint.Name), string(r.Result.State), latency(&r.Result), Printable(r.Result.Diagnosis)})
	}
	widths := s.fit(rows)
	var b strings.Builder
	writeRow(&b, rows[0], widths, func(_ int, text string) string { return s.paint(bold, text) })
	for i, row := range rows[1:] {
		writeRow(&b, row, widths, func(column int, text string) string {
			if column == stateColumn {
				return s.paint(colorOf(results[i].Result.State), text)
			}
			return text
		})
	}
	return b.String()
}

// fit returns the widths of the columns: wide enough for their texts, but together no
// wider than the terminal.
func (s style) fit(rows []tableRow) (widths [columnCount]int) {
	for _, row := range rows {
		for column, text := range row {
			widths[column] = max(widths[column], columns(text))
		}
	}
	if s.width > 0 {
		rest := s.width - widths[stateColumn] - widths[latencyColumn] - (columnCount-1)*len(gap)
		// The name is truncated only after the diagnosis, because the text below the table
		// repeats the diagnoses of failing endpoints.
		widths[nameColumn] = min(widths[nameColumn], max(rest-minWidth, minWidth))
		widths[diagnosisColumn] = max(rest-widths[nameColumn], minWidth)
	}
	return widths
}

func writeRow(b *strings.Builder, row tableRow, widths [columnCount]int, paint func(column int, text string) string) {
	for column, text := range row {
		text = cut(text, widths[column])
		b.WriteString(paint(column, text))
		if column < columnCount-1 {
			b.WriteString(strings.Repeat(" ", widths[column]-columns(text)) + gap)
		}
	}
	b.WriteString("\n")
}

// nothingSent is the latency of a probe that sent nothing.
const nothingSent = "-"

// latency returns how long a probe took, or nothingSent.
func latency(r *probe.Result) string {
	switch {
	case len(r.Steps) == 0:
		return nothingSent
	case r.Duration < time.Second:
		return r.Duration.Round(100 * time.Microsecond).String()
	default:
		return r.Duration.Round(10 * time.Millisecond).String()
	}
}
