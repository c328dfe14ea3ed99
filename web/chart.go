package web

import (
	"fmt"
	"math"
	"strings"
	"time"

	"session_exporter/collector"
	"session_exporter/probe"
)

const (
	stripLength = 40 // results in a row of the overview
	stripHeight = 16
	cellWidth   = 4 // a bar and the gap behind it
	sparkWidth  = 80
	sparkHeight = 18
)

// layer is what a drawing shows of one kind of state: one path for all of it,
// since a page has thousands of marks.
type layer struct{ Kind, Path string }

// strip is the states of the last results, the newest on the right. A state's
// height tells its kind as well as its colour does: what is well stays low, what
// fails stands out.
type strip struct {
	Width, Height int
	Layers        []layer
	Text          string
}

var stripHeights = map[string]int{kindOK: 7, kindDenied: 13, kindRefused: 16, kindWithheld: 10, kindTrouble: 16, kindUnknown: 3}

func newStrip(history []collector.Past, length int) strip {
	history = history[max(0, len(history)-length):]
	s := strip{Width: length*cellWidth - 1, Height: stripHeight}
	paths := make(map[string]*strings.Builder)
	for i, past := range history {
		kind := viewOf(past.State).Kind
		path, begun := paths[kind]
		if !begun {
			path = &strings.Builder{}
			paths[kind] = path
		}
		height := stripHeights[kind]
		fmt.Fprintf(path, "M%d %dh3v%dh-3z", (length-len(history)+i)*cellWidth, stripHeight-height, height)
	}
	for _, kind := range kinds {
		if path, drawn := paths[kind]; drawn {
			s.Layers = append(s.Layers, layer{kind, path.String()})
		}
	}
	if missing := length - len(history); missing > 0 {
		var path strings.Builder
		for i := range missing {
			fmt.Fprintf(&path, "M%d %dh3v2h-3z", i*cellWidth, stripHeight-2)
		}
		s.Layers = append(s.Layers, layer{"none", path.String()})
	}
	s.Text = validOf(history)
	return s
}

// validOf says how many results are valid.
func validOf(history []collector.Past) string {
	valid := 0
	for _, past := range history {
		if past.State == probe.Valid {
			valid++
		}
	}
	return fmt.Sprintf("%d of %d valid", valid, len(history))
}

// kinds in the order in which they are drawn.
var kinds = []string{kindOK, kindDenied, kindRefused, kindWithheld, kindTrouble, kindUnknown}

// spark is the course of the latency.
type spark struct {
	Width, Height int
	Path          string
	Text          string
}

func newSpark(history []collector.Past) spark {
	history = history[max(0, len(history)-stripLength):]
	s := spark{Width: sparkWidth, Height: sparkHeight}
	shortest, longest := extremes(history)
	if longest == 0 {
		return s
	}
	var path strings.Builder
	drawing := false
	for i, past := range history {
		if !past.Sent {
			drawing = false
			continue
		}
		command := 'L'
		if !drawing {
			command, drawing = 'M', true
		}
		x := float64(stripLength-len(history)+i)*(sparkWidth-2)/(stripLength-1) + 1
		y := (sparkHeight-1)*(1-float64(past.Duration)/float64(longest)) + 0.5
		fmt.Fprintf(&path, "%c%.1f %.1f", command, x, y)
		if command == 'M' {
			fmt.Fprintf(&path, "h0.01") // a lone point shows too
		}
	}
	s.Path = path.String()
	s.Text = fmt.Sprintf("latency from %s to %s", latency(shortest), latency(longest))
	return s
}

// extremes are how long the probes took that sent something; longest is zero when
// none did.
func extremes(history []collector.Past) (shortest, longest time.Duration) {
	shortest = math.MaxInt64
	for _, past := range history {
		if past.Sent {
			shortest, longest = min(shortest, past.Duration), max(longest, past.Duration)
		}
	}
	return shortest, longest
}

// chart is the latency of each of the last results, as bars. Its scale is
// logarithmic: a timeout of seconds must not hide what happens among milliseconds.
type chart struct {
	Height int
	Bars   []bar
	Lines  []gridLine
	Text   string
}

// bar is one result. What is across is in percent, so that the chart is as wide
// as the page.
type bar struct {
	X, Width  string
	Y, Height int
	Kind      string
	Title     string
}

type gridLine struct {
	Y, TextY int
	Text     string
}

const (
	chartHeight = 140
	lowestBar   = 3 // of what took no time, too
)

func newChart(history []collector.Past, now time.Time) *chart {
	shortest, longest := extremes(history)
	if longest == 0 {
		return nil
	}
	floor := math.Floor(math.Log10(max(shortest.Seconds(), 1e-5)))
	ceiling := max(math.Ceil(math.Log10(longest.Seconds())), floor+1)
	heightOf := func(d time.Duration) int {
		share := (math.Log10(max(d.Seconds(), 1e-5)) - floor) / (ceiling - floor)
		return max(lowestBar, int(share*(chartHeight-16)))
	}
	c := &chart{Height: chartHeight, Text: fmt.Sprintf("Latency of the last %s: from %s to %s.", counted(len(history), "probe"), latency(shortest), latency(longest))}
	for exponent := floor; exponent <= ceiling; exponent++ {
		d := time.Duration(math.Round(math.Pow(10, exponent) * float64(time.Second)))
		y := chartHeight - int((exponent-floor)/(ceiling-floor)*(chartHeight-16))
		c.Lines = append(c.Lines, gridLine{y, y - 3, shortLatency(d)})
	}
	// The last hundred, or as many as there are, up to the right edge.
	slots := max(len(history), 50)
	for i, past := range history {
		b := bar{
			X:     fmt.Sprintf("%.2f%%", 100*float64(slots-len(history)+i)/float64(slots)),
			Width: fmt.Sprintf("%.2f%%", 75/float64(slots)),
			Kind:  viewOf(past.State).Kind,
		}
		took := "nothing was sent"
		b.Height = lowestBar
		if past.Sent {
			took = latency(past.Duration)
			b.Height = heightOf(past.Duration)
		}
		b.Title = fmt.Sprintf("%s: %s, %s", moment{past.Start, now}.Full(), past.State, took)
		b.Y = chartHeight - b.Height
		c.Bars = append(c.Bars, b)
	}
	return c
}

// shortLatency writes a power of ten of a second.
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
