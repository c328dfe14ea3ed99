package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"session_exporter/collector"
	"session_exporter/probe"
)

// few is how many endpoints are explained one by one. Of more, a table comes first.
const few = 5

// printText explains each endpoint to somebody who never saw its API.
func printText(out io.Writer, found []collector.Probed, l look) error {
	var b strings.Builder
	for i, f := range found {
		if i > 0 {
			b.WriteString("\n")
		}
		explain(&b, f, l)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// printOverview lists all endpoints, and explains those that are not valid.
func printOverview(out io.Writer, found []collector.Probed, l look) error {
	found = failingFirst(found)
	var b strings.Builder
	if len(found) > 0 {
		writeTable(&b, found, l)
		b.WriteString("\n")
	}
	b.WriteString(summary(found, l) + "\n")
	for _, f := range found {
		if f.Result.State != probe.Valid {
			b.WriteString("\n")
			explain(&b, f, l)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func explain(b *strings.Builder, f collector.Probed, l look) {
	fmt.Fprintf(b, "%s: %s\n  %s\n", l.paint(bold, printable(f.Endpoint.Name)), l.state(f.Result.State), printable(f.Result.Diagnosis))
	if f.Result.Advice != "" {
		fmt.Fprintf(b, "  %s %s\n", l.paint(bold, "What to do:"), printable(f.Result.Advice))
	}
	for _, step := range f.Result.Steps {
		took := step.Duration.Round(100 * time.Microsecond)
		fmt.Fprintf(b, "  %-6s  %s %s  %s in %s\n", step.Step, step.Method, printable(step.URL), printable(step.Answered()), took)
	}
}

// failingFirst returns the same sorted by state, the valid ones last. Those with
// one trouble are together then, for they often have one cause.
func failingFirst(found []collector.Probed) []collector.Probed {
	order := make(map[probe.State]int)
	for i, state := range probe.States() {
		order[state] = i
	}
	order[probe.Valid] = len(order)
	return slices.SortedStableFunc(slices.Values(found), func(a, b collector.Probed) int {
		return cmp.Compare(order[a.Result.State], order[b.Result.State])
	})
}

// summary counts the endpoints in each state, in the order of the table.
func summary(sorted []collector.Probed, l look) string {
	if len(sorted) == 0 {
		return "There are no endpoints."
	}
	counts := make(map[probe.State]int)
	for _, f := range sorted {
		counts[f.Result.State]++
	}
	var parts []string
	for i, f := range sorted {
		if state := f.Result.State; i == 0 || state != sorted[i-1].Result.State {
			parts = append(parts, fmt.Sprintf("%d %s", counts[state], l.state(state)))
		}
	}
	noun := "endpoints"
	if len(sorted) == 1 {
		noun = "endpoint"
	}
	return l.paint(bold, fmt.Sprintf("%d %s:", len(sorted), noun)) + " " + strings.Join(parts, ", ")
}

// state returns a state in its color: the words say it all to those who see none.
func (l look) state(state probe.State) string { return l.paint(colorOf(state), string(state)) }

// colorOf tells what was logged in, if not as it should be, from what was not.
func colorOf(state probe.State) string {
	switch {
	case state == probe.Valid:
		return green
	case state.Verdict() == probe.Accepted:
		return yellow
	default:
		return red
	}
}
