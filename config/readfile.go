package config

import (
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
)

// maxFileTime bounds how long a file may take to be read. They are small, and what
// takes longer is a file system whose server is gone: a probe, a reload and the end
// of the exporter would else wait for it, as long as that lasts.
const maxFileTime = 2 * time.Second

// What hangs keeps a goroutine and a thread until it is over, so it is not tried
// again at once. It is tried again, for another file may be mounted there by then.
const (
	firstPatience = time.Minute
	maxPatience   = time.Hour
)

// hanging are the files that did not answer when they were asked for last.
var hanging = struct {
	sync.Mutex
	files map[string]hang
}{files: make(map[string]hang)}

type hang struct {
	until    time.Time // when it is tried again
	patience time.Duration
}

// ReadFile reads a file as os.ReadFile does, but for two seconds at most.
func ReadFile(path string) ([]byte, error) { return inTime(path, os.ReadFile) }

// stat is os.Stat for two seconds at most.
func stat(path string) (fs.FileInfo, error) { return inTime(path, os.Stat) }

// inTime asks something of a file, and gives up on one that hangs.
func inTime[T any](path string, ask func(string) (T, error)) (T, error) {
	if hangs(path) {
		var none T
		return none, tooSlow(path)
	}
	type answer struct {
		of  T
		err error
	}
	answered := make(chan answer, 1)
	go func() {
		of, err := ask(path)
		answered <- answer{of, err}
		hanging.Lock()
		defer hanging.Unlock()
		delete(hanging.files, path)
	}()
	timeout := time.NewTimer(maxFileTime)
	defer timeout.Stop()
	select {
	case a := <-answered:
		return a.of, a.err
	case <-timeout.C:
	}
	hanging.Lock()
	defer hanging.Unlock()
	select {
	case a := <-answered: // just now
		return a.of, a.err
	default:
	}
	patience := min(max(firstPatience, 2*hanging.files[path].patience), maxPatience)
	hanging.files[path] = hang{time.Now().Add(patience), patience}
	var none T
	return none, tooSlow(path)
}

// hangs reports whether a file hung lately.
func hangs(path string) bool {
	hanging.Lock()
	defer hanging.Unlock()
	return time.Now().Before(hanging.files[path].until)
}

func tooSlow(path string) error {
	return &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("no answer within %s: what it is mounted from may be gone", maxFileTime)}
}
