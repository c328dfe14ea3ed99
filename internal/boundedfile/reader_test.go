package boundedfile

import (
	"errors"
	"io/fs"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A file on an unavailable file system is given up on, retried from time to time, and read
// immediately once it is available again.
func TestFileThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := make(chan struct{})
		var reads atomic.Int32
		var reader Reader
		read := func() (string, time.Duration, error) {
			begin := time.Now()
			text, err := inTime(&reader, "/mnt/gone", func(string) (string, error) {
				reads.Add(1)
				<-back
				return "s3cret", nil
			})
			return text, time.Since(begin), err
		}
		for i, c := range []struct {
			after, takes time.Duration
			reads        int32
		}{
			{0, 2 * time.Second, 1},
			{0, 0, 1},
			{59 * time.Second, 0, 1},
			{time.Second, 2 * time.Second, 2},
			{119 * time.Second, 0, 2},
			{time.Second, 2 * time.Second, 3},
		} {
			<-time.After(c.after)
			text, took, err := read()
			pathErr, isPath := errors.AsType[*fs.PathError](err)
			if text != "" || !isPath || pathErr.Path != "/mnt/gone" || took != c.takes || reads.Load() != c.reads {
				t.Errorf("try %d: %q, %v after %s, read %d times; want %+v", i, text, err, took, reads.Load(), c)
			}
		}
		close(back)
		synctest.Wait()
		if text, took, err := read(); text != "s3cret" || took != 0 || err != nil {
			t.Errorf("then %q, %v after %s", text, err, took)
		}
	})
}
