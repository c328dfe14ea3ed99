package exporter

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/coreos/go-systemd/v22/daemon"

	"session_exporter/collector"
	"session_exporter/config"
)

// Reload loads the configuration again, and keeps the previous one if that fails. The
// error is also logged, because the caller might not show it.
func (e *Exporter) Reload() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	// Type=notify-reload of systemd 253 and later requires the time.
	e.notify(daemon.SdNotifyReloading, daemon.SdNotifyMonotonicUsec())
	defer e.notify(daemon.SdNotifyReady)
	err := e.loadLocked()
	e.logReloadFailure(err)
	return err
}

// loadLocked loads the configuration, all or nothing.
func (e *Exporter) loadLocked() error {
	settings, err := e.readLocked(e.loader.Load)
	if err == nil {
		err = e.applyLocked(settings)
	}
	e.collector.Reloaded(err == nil)
	if err != nil {
		e.failure = err.Error()
		e.notify("STATUS=Configuration not loaded, see the log")
		return err
	}
	e.failure = ""
	e.notify(fmt.Sprintf("STATUS=Endpoints: %d", len(settings.Endpoints)))
	e.logLoaded(settings)
	e.logProblems(Problems(settings))
	e.limits.warnOfFiles(settings.Endpoints, e.logger)
	return nil
}

// logLoaded logs the size of the configuration, and warns about an empty shard, whose
// exporter otherwise looks healthy.
func (e *Exporter) logLoaded(settings *config.Config) {
	fields := []any{"file", settings.Name, "files", len(settings.Files), "endpoints", len(settings.Endpoints), "credentials", len(settings.Credentials)}
	if e.shard.Count == 0 {
		e.logger.Info("configuration loaded", fields...)
		return
	}
	shard := fmt.Sprintf("%d/%d", e.shard.Index, e.shard.Count)
	e.logger.Info("configuration loaded", append(fields, "shard", shard)...)
	if len(settings.Endpoints) == 0 && e.listed > 0 {
		e.logger.Warn("shard has no endpoints", "shard", shard, "listed", e.listed)
	}
}

// maxLoads limits how many times files are loaded if they change while they are loaded.
const maxLoads = 3

// readLocked loads the configuration. It takes the fingerprint of the files first, and loads
// them again if they change in the meantime: an endpoint that moves from one file to another
// would be in neither if one is read before the move and the other after it. The certificate
// files that belong to the fingerprint are known only after loading: if they differ from
// those of the previous load, the configuration is loaded again, too.
func (e *Exporter) readLocked(load func() (*config.Config, error)) (*config.Config, error) {
	for loads := 1; ; loads++ {
		e.fingerprint = e.loader.Fingerprint(e.tlsFiles...)
		settings, err := load()
		if err == nil {
			e.listed = len(settings.Endpoints)
			settings = settings.WithShard(e.shard)
			e.tlsFiles = settings.TLSFiles()
		}
		if loads >= maxLoads || e.loader.Fingerprint(e.tlsFiles...) == e.fingerprint {
			return settings, err
		}
	}
}

// Apply starts probing the endpoints of a configuration. If it returns an error,
// nothing has changed.
func (e *Exporter) Apply(settings *config.Config) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.applyLocked(settings)
}

func (e *Exporter) applyLocked(settings *config.Config) error {
	generation, err := e.manager.Prepare(settings)
	if err != nil {
		return err
	}
	err = e.collector.Apply(settings, func(endpoint *config.Endpoint) (collector.Prober, error) {
		return generation.NewProber(endpoint)
	})
	if err != nil {
		return err
	}
	generation.Commit()
	e.settings = settings
	return nil
}

// follow reloads on SIGHUP and when the configuration changes on disk, and retries
// changed secrets immediately, until ctx is done.
func (e *Exporter) follow(ctx context.Context, hangup <-chan os.Signal) {
	var watching sync.WaitGroup
	watching.Go(func() { watchFiles(ctx, e.watchedFiles, e.applyChanges, e.logger) })
	defer watching.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			_ = e.Reload() // already logged
		}
	}
}

func (e *Exporter) watchedFiles() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Concat(e.loader.Watched(), e.tlsFiles, e.settings.SecretFiles())
}

// applyChanges reloads the configuration if it has changed on disk or the last load failed,
// and retries changed secrets.
func (e *Exporter) applyChanges() {
	e.mu.Lock()
	defer e.mu.Unlock()
	changed := e.loader.Fingerprint(e.tlsFiles...) != e.fingerprint
	if before := e.failure; changed || before != "" {
		// A missing file may exist now, because Kubernetes updates a configuration and
		// its secrets one after the other.
		if err := e.loadLocked(); err != nil && (changed || err.Error() != before) {
			e.logReloadFailure(err)
		}
	}
	for _, credential := range e.manager.Refresh() {
		e.logger.Info("secret changed", "credential", credential)
		e.collector.ProbeSoon(credential)
	}
}

func (e *Exporter) logReloadFailure(err error) {
	if err != nil {
		e.logger.Error("reload failed, keeping the previous configuration", "err", err)
	}
}
