package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestWarnOfFiles(t *testing.T) {
	for _, c := range []struct {
		endpoints int
		files     uint64
		want      string // in the log; empty for nothing
	}{
		{1000, 1024, "endpoints=1000 kept=768 limit=1024 wanted=1336"},
		{768, 1024, ""},
		{50_000, 0, ""}, // nobody knows
		{50_000, 1 << 63, ""},
		{50_000, 65_536, "endpoints=50000 kept=49152 limit=65536 wanted=66668"},
	} {
		var log bytes.Buffer
		warnOfFiles(c.endpoints, c.files, slog.New(slog.NewTextHandler(&log, nil)))
		if c.want == "" && log.Len() > 0 || !strings.Contains(log.String(), c.want) {
			t.Errorf("%d endpoints, %d files: %q, want %q", c.endpoints, c.files, log.String(), c.want)
		}
	}
}
