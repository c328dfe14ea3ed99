package main

import (
	"bytes"
	"log/slog"
	"strconv"
	"strings"
	"testing"
)

func TestWarnOfFiles(t *testing.T) {
	const kept, hang = "not every endpoint's connection can be kept", "when very many appliances hang at once"
	for _, c := range []struct {
		endpoints, probes int
		files             uint64
		want              []string // in the log, line by line
	}{
		{1000, 200, 1024, []string{kept, "endpoints=1000 kept=768 limit=1024 wanted=1336"}},
		{768, 200, 1024, nil},
		{0, 0, 200, nil},
		{50_000, 8733, 0, nil}, // nobody knows
		{50_000, 8733, 1 << 63, nil},
		{50_000, 8733, 65_536, []string{kept, "endpoints=50000 kept=49152 limit=65536 wanted=66668"}},
		{50_000, 8733, 66_668, nil},
		// As many kept as may be, and all others hang.
		{50_000, 8733, 20_000, []string{kept, "kept=15000 limit=20000 wanted=66668", hang, "hanging=35000 needed=6113 possible=2372 limit=20000 wanted=66668"}},
		// All connections can be kept, but where all hang...
		{150, 144, 200, []string{hang, "hanging=150 needed=144 possible=92 limit=200 wanted=309"}},
		{150, 144, 309, nil},
		{3000, 2195, 4096, []string{hang, "hanging=3000 needed=2195 possible=1920 limit=4096 wanted=4646"}},
		{3000, 2195, 4646, nil},
		{1, 1, 3, []string{kept}}, // one there always is
	} {
		var log bytes.Buffer
		warnOfFiles(c.endpoints, c.probes, c.files, slog.New(slog.NewTextHandler(&log, nil)))
		left := log.String()
		for _, want := range c.want {
			before, after, found := strings.Cut(left, want)
			if !found || strings.Count(before, "\n") > 1 {
				t.Errorf("%d endpoints, %d probes, %d files: %q, want %q", c.endpoints, c.probes, c.files, log.String(), want)
			}
			left = after
		}
		if lines := strings.Count(log.String(), "level=WARN"); c.want == nil && lines > 0 || strings.Count(log.String(), hang) != count(strings.Contains(strings.Join(c.want, ""), hang)) {
			t.Errorf("%d endpoints, %d probes, %d files: %q", c.endpoints, c.probes, c.files, log.String())
		}
	}
}

// As many files as are wanted are as many as suffice, and not many more.
func TestFilesWanted(t *testing.T) {
	for endpoints := 1; endpoints < 100_000; endpoints += 1 + endpoints/7 {
		for _, probes := range []int{1, endpoints/6 + 1, endpoints / 2, endpoints} {
			var log bytes.Buffer
			logger := slog.New(slog.NewTextHandler(&log, nil))
			warnOfFiles(endpoints, probes, 1, logger)
			_, said, _ := strings.Cut(log.String(), "wanted=")
			said, _, _ = strings.Cut(said, "\n")
			wanted, err := strconv.ParseUint(said, 10, 64)
			if err != nil {
				t.Fatalf("%d endpoints, %d probes: %q", endpoints, probes, log.String())
			}
			log.Reset()
			warnOfFiles(endpoints, probes, wanted, logger)
			if log.Len() > 0 {
				t.Fatalf("%d endpoints, %d probes, %d files as wanted: %q", endpoints, probes, wanted, log.String())
			}
			if fewer := wanted * 9 / 10; fewer > 40 {
				warnOfFiles(endpoints, probes, fewer, logger)
			}
			if wanted > 50 && log.Len() == 0 {
				t.Fatalf("%d endpoints, %d probes: %d files are wanted where fewer suffice", endpoints, probes, wanted)
			}
		}
	}
}

func TestFilesForProbes(t *testing.T) {
	for files, want := range map[uint64]int{1: 0, 16: 0, 20: 4, 200: 184, 1024: 960, 4096: 3840, 20_000: 19_744, 1 << 63: 1<<30 - 256} {
		if got := filesForProbes(files); got != want {
			t.Errorf("%d files: %d, want %d", files, got, want)
		}
	}
}
