package exporter

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"session_exporter/config"
)

func TestLimits(t *testing.T) {
	for files, want := range map[uint64]limits{
		0:       {0, 512, 0, 0},
		16:      {16, 8, 1, 2}, // too few for anything
		128:     {128, 16, 48, 24},
		256:     {256, 32, 104, 52},
		1024:    {1024, 128, 440, 220},
		65_536:  {65_536, 512, 32_504, 16_252},
		1 << 63: {1 << 63, 512, 536_870_648, 268_435_324},
	} {
		if got := limitsFor(files); got != want {
			t.Errorf("%d files: %+v, want %+v", files, got, want)
		}
	}
	for files := uint64(40); files < 100_000; files += 1 + files/7 {
		l := limitsFor(files)
		if used := l.clients + l.kept + filesPerProbe*l.probes + spareFiles; used > int(files) {
			t.Errorf("%d files: %+v need %d", files, l, used)
		}
	}
}

// warned returns the limit that the warning suggests, 0 without a warning.
func warned(t *testing.T, files uint64, endpoints int, interval time.Duration) uint64 {
	t.Helper()
	all := slices.Repeat([]*config.Endpoint{{Settings: config.Settings{Interval: interval, Timeout: 10 * time.Second}}}, endpoints)
	var log bytes.Buffer
	limitsFor(files).warnOfFiles(all, slog.New(slog.NewTextHandler(&log, nil)))
	if log.Len() == 0 {
		return 0
	}
	_, text, _ := strings.Cut(log.String(), "wanted=")
	text, _, _ = strings.Cut(text, " ")
	wanted, err := strconv.ParseUint(text, 10, 64)
	if err != nil || !strings.Contains(log.String(), fmt.Sprintf("limit=%d ", files)) {
		t.Fatalf("the log is %q", log.String())
	}
	return wanted
}

// The suggested limit suffices, and is close to the lowest that does.
func TestWarnOfFiles(t *testing.T) {
	for _, interval := range []time.Duration{10 * time.Second, 15 * time.Second, time.Minute, time.Hour} {
		for endpoints := 1; endpoints < 100_000; endpoints += 1 + endpoints/3 {
			wanted := warned(t, 30, endpoints, interval)
			if wanted == 0 {
				continue
			}
			if again := warned(t, wanted, endpoints, interval); again != 0 {
				t.Errorf("%d endpoints every %s: %d files are wanted, and then %d", endpoints, interval, wanted, again)
			}
			if fewer := wanted * 9 / 10; wanted > 100 && warned(t, fewer, endpoints, interval) == 0 {
				t.Errorf("%d endpoints every %s: %d files are wanted where %d suffice", endpoints, interval, wanted, fewer)
			}
		}
	}
	if warned(t, 0, 100_000, time.Minute) != 0 {
		t.Error("a warning although the limit is unknown")
	}
}
