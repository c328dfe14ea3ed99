package exporter

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"session_exporter/internal/boundedfile"
)

const (
	// settleAfter is how long files must be unchanged before changed is called: editors
	// and deployments change them in several steps.
	settleAfter = 250 * time.Millisecond
	// settleWithin limits that wait, because other programs may write to the directory
	// continuously.
	settleWithin = 2 * time.Second
	// pollInterval is how often changed is called without an event, because network file
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
	dirs := directories{watcher: watcher, resolve: new(boundedfile.Reader).Resolve, logger: logger}
	dirs.watch(files())
	awaitChanges(ctx, watcher, func() {
		// A new directory is watched before it is read, so that no file in it is missed. The
		// new configuration may name further files.
		dirs.watch(files())
		changed()
		dirs.watch(files())
	}, logger)
}

// awaitChanges calls changed when files have settled after an event, and every
// pollInterval without one, until ctx is done. The first call needs no event, because files
// may have changed between loading and watching them.
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

// directories watches the directories of files and of the targets of symbolic links.
type directories struct {
	watcher *fsnotify.Watcher
	resolve func(file string) (target string, err error) // as Reader.Resolve of package boundedfile
	failed  map[string]string                            // the errors of the last call of watch, by directory
	logger  *slog.Logger
}

// watch watches the directories of these files, in addition to earlier ones, and logs the
// errors that are new. A directory on an unavailable file system is not watched, because that
// would block until the file system responds.
func (d *directories) watch(files []string) {
	if d.watcher.Events == nil {
		return
	}
	dirs, failed := make(map[string]bool), make(map[string]string)
	fail := func(dir string, err error) {
		failed[dir] = err.Error()
		if failed[dir] != d.failed[dir] {
			d.logger.Warn("cannot watch directory, polling every minute", "directory", dir, "err", err)
		}
	}
	for _, file := range files {
		absolute, _ := filepath.Abs(filepath.Dir(file)) // because resolved targets are absolute, too
		dir := cmp.Or(absolute, filepath.Dir(file))
		if _, known := dirs[dir]; !known {
			_, err := d.resolve(dir)
			if dirs[dir] = !errors.Is(err, boundedfile.ErrTooSlow); !dirs[dir] {
				fail(dir, boundedfile.Reason(err))
			}
		}
		if !dirs[dir] {
			continue // resolving each of its files would take two seconds
		}
		if target, err := d.resolve(file); err == nil {
			dirs[filepath.Dir(target)] = true
		}
	}
	for dir, responds := range dirs {
		if !responds {
			continue
		}
		if err := d.watcher.Add(dir); err != nil && !os.IsNotExist(err) {
			fail(dir, err)
		}
	}
	d.failed = failed
}
