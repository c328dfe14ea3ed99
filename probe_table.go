package main

import (
	"strings"
	"time"

	"session_exporter/collector"
	"session_exporter/probe"
)

// The columns of the table. The text that may be long is the last, so that
// nothing stands behind it that programs or people would look for.
const (
	nameColumn = iota
	stateColumn
	latencyColumn
	whatColumn
	columnCount
)

const (
	gap = "  " // between two columns
	// leastWidth is how far a column is cut. On terminals too narrow for that,
	// lines wrap.
	leastWidth = 10
)

type tableRow [columnCount]string

// writeTable writes a line for each endpoint. text/tabwriter does not do, for it
// counts colors as text and cuts nothing.
func writeTable(b *strings.Builder, found []collector.Probed, l look) {
	rows := []tableRow{{"ENDPOINT", "STATE", "LATENCY", "WHAT"}}
	for _, f := range found {
		rows = append(rows, tableRow{printable(f.Endpoint.Name), string(f.Result.State), latency(&f.Result), printable(f.Result.Diagnosis)})
	}
	widths := l.fit(rows)
	writeRow(b, rows[0], widths, func(_ int, text string) string { return l.paint(bold, text) })
	for i, row := range rows[1:] {
		writeRow(b, row, widths, func(column int, text string) string {
			if column == stateColumn {
				return l.paint(colorOf(found[i].Result.State), text)
			}
			return text
		})
	}
}

// fit returns the widths of the columns: as wide as what is in them, and not
// wider than the terminal altogether.
func (l look) fit(rows []tableRow) (widths [columnCount]int) {
	for _, row := range rows {
		for column, text := range row {
			widths[column] = max(widths[column], columns(text))
		}
	}
	if l.width > 0 {
		rest := l.width - widths[stateColumn] - widths[latencyColumn] - (columnCount-1)*len(gap)
		// A name that is cut is no name; what was found is explained below the table.
		widths[nameColumn] = min(widths[nameColumn], max(rest-leastWidth, leastWidth))
		widths[whatColumn] = max(rest-widths[nameColumn], leastWidth)
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

// latency is how long a probe took, if it sent anything.
func latency(r *probe.Result) string {
	switch {
	case len(r.Steps) == 0:
		return "-"
	case r.Duration < time.Second:
		return r.Duration.Round(100 * time.Microsecond).String()
	default:
		return r.Duration.Round(10 * time.Millisecond).String()
	}
}
