package cli

import (
	"context"
	"fmt"

	"session_exporter/collector"
	"session_exporter/config"
	"session_exporter/internal/report"
	"session_exporter/probe"
)

// watchEndpoints probes until ctx is canceled or nothing reads the output, and then logs
// out.
func watchEndpoints(ctx context.Context, settings *config.Config, as format, s streams) error {
	e, err := newExporter(settings, probe.NewManager())
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-s.closed:
			stop()
		case <-ctx.Done():
		}
	}()
	watch := report.NewWatch(s.out, as.output == "json", as.color)
	reportLeftSessions(e.Collector().ProbeEvery(ctx, func(f collector.EndpointResult) {
		results := []collector.EndpointResult{f}
		as.from.adapt(results)
		watch.Add(results[0])
		if watch.Err() != nil {
			stop()
		}
	}), s)
	if err := watch.Err(); err != nil {
		return fmt.Errorf("printing the results: %w", err)
	}
	if watch.Valid() < len(settings.Endpoints) {
		return &exitError{code: exitFailed}
	}
	return nil
}
