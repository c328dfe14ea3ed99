package exporter

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// settleAfter is how long files must be unchanged before changed is called: editors
	// and deployments change them in several steps.
	settleAfter = 250 * time.Millisecond
	// settleWithin limits that wait, because other programs may write to the directory
	// continuously.
	settleWithin = 2 * time.Second
	// pollInterval is how often changed is called without an event: network file
	// systems send none.
	pollInterval = time.Minute
)

// watchFiles calls changed when any of files may have changed, until ctx is done. It
// watches their directories, because editors replace files and Kubernetes swaps a
// symbolic link in the same directory.
func watchFiles(ctx context.Context, files func() []string, changed func(), logger *slog.Logger) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		logger.Warn("cannot watch files, polling every minute", "err", err)
		watcher = &fsnotify.Watcher{} // its channels never deliver
	} else {
		defer func() { _ = watcher.Close() }() // nothing was written
	}
	failed := watchDirs(watcher, files(), nil, logger)
	awaitChanges(ctx, watcher, func() {
		// A new directory is watched before it is read, so that no file in it is missed. A
		// reload may name others.
		failed = watchDirs(watcher, files(), failed, logger)
		changed()
		failed = watchDirs(watcher, files(), failed, logger)
	}, logger)
}

// awaitChanges calls changed when files have settled after an event, and every
// pollInterval without one, until ctx is done. It starts with a call, because files may
// have changed between loading and watching them.
func awaitChanges(ctx context.Context, watcher *fsnotify.Watcher, changed func(), logger *slog.Logger) {
	timer := time.NewTimer(settleAfter)
	defer timer.Stop()
	var firstEvent time.Time // since the last call, zero without one
	onEvent := func() {
		if firstEvent.IsZero() {
			firstEvent = time.Now()
		}
		timer.Reset(min(settleAfter, time.Until(firstEvent.Add(settleWithin))))
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-watcher.Events:
			onEvent()
		case err := <-watcher.Errors:
			logger.Warn("file watcher failed", "err", err)
			onEvent() // events may have been lost
		case <-timer.C:
			firstEvent = time.Time{}
			changed()
			timer.Reset(pollInterval)
		}
	}
}

// watchDirs watches the directories of files and of the targets of symbolic links.
// It returns the errors by directory, and logs the ones that are not in before.
func watchDirs(watcher *fsnotify.Watcher, files []string, before map[string]string, logger *slog.Logger) map[string]string {
	if watcher.Events == nil {
		return nil
	}
	dirs := make(map[string]bool)
	for _, file := range files {
		dirs[filepath.Dir(file)] = true
		if target, err := filepath.EvalSymlinks(file); err == nil {
			dirs[filepath.Dir(target)] = true
		}
	}
	failed := make(map[string]string)
	for dir := range dirs {
		err := watcher.Add(dir)
		if err == nil || os.IsNotExist(err) {
			continue
		}
		failed[dir] = err.Error()
		if failed[dir] != before[dir] {
			logger.Warn("cannot watch directory, polling every minute", "directory", dir, "err", err)
		}
	}
	return failed
}
