package web

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"session_exporter/collector"
	"session_exporter/probe"
)

// debug answers with what a probe found in words, with what was sent and what
// came back, and with the metrics that would have been the answer.
func debug(w http.ResponseWriter, found *collector.Answer, metrics prometheus.Gatherer) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s: %s", found.Endpoint.Name, inWords(&found.Result))
	for i := range found.Result.Steps {
		b.WriteString("\n")
		b.WriteString(stepInWords(&found.Result.Steps[i]))
	}
	b.WriteString("\nMetrics that would have been returned:\n")
	families, err := metrics.Gather()
	if err != nil {
		fmt.Fprintf(&b, "# not all of them: %v\n", err)
	}
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&b, family); err != nil {
			fmt.Fprintf(&b, "# %s: %v\n", family.GetName(), err)
		}
	}
	answer(w, http.StatusOK, strings.TrimSuffix(b.String(), "\n"))
}

// inWords is a result for somebody at a terminal.
func inWords(r *probe.Result) string {
	text := fmt.Sprintf("%s\n  %s\n", r.State, r.Diagnosis)
	if r.Advice != "" {
		text += fmt.Sprintf("  What to do: %s\n", r.Advice)
	}
	return text
}

func stepInWords(step *probe.StepResult) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s %s\n  %s in %s", step.Step, step.Method, step.URL, step.Answered(), latency(step.Duration))
	if step.OpID != "" {
		fmt.Fprintf(&b, ", operation %s", step.OpID)
	}
	b.WriteString("\n")
	for name, took := range step.Phases.All() {
		fmt.Fprintf(&b, "  %-10s %s\n", name, latency(took))
	}
	if step.Trace == nil {
		return b.String()
	}
	for _, line := range step.Trace.Request {
		fmt.Fprintf(&b, "  > %s\n", line)
	}
	for _, line := range step.Trace.Response {
		fmt.Fprintf(&b, "  < %s\n", line)
	}
	if step.Trace.Body != "" {
		fmt.Fprintf(&b, "  <\n  < %s\n", step.Trace.Body)
	}
	if step.Trace.Failure != "" {
		fmt.Fprintf(&b, "  ! %s\n", step.Trace.Failure)
	}
	return b.String()
}
