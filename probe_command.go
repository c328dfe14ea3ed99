package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/alecthomas/kingpin/v2"

	"session_exporter/collector"
	"session_exporter/config"
	"session_exporter/probe"
)

func addProbe(app *kingpin.Application, s streams) command {
	cmd := app.Command("probe", "Probe configured endpoints once and explain each in words. Exits with 0 when all are valid, 1 when some are not.")
	file := addConfigFlag(cmd)
	all := cmd.Flag("all", "Probe every endpoint of the configuration.").Bool()
	color := cmd.Flag("color", "When to color text: auto is on a terminal, unless NO_COLOR is set. One of: auto, always, never.").Default("auto").Enum("auto", "always", "never")
	output := cmd.Flag("output", "How to print what was found. One of: text, json, metrics.").Short('o').Default("text").Enum("text", "json", "metrics")
	names := cmd.Arg("name", "Names of endpoints.").HintAction(endpointNames(file)).Strings()
	return func(ctx context.Context) error {
		settings, err := config.Load(*file, probe.APIs())
		if err == nil {
			settings, err = selectEndpoints(settings, *names, *all)
		}
		if err != nil {
			return &exitError{exitMisused, err}
		}
		return probeOnce(ctx, settings, shape{*output, *color, *all}, s)
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
		return nil, errors.New("name endpoints or give --all, not both")
	case all:
		return settings, nil
	case len(names) == 0:
		return nil, fmt.Errorf("name the endpoints to probe, or give --all; %s has: %s", settings.File, someOf(known))
	}
	selected := *settings
	selected.Endpoints = nil
	for _, name := range names {
		i := slices.Index(known, name)
		if i < 0 {
			return nil, fmt.Errorf("%s has no endpoint %q; it has: %s", settings.File, name, someOf(known))
		}
		if !slices.Contains(selected.Endpoints, settings.Endpoints[i]) {
			selected.Endpoints = append(selected.Endpoints, settings.Endpoints[i])
		}
	}
	return &selected, nil
}

// someOf lists names, but not the thousands that a fleet may have.
func someOf(names []string) string {
	const most = 20
	if more := len(names) - most; more > 0 {
		return printable(strings.Join(names[:most], ", ")) + fmt.Sprintf(", and %d more", more)
	}
	return printable(strings.Join(names, ", "))
}

// shape is how the user wants to be told what was found.
type shape struct {
	output, color string
	all           bool
}

func probeOnce(ctx context.Context, settings *config.Config, as shape, s streams) error {
	exporter := newExporter(settings.File, probe.NewFactory(), slog.New(slog.DiscardHandler))
	if err := exporter.apply(settings); err != nil {
		return &exitError{exitMisused, err}
	}
	found, left := probeAll(ctx, exporter.watch, len(settings.Endpoints), s.err)
	if left != nil {
		fmt.Fprintf(s.err, "session_exporter: some sessions may have been left on their appliances: %v\n", left)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted: %w", ctx.Err())
	}
	var err error
	switch {
	case as.output == "json":
		err = printJSON(s.out, found)
	case as.output == "metrics":
		err = printMetrics(s.out, exporter.watch)
	case as.all || len(found) > few:
		err = printOverview(s.out, found, lookAt(s.out, as.color))
	default:
		err = printText(s.out, found, lookAt(s.out, as.color))
	}
	if err != nil {
		return fmt.Errorf("printing what was found: %w", err)
	}
	if slices.ContainsFunc(found, func(f collector.Probed) bool { return f.Result.State != probe.Valid }) {
		return &exitError{code: exitFailed}
	}
	return nil
}
