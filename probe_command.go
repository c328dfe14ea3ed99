package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"session_exporter/collector"
	"session_exporter/config"
	"session_exporter/probe"
)

func addProbe(app *kingpin.Application, s streams) command {
	cmd := app.Command("probe", "Probe configured endpoints once and explain each in words. Exits with 0 when all are valid, 1 when some are not.")
	file := addConfigFlag(cmd)
	all := cmd.Flag("all", "Probe every endpoint of the configuration.").Bool()
	output := cmd.Flag("output", "How to print what was found. One of: text, json, metrics.").Short('o').Default("text").Enum("text", "json", "metrics")
	names := cmd.Arg("name", "Names of endpoints.").Strings()
	return func(ctx context.Context) error {
		settings, err := config.Load(*file, probe.APIs())
		if err == nil {
			settings, err = selectEndpoints(settings, *names, *all)
		}
		if err != nil {
			return &exitError{exitMisused, err}
		}
		return probeOnce(ctx, settings, *output, s)
	}
}

// selectEndpoints returns the configuration with only the endpoints named.
func selectEndpoints(settings *config.Config, names []string, all bool) (*config.Config, error) {
	known := make([]string, len(settings.Endpoints))
	for i, endpoint := range settings.Endpoints {
		known[i] = endpoint.Name
	}
	switch {
	case all && len(names) > 0:
		return nil, fmt.Errorf("name endpoints or give --all, not both")
	case all:
		return settings, nil
	case len(names) == 0:
		return nil, fmt.Errorf("name the endpoints to probe, or give --all; %s has: %s", settings.File, strings.Join(known, ", "))
	}
	selected := *settings
	selected.Endpoints = nil
	for _, name := range names {
		i := slices.Index(known, name)
		if i < 0 {
			return nil, fmt.Errorf("%s has no endpoint %q; it has: %s", settings.File, name, strings.Join(known, ", "))
		}
		if !slices.Contains(selected.Endpoints, settings.Endpoints[i]) {
			selected.Endpoints = append(selected.Endpoints, settings.Endpoints[i])
		}
	}
	return &selected, nil
}

func probeOnce(ctx context.Context, settings *config.Config, output string, s streams) error {
	exporter := newExporter(settings.File, slog.New(slog.DiscardHandler))
	if err := exporter.apply(settings); err != nil {
		return &exitError{exitMisused, err}
	}
	found, left := exporter.watch.ProbeAll(ctx)
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted: %w", ctx.Err())
	}
	if left != nil {
		fmt.Fprintf(s.err, "session_exporter: some sessions may have been left on their appliances: %v\n", left)
	}
	var err error
	switch output {
	case "json":
		err = printJSON(s.out, found)
	case "metrics":
		err = printMetrics(s.out, exporter.watch)
	default:
		err = printText(s.out, found)
	}
	if err != nil {
		return fmt.Errorf("printing what was found: %w", err)
	}
	if slices.ContainsFunc(found, func(f collector.Probed) bool { return f.Result.State != probe.Valid }) {
		return &exitError{code: exitFailed}
	}
	return nil
}

// printText explains each endpoint to somebody who never saw its API.
func printText(out io.Writer, found []collector.Probed) error {
	var b strings.Builder
	for i, f := range found {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s: %s\n  %s\n", f.Endpoint.Name, f.Result.State, f.Result.Diagnosis)
		if f.Result.Advice != "" {
			fmt.Fprintf(&b, "  What to do: %s\n", f.Result.Advice)
		}
		for _, step := range f.Result.Steps {
			fmt.Fprintf(&b, "  %-6s  %s %s  %s\n", step.Step, step.Method, step.URL, answered(step))
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// answered says what a request was answered, and after how long.
func answered(step probe.StepResult) string {
	answer := "no answer"
	if step.Status != 0 {
		answer = fmt.Sprint(step.Status)
	}
	if step.Code != "" {
		answer += " " + step.Code
	}
	return answer + " in " + step.Duration.Round(100*time.Microsecond).String()
}

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
