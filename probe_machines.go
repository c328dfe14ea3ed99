package main

import (
	"encoding/json"
	"io"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"session_exporter/collector"
	"session_exporter/probe"
)

func printMetrics(out io.Writer, watch *collector.Collector) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(watch)
	families, err := watch.Filter(registry).Gather()
	if err != nil {
		return err
	}
	encoder := expfmt.NewEncoder(out, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, family := range families {
		if strings.HasPrefix(family.GetName(), "session_exporter_") {
			continue // there is no exporter whose reloads and schedule could be told of
		}
		if err := encoder.Encode(family); err != nil {
			return err
		}
	}
	return nil
}

// report is one endpoint as JSON. Durations are in seconds.
type report struct {
	Endpoint  string            `json:"endpoint"`
	API       string            `json:"api"`
	URL       string            `json:"url"`
	Module    string            `json:"module"`
	Labels    map[string]string `json:"labels,omitempty"`
	State     probe.State       `json:"state"`
	Diagnosis string            `json:"diagnosis"`
	Advice    string            `json:"advice,omitempty"`
	Start     time.Time         `json:"start"`
	Duration  float64           `json:"duration_seconds"`
	Username  string            `json:"username,omitempty"`
	Roles     []string          `json:"roles,omitempty"`
	Steps     []stepReport      `json:"steps"`
}

type stepReport struct {
	Step     probe.Step `json:"step"`
	Method   string     `json:"method"`
	URL      string     `json:"url"`
	Status   int        `json:"status"`
	Code     string     `json:"code,omitempty"`
	OpID     string     `json:"operation_id,omitempty"`
	Duration float64    `json:"duration_seconds"`
}

func printJSON(out io.Writer, found []collector.Probed) error {
	reports := make([]report, len(found))
	for i, f := range found {
		reports[i] = newReport(f)
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(reports)
}

func newReport(f collector.Probed) report {
	r := report{
		Endpoint:  f.Endpoint.Name,
		API:       f.Endpoint.API,
		URL:       f.Endpoint.URL.String(),
		Module:    f.Endpoint.Module,
		Labels:    f.Endpoint.Labels,
		State:     f.Result.State,
		Diagnosis: f.Result.Diagnosis,
		Advice:    f.Result.Advice,
		Start:     f.Result.Start,
		Duration:  f.Result.Duration.Seconds(),
		Steps:     make([]stepReport, len(f.Result.Steps)),
	}
	if id := f.Result.Identity; id != nil {
		r.Username, r.Roles = id.Username, id.Roles
	}
	for i, step := range f.Result.Steps {
		r.Steps[i] = stepReport{step.Step, step.Method, step.URL, step.Status, step.Code, step.OpID, step.Duration.Seconds()}
	}
	return r
}
