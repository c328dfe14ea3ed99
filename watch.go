package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// settleAfter is how long files must be at rest before they are looked at:
	// editors and deployments change them in several steps.
	settleAfter = 250 * time.Millisecond
	// settleWithin is how long that may take at most: the folder may be one in
	// which others write all the time.
	settleWithin = 2 * time.Second
	// lookAnyway is how often they are looked at without a notice. Network file
	// systems send none.
	lookAnyway = time.Minute
)

// watchFiles calls look when one of files may have changed, until ctx is over.
// The folders are watched and not the files: editors replace a file by another,
// and Kubernetes swaps a symbolic link beside it.
func watchFiles(ctx context.Context, files func() []string, look func(), logger *slog.Logger) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		logger.Warn("file changes are noticed only once a minute", "err", err)
		watcher = &fsnotify.Watcher{} // whose channels never deliver
	} else {
		defer func() { _ = watcher.Close() }() // nothing was written
	}
	failed := watchFolders(watcher, files(), nil, logger)
	awaitChanges(ctx, watcher, func() {
		look()
		failed = watchFolders(watcher, files(), failed, logger)
	}, logger)
}

// awaitChanges calls look when files are at rest behind a notice, and now and
// then without one, until ctx is over.
func awaitChanges(ctx context.Context, watcher *fsnotify.Watcher, look func(), logger *slog.Logger) {
	rest := time.NewTimer(lookAnyway)
	defer rest.Stop()
	var noticed time.Time // first change since the last look, zero if there was none
	settle := func() {
		if noticed.IsZero() {
			noticed = time.Now()
		}
		rest.Reset(min(settleAfter, time.Until(noticed.Add(settleWithin))))
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-watcher.Events:
			settle()
		case err := <-watcher.Errors:
			logger.Warn("watching files", "err", err)
			settle() // notices may have been lost
		case <-rest.C:
			noticed = time.Time{}
			look()
			rest.Reset(lookAnyway)
		}
	}
}

// watchFolders watches the folders of files, and of what they are links to. It
// returns why it could not watch some of them, by folder, and warns of those that
// did not fail before for the same reason.
func watchFolders(watcher *fsnotify.Watcher, files []string, before map[string]string, logger *slog.Logger) map[string]string {
	if watcher.Events == nil {
		return nil
	}
	folders := make(map[string]bool)
	for _, file := range files {
		folders[filepath.Dir(file)] = true
		if target, err := filepath.EvalSymlinks(file); err == nil {
			folders[filepath.Dir(target)] = true
		}
	}
	failed := make(map[string]string)
	for folder := range folders {
		err := watcher.Add(folder)
		if err == nil || os.IsNotExist(err) {
			continue
		}
		failed[folder] = err.Error()
		if failed[folder] != before[folder] {
			logger.Warn("changes of a folder are noticed only once a minute", "folder", folder, "err", err)
		}
	}
	return failed
}
