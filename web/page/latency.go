package page

import (
	"fmt"
	"math"
	"time"

	"session_exporter/collector"
	"session_exporter/sessionapi"
)

// chart shows the latency of each of the last results as a bar. The scale is
// logarithmic, so that a timeout of seconds does not flatten milliseconds.
type chart struct {
	Height, Bottom int // height of the drawing, and lower end of its bars
	Bars           []bar
	Lines          []gridLine
	Ticks          []tick
	Text           string
}

// bar is a result. Horizontal sizes are in percent, so that the chart is as wide as the
// page.
type bar struct {
	X, Width  string
	Y, Height int
	Kind      sessionapi.Kind
	Title     string
}

// gridLine is a horizontal line at a power of ten, with its text beside the bars.
type gridLine struct {
	Y    int
	Text string
}

// tick is the time of a result, below its bar.
type tick struct {
	X      string
	Anchor string // of the text: start, middle or end
	Minor  bool   // omitted on a narrow page
	At     time.Time
}

const (
	chartTop     = 8 // half the height of the text at the highest grid line
	chartBottom  = 132
	chartHeight  = chartBottom + 20 // with the times
	minBarHeight = 3                // even for probes that sent nothing
	minSlots     = 50               // room for this many results; fewer are aligned to the right edge
)

// newChart returns the chart of an endpoint's last results, nil with fewer than minSamples
// latencies.
func newChart(status *collector.Status) *chart {
	history := status.History
	shortest, longest, sent := latencyRange(history)
	if sent < minSamples {
		return nil
	}
	axis := newScale(shortest, longest)
	heightOf := func(share float64) int { return int(share * (chartBottom - chartTop)) }
	c := &chart{Height: chartHeight, Bottom: chartBottom, Text: fmt.Sprintf("Latency of the last %s: from %s to %s.", plural(len(history), "probe"), FormatLatency(shortest), FormatLatency(longest))}
	for exponent := axis.floor; exponent <= axis.ceiling; exponent++ {
		d := time.Duration(math.Round(math.Pow(10, exponent) * float64(time.Second)))
		c.Lines = append(c.Lines, gridLine{chartBottom - heightOf((exponent-axis.floor)/(axis.ceiling-axis.floor)), shortLatency(d)})
	}
	slots := max(len(history), minSlots)
	kinds := pastKinds(status)
	for i, past := range history {
		b := bar{X: percent(slots-len(history)+i, slots), Width: fmt.Sprintf("%.2f%%", 75/float64(slots)), Kind: kinds[i], Height: minBarHeight}
		took := "nothing was sent"
		if past.HasRequest {
			took = FormatLatency(past.Duration)
			b.Height = max(minBarHeight, heightOf(axis.position(past.Duration)))
		}
		b.Title = fmt.Sprintf("%s: %s, %s", full(past.Start), past.State, took)
		b.Y = chartBottom - b.Height
		c.Bars = append(c.Bars, b)
	}
	c.Ticks = newTicks(history, slots)
	return c
}

// newTicks returns the times of the results at the ends, the middle and the quarters of a
// chart, if it has results there.
func newTicks(history []collector.PastProbe, slots int) []tick {
	var ticks []tick
	for quarter, anchor := range []string{"start", "middle", "middle", "middle", "end"} {
		slot := quarter * (slots - 1) / 4
		if i := slot - (slots - len(history)); i >= 0 {
			t := tick{X: percent(slot, slots), Anchor: anchor, Minor: quarter%2 == 1, At: history[i].Start}
			if anchor == "end" {
				t.X = "100%"
			}
			ticks = append(ticks, t)
		}
	}
	return ticks
}

func percent(n, of int) string { return fmt.Sprintf("%.2f%%", 100*float64(n)/float64(of)) }

// shortLatency formats a power of ten of a second.
func shortLatency(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%g s", d.Seconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	default:
		return fmt.Sprintf("%d µs", d.Microseconds())
	}
}
