package config

import (
	"errors"
	"io/fs"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A file whose file system is gone is given up, and tried again now and then, and at
// once when it answers after all.
func TestFileThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := make(chan struct{})
		var asked atomic.Int32
		read := func() (string, time.Duration, error) {
			begin := time.Now()
			text, err := inTime("/mnt/gone", func(string) (string, error) {
				asked.Add(1)
				<-back
				return "s3cret", nil
			})
			return text, time.Since(begin), err
		}
		for i, c := range []struct {
			after, takes time.Duration
			asked        int32
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
			if text != "" || !isPath || pathErr.Path != "/mnt/gone" || took != c.takes || asked.Load() != c.asked {
				t.Errorf("read %d: %q, %v after %s, asked %d times; want %+v", i, text, err, took, asked.Load(), c)
			}
		}
		close(back)
		synctest.Wait()
		if text, took, err := read(); text != "s3cret" || took != 0 || err != nil {
			t.Errorf("then %q, %v after %s", text, err, took)
		}
	})
}
