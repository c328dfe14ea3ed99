// Package exporter is the running exporter: it loads the configuration, reloads it when
// it changes on disk, probes the endpoints, serves the results, and logs out of all sessions
// when it stops. It does not parse flags; internal/cli does.
package exporter

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"session_exporter/collector"
	"session_exporter/config"
	"session_exporter/probe"
)

// Exporter probes the endpoints of a configuration and serves the results. It implements
// web.Lifecycle.
type Exporter struct {
	loader    *config.Loader
	shard     config.Shard // of the configured endpoints
	collector *collector.Collector
	manager   *probe.Manager
	limits    limits
	logger    *slog.Logger

	mu          sync.Mutex // guards the fields below; held through a reload
	settings    *config.Config
	listed      int             // configured endpoints; the settings have only those of this shard
	tlsFiles    []string        // of the last configuration that could be read
	fingerprint string          // of the configuration's files and tlsFiles, taken before they were loaded
	failure     string          // the error of the last load, empty for none
	logged      map[string]bool // problems of the last load

	stopping atomic.Bool
}

// New returns an exporter for a shard of the endpoints in a configuration. Load loads the
// configuration; see config.NewLoader for the patterns. The exporter's connections and
// concurrent probes stay below the process's open-file limit.
func New(patterns []string, shard config.Shard, manager *probe.Manager, logger *slog.Logger) *Exporter {
	e := newExporter(patterns, manager, logger)
	e.shard = shard
	e.limit(limitsFor(openFiles()))
	return e
}

// newExporter returns an exporter of all endpoints without limits.
func newExporter(patterns []string, manager *probe.Manager, logger *slog.Logger) *Exporter {
	return &Exporter{loader: config.NewLoader(patterns...), logger: logger, manager: manager, collector: collector.New(manager.Credentials, logger)}
}

// Ready implements web.Lifecycle. It is false only during shutdown, because the exporter
// serves nothing before a configuration is loaded.
func (e *Exporter) Ready() bool { return !e.stopping.Load() }

// Collector returns the collector that probes the endpoints.
func (e *Exporter) Collector() *collector.Collector { return e.collector }

// Load loads the configuration for the first time. When ctx is done, it returns ctx's
// error without waiting for a file system that hangs.
func (e *Exporter) Load(ctx context.Context) error {
	loaded := make(chan error, 1)
	go func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		loaded <- e.loadLocked()
	}()
	select {
	case err := <-loaded:
		return err
	case <-ctx.Done(): // there is no session yet
		return ctx.Err()
	}
}

// Resume implements web.Lifecycle. The credential's endpoints that wait for a login are probed
// immediately.
func (e *Exporter) Resume(credential string) error {
	if err := e.manager.Resume(credential); err != nil {
		return err
	}
	e.logger.Info("login resumed", "credential", credential)
	e.collector.Resume(credential)
	return nil
}
