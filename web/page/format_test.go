package page

import (
	"testing"
	"time"
)

func TestFormatting(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for seconds, want := range map[float64]string{
		0: "now", 0.9: "now", -0.9: "now", 1: "in 1 s", -59: "59 s ago", -60: "1 min ago", -61: "1 min 1 s ago", 660: "in 11 min", 671: "in 11 min",
		-3600: "1 h ago", -5400: "1 h 30 min ago", 86400: "in 1 d", 90000: "in 1 d 1 h", -864000: "10 d ago", -900000: "10 d ago",
	} {
		if got := relative(now.Add(time.Duration(seconds*float64(time.Second))), now); got != want {
			t.Errorf("%g s: %q, want %q", seconds, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0.00 ms", 70 * time.Microsecond: "0.07 ms", 1234 * time.Microsecond: "1.23 ms", 12345 * time.Microsecond: "12.3 ms",
		123456 * time.Microsecond: "123 ms", time.Second: "1.00 s", 12345 * time.Millisecond: "12.3 s", 3 * time.Minute: "180 s",
	} {
		if got := FormatLatency(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}
