// Package boundedfile reads the files that a configuration names: regular files only,
// of a limited size, within a limited time. It never opens a device or waits for a
// pipe.
package boundedfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// maxTime limits the duration of an operation. The files are small, so a longer wait
// means that the file server is unavailable, which would block a probe, a reload or a
// shutdown.
const maxTime = 2 * time.Second

// A file that hangs occupies a goroutine and a thread until its file system responds,
// so it is retried rarely. It is retried at all because another file system may be mounted
// by then.
const (
	firstRetryDelay = time.Minute
	maxRetryDelay   = time.Hour
)

// Reader reads files. It remembers those that hang, so that repeated reads do not pile
// up goroutines. The zero Reader is ready to use; a nil Reader remembers nothing. It is
// safe for concurrent use.
type Reader struct {
	mu      sync.Mutex
	hanging map[string]hang // by path; nil if none hangs
}

type hang struct {
	retryAt    time.Time
	retryDelay time.Duration
}

// Read is like Reader.Read, for a file that is read once.
func Read(path string, limit int64) ([]byte, error) { return new(Reader).Read(path, limit) }

// Read returns the content of a regular file of at most limit bytes, within two seconds.
// Its error is an *fs.PathError.
func (r *Reader) Read(path string, limit int64) ([]byte, error) {
	return inTime(r, path, func(path string) ([]byte, error) {
		content, err := readRegular(path, limit)
		if _, isPath := errors.AsType[*fs.PathError](err); err != nil && !isPath {
			err = &fs.PathError{Op: "read", Path: path, Err: err}
		}
		return content, err
	})
}

// Stat is os.Stat within two seconds.
func (r *Reader) Stat(path string) (fs.FileInfo, error) { return inTime(r, path, os.Stat) }

// Readlink is os.Readlink within two seconds.
func (r *Reader) Readlink(path string) (string, error) { return inTime(r, path, os.Readlink) }

// Reason returns an error without its operation and path, for messages that name the
// path themselves or must not name it.
func Reason(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}

// Resolve returns the absolute path of a file, without symbolic links, within two seconds.
func (r *Reader) Resolve(path string) (string, error) {
	return inTime(r, path, func(path string) (string, error) {
		absolute, err := filepath.Abs(path)
		if err != nil {
			return "", err
		}
		return filepath.EvalSymlinks(absolute)
	})
}

// inTime runs an operation on a file and gives up when it hangs.
func inTime[T any](r *Reader, path string, operation func(string) (T, error)) (T, error) {
	var none T
	if r == nil {
		r = new(Reader)
	}
	if r.hangs(path) {
		return none, tooSlow(path)
	}
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := operation(path)
		done <- result{value, err}
		r.forget(path)
	}()
	timeout := time.NewTimer(maxTime)
	defer timeout.Stop()
	select {
	case got := <-done:
		return got.value, got.err
	case <-timeout.C:
	}
	r.mu.Lock() // or the operation could be forgotten before it is remembered
	defer r.mu.Unlock()
	select {
	case got := <-done: // completed just now
		return got.value, got.err
	default:
		r.rememberLocked(path)
		return none, tooSlow(path)
	}
}

// hangs reports whether a file hung and must not be retried yet.
func (r *Reader) hangs(path string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Before(r.hanging[path].retryAt)
}

// rememberLocked records that a file hangs.
func (r *Reader) rememberLocked(path string) {
	if r.hanging == nil {
		r.hanging = make(map[string]hang)
	}
	delay := min(max(firstRetryDelay, 2*r.hanging[path].retryDelay), maxRetryDelay)
	r.hanging[path] = hang{time.Now().Add(delay), delay}
}

func (r *Reader) forget(path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.hanging, path)
}

// ErrTooSlow is the error for a file that hangs.
var ErrTooSlow = fmt.Errorf("no data within %s: its file system may be unavailable", maxTime)

func tooSlow(path string) error { return &fs.PathError{Op: "read", Path: path, Err: ErrTooSlow} }
