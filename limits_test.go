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

func TestProbesFor(t *testing.T) {
	for _, c := range []struct {
		endpoints int
		files     uint64
		want      int
	}{
		{50_000, 0, 0},
		{10_000, 20_000, 5_000},
		{50_000, 20_000, 2_500}, // 15,000 are kept
		{10, 1024, 507},
		{5, 1, 1},
		{1000, 1 << 63, 1<<29 - 500},
	} {
		if got := probesFor(c.endpoints, c.files); got != c.want {
			t.Errorf("%d endpoints, %d files: %d, want %d", c.endpoints, c.files, got, c.want)
		}
	}
}
