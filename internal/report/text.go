// Package report renders the results of `probe`: as text for people, and as JSON or metrics
// for programs. It sends nothing.
package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"session_exporter/collector"
	"session_exporter/sessionapi"
)

// detailLimit is the number of endpoints up to which each is explained. For more, a
// table comes first.
const detailLimit = 5

// Text explains endpoints to readers unfamiliar with their APIs. If there are more than
// five, or all is set, it lists them in a table first and explains only those that are not
// valid. color is auto, always or never.
func Text(out io.Writer, results []collector.EndpointResult, all bool, color string) error {
	_, err := io.WriteString(out, styleFor(out, color).text(results, all || len(results) > detailLimit))
	return err
}

// text explains the endpoints or, in an overview, lists all and explains those that are not
// valid.
func (s style) text(results []collector.EndpointResult, overview bool) string {
	var paragraphs []string
	if overview {
		results = failingFirst(results)
		if len(results) > 0 {
			paragraphs = append(paragraphs, s.table(results))
		}
		paragraphs = append(paragraphs, s.summary(results))
	}
	for _, r := range results {
		if !overview || r.Result.State != sessionapi.Valid {
			paragraphs = append(paragraphs, s.explain(r))
		}
	}
	return strings.Join(paragraphs, "\n")
}

// explain returns the state of an endpoint and its details.
func (s style) explain(r collector.EndpointResult) string {
	return fmt.Sprintf("%s: %s\n%s", s.paint(bold, Printable(r.Endpoint.Name)), s.state(r.Result.State), s.details(r))
}

func (s style) details(r collector.EndpointResult) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %s\n", Printable(r.Result.Diagnosis))
	if r.Result.Advice != "" {
		fmt.Fprintf(&b, "  %s %s\n", s.paint(bold, "What to do:"), Printable(r.Result.Advice))
	}
	for _, step := range r.Result.Steps {
		took := step.Duration.Round(100 * time.Microsecond)
		fmt.Fprintf(&b, "  %-6s  %s %s  %s in %s\n", step.Step, step.Method, Printable(step.URL), Printable(step.StatusText()), took)
	}
	return b.String()
}

// failingFirst returns the results sorted by state, valid ones last. Endpoints in the
// same state often have the same cause.
func failingFirst(results []collector.EndpointResult) []collector.EndpointResult {
	order := make(map[sessionapi.State]int)
	for i, state := range sessionapi.States() {
		order[state] = i
	}
	order[sessionapi.Valid] = len(order)
	return slices.SortedStableFunc(slices.Values(results), func(a, b collector.EndpointResult) int {
		return cmp.Compare(order[a.Result.State], order[b.Result.State])
	})
}

// summary counts the endpoints in each state, in the order of the table.
func (s style) summary(sorted []collector.EndpointResult) string {
	if len(sorted) == 0 {
		return "No endpoints.\n"
	}
	counts := make(map[sessionapi.State]int)
	for _, r := range sorted {
		counts[r.Result.State]++
	}
	var parts []string
	for i, r := range sorted {
		if state := r.Result.State; i == 0 || state != sorted[i-1].Result.State {
			parts = append(parts, fmt.Sprintf("%d %s", counts[state], s.state(state)))
		}
	}
	noun := "endpoints"
	if len(sorted) == 1 {
		noun = "endpoint"
	}
	return s.paint(bold, fmt.Sprintf("%d %s:", len(sorted), noun)) + " " + strings.Join(parts, ", ") + "\n"
}

// state returns a state in its color.
func (s style) state(state sessionapi.State) string { return s.paint(colorOf(state), string(state)) }

func colorOf(state sessionapi.State) string { return kindColors[state.Info().Kind] }
