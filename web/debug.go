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
	"session_exporter/web/page"
)

// writeDebug responds, as text, with a probe's result, its requests and responses, and the
// metrics that /probe would have returned.
func writeDebug(w http.ResponseWriter, probed *collector.Response, metrics prometheus.Gatherer) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s: %s", probed.Endpoint.Name, resultText(&probed.Result))
	for i := range probed.Result.Steps {
		b.WriteString("\n")
		b.WriteString(stepText(&probed.Result.Steps[i]))
	}
	b.WriteString("\nMetrics that would have been returned:\n")
	families, err := metrics.Gather()
	if err != nil {
		fmt.Fprintf(&b, "# incomplete: %v\n", err)
	}
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&b, family); err != nil {
			fmt.Fprintf(&b, "# %s: %v\n", family.GetName(), err)
		}
	}
	writeText(w, http.StatusOK, strings.TrimSuffix(b.String(), "\n"))
}

func resultText(r *probe.Result) string {
	text := fmt.Sprintf("%s\n  %s\n", r.State, r.Diagnosis)
	if r.Advice != "" {
		text += fmt.Sprintf("  What to do: %s\n", r.Advice)
	}
	return text
}

func stepText(step *probe.StepResult) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s %s\n", step.Step, step.Method, step.URL)
	fmt.Fprintf(&b, "  %s in %s", step.StatusText(), page.FormatLatency(step.Duration))
	if step.OpID != "" {
		fmt.Fprintf(&b, ", operation %s", step.OpID)
	}
	b.WriteString("\n")
	for name, took := range step.Phases.All() {
		fmt.Fprintf(&b, "  %-10s %s\n", name, page.FormatLatency(took))
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
