package page

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"session_exporter/sessionapi"
)

// verdictText returns a verdict in words, empty for one that is not conclusive.
func verdictText(verdict sessionapi.Verdict) string {
	switch verdict {
	case sessionapi.Accepted:
		return "accepted"
	case sessionapi.Refused:
		return "refused"
	default:
		return ""
	}
}

// iso formats a time for the datetime attribute.
func iso(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// full formats a time in UTC, to the second.
func full(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// relative formats a time relative to now, such as "in 5 s" or "2 h ago".
func relative(t, now time.Time) string {
	switch d := t.Sub(now); {
	case d >= time.Second:
		return "in " + formatDuration(d)
	case d > -time.Second:
		return "now"
	default:
		return formatDuration(-d) + " ago"
	}
}

// formatDuration formats a duration in its largest unit, and in two units if the first
// number is below 10.
func formatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	two := func(big, small time.Duration, bigUnit, smallUnit string) string {
		text := fmt.Sprintf("%d %s", d/big, bigUnit)
		if rest := d % big / small; rest > 0 && d/big < 10 {
			text += fmt.Sprintf(" %d %s", rest, smallUnit)
		}
		return text
	}
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return two(time.Minute, time.Second, "min", "s")
	case d < day:
		return two(time.Hour, time.Minute, "h", "min")
	default:
		return two(day, time.Hour, "d", "h")
	}
}

// FormatLatency formats a latency with three significant digits, but at most two decimals.
func FormatLatency(d time.Duration) string {
	number, unit := float64(d)/float64(time.Millisecond), "ms"
	if d >= time.Second {
		number, unit = d.Seconds(), "s"
	}
	digits := max(0, 2-int(math.Floor(math.Log10(max(number, 0.1)))))
	return strconv.FormatFloat(number, 'f', min(digits, 2), 64) + " " + unit
}

// plural formats a number with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
