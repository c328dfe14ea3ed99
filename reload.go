package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"session_exporter/collector"
	"session_exporter/config"
	"session_exporter/probe"
)

// exporter is what a reload changes. It implements web.Lifecycle.
type exporter struct {
	file      string
	shard     config.Shard // of the file's endpoints
	watch     *collector.Collector
	probers   *probe.Factory
	openFiles uint64 // that may be open; 0 when that is not known
	logger    *slog.Logger

	mu          sync.Mutex // guards the fields below; held through a reload
	settings    *config.Config
	listed      int      // endpoints in the file, of which the settings have a share
	files       []string // that the last attempt to load was about
	fingerprint string   // of them, from before they were loaded
	failure     string   // why that attempt failed, empty when it did not

	stopping atomic.Bool
}

// newExporter returns an exporter that watches nothing yet.
func newExporter(file string, probers *probe.Factory, logger *slog.Logger) *exporter {
	return &exporter{file: file, files: []string{file}, logger: logger, probers: probers, watch: collector.New(probers.Credentials, logger)}
}

// Ready reports whether the exporter does its work. It has a configuration as
// long as it serves, so it does until it stops.
func (e *exporter) Ready() bool { return !e.stopping.Load() }

// Reload loads the configuration again, all or nothing. Why it did not is logged
// too: whoever asked may not tell those who read the log.
func (e *exporter) Reload() error {
	err := e.load()
	e.logError(err)
	return err
}

// load loads the configuration, all or nothing.
func (e *exporter) load() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.reload()
}

func (e *exporter) reload() error {
	settings, err := e.read(config.Load)
	if err == nil {
		err = e.apply(settings)
	}
	e.watch.Reloaded(err == nil)
	if err != nil {
		e.failure = err.Error()
		return err
	}
	e.failure = ""
	e.logLoaded(settings)
	warnOfPlainHTTP(settings, e.logger)
	warnOfIdlePatterns(settings, e.logger)
	warnOfFiles(len(settings.Endpoints), e.watch.Places(), e.openFiles, e.logger)
	return nil
}

// logLoaded says what there is to watch, and warns of a share that is empty: such an
// exporter looks as healthy as any.
func (e *exporter) logLoaded(settings *config.Config) {
	said := []any{"file", settings.File, "endpoints", len(settings.Endpoints), "credentials", len(settings.Credentials)}
	if e.shard.Count == 0 {
		e.logger.Info("configuration loaded", said...)
		return
	}
	shard := fmt.Sprintf("%d/%d", e.shard.Index, e.shard.Count)
	e.logger.Info("configuration loaded", append(said, "shard", shard)...)
	if len(settings.Endpoints) == 0 && e.listed > 0 {
		e.logger.Warn("none of the endpoints belongs to this shard: it watches nothing", "shard", shard, "listed", e.listed)
	}
}

// read loads the configuration. The fingerprint of its files is taken before: what
// changes while they are read is looked at again. Which files these are is known only
// once it is loaded, so it is loaded again when they are others than before.
func (e *exporter) read(load func(string, map[string]config.API) (*config.Config, error)) (*config.Config, error) {
	for {
		e.fingerprint = config.Fingerprint(e.files...)
		settings, err := load(e.file, probe.APIs())
		if err != nil {
			return nil, err
		}
		e.listed = len(settings.Endpoints)
		settings = settings.Shard(e.shard)
		files := settings.Files()
		if slices.Equal(files, e.files) {
			return settings, nil
		}
		e.files = files
	}
}

// apply watches the endpoints of a configuration, all or nothing.
func (e *exporter) apply(settings *config.Config) error {
	probers, err := e.probers.Prepare(settings)
	if err != nil {
		return err
	}
	err = e.watch.Apply(settings, func(endpoint *config.Endpoint) (collector.Prober, error) {
		return probers.New(endpoint)
	})
	if err != nil {
		return err
	}
	probers.Commit()
	e.settings = settings
	return nil
}

// Resume lifts the lockout guard of a credential, and tries it at once.
func (e *exporter) Resume(credential string) bool {
	if !e.probers.Resume(credential) {
		return false
	}
	e.logger.Info("logins resume", "credential", credential)
	e.watch.Hasten(credential)
	return true
}

// follow reloads on a hangup and when the configuration changes on disk, and lets
// changed secrets be tried at once, until ctx is over.
func (e *exporter) follow(ctx context.Context, hangup <-chan os.Signal) {
	var watching sync.WaitGroup
	watching.Go(func() { watchFiles(ctx, e.watchedFiles, e.look, e.logger) })
	defer watching.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			_ = e.Reload() // it is logged
		}
	}
}

func (e *exporter) watchedFiles() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append(e.settings.Files(), e.settings.SecretFiles()...)
}

// look takes in what changed on disk.
func (e *exporter) look() {
	e.mu.Lock()
	defer e.mu.Unlock()
	changed := config.Fingerprint(e.files...) != e.fingerprint
	if before := e.failure; changed || before != "" {
		// A file that was missing may have come: Kubernetes brings a
		// configuration and its secrets one after the other.
		if err := e.reload(); err != nil && (changed || err.Error() != before) {
			e.logError(err)
		}
	}
	for _, credential := range e.probers.Refresh() {
		e.logger.Info("a secret changed", "credential", credential)
		e.watch.Hasten(credential)
	}
}

func (e *exporter) logError(err error) {
	if err != nil {
		e.logger.Error("the configuration was not reloaded, the old one goes on", "err", err)
	}
}
