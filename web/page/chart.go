package page

import (
	"fmt"
	"math"
	"strings"
	"time"

	"session_exporter/collector"
	"session_exporter/sessionapi"
)

const (
	stripLength = 40 // results per row of the overview
	stripHeight = 16
	cellWidth   = 4 // a bar and the gap after it
	sparkWidth  = 80
	sparkHeight = 18
)

// layer is the part of a strip for one kind of state, as a single path, because a page
// has thousands of marks.
type layer struct {
	Kind sessionapi.Kind
	Path string
}

// strip shows the states of the last results, the newest on the right. The height of a
// bar shows its kind as the color does: low for valid, high for failures.
type strip struct {
	Width, Height int
	Layers        []layer
	Text          string
}

var stripHeights = map[sessionapi.Kind]int{sessionapi.KindOK: 7, sessionapi.KindDenied: 13, sessionapi.KindRefused: 16, sessionapi.KindHeld: 10, sessionapi.KindTrouble: 16, sessionapi.KindUnknown: 3}

func newStrip(status *collector.Status, length int) strip {
	first := max(0, len(status.History)-length)
	history := status.History[first:]
	s := strip{Width: length*cellWidth - 1, Height: stripHeight}
	paths := make(map[sessionapi.Kind][]byte)
	for i, kind := range pastKinds(status)[first:] {
		height := stripHeights[kind]
		paths[kind] = fmt.Appendf(paths[kind], "M%d %dh3v%dh-3z", (length-len(history)+i)*cellWidth, stripHeight-height, height)
	}
	for _, kind := range kinds {
		if path := paths[kind]; path != nil {
			s.Layers = append(s.Layers, layer{kind, string(path)})
		}
	}
	if missing := length - len(history); missing > 0 {
		s.Layers = append(s.Layers, layer{"none", fmt.Sprintf("M0 %dh%d", stripHeight-1, missing*cellWidth-1)})
	}
	s.Text = validCount(history)
	return s
}

// validCount formats how many results are valid.
func validCount(history []collector.PastProbe) string {
	valid := 0
	for _, past := range history {
		if past.State == sessionapi.Valid {
			valid++
		}
	}
	return fmt.Sprintf("%d of %d valid", valid, len(history))
}

// kinds are the kinds of states in drawing order.
var kinds = []sessionapi.Kind{sessionapi.KindOK, sessionapi.KindDenied, sessionapi.KindRefused, sessionapi.KindHeld, sessionapi.KindTrouble, sessionapi.KindUnknown}

// spark is a sparkline of the latency.
type spark struct {
	Width, Height int
	Path          string
	Text          string
}

// minSamples is the minimum number of latencies for a sparkline.
const minSamples = 5

// newSpark returns the sparkline of the last results, on the scale that all rows share. It is
// empty with fewer than minSamples latencies.
func newSpark(history []collector.PastProbe, shared *scale) spark {
	history = history[max(0, len(history)-stripLength):]
	shortest, longest, sent := latencyRange(history)
	if sent < minSamples {
		return spark{}
	}
	var path strings.Builder
	drawing := false
	for i, past := range history {
		if past.HasRequest {
			x := float64(stripLength-len(history)+i)*(sparkWidth-2)/(stripLength-1) + 1
			y := (sparkHeight-2)*(1-shared.position(past.Duration)) + 1
			if drawing {
				fmt.Fprintf(&path, "L%.1f %.1f", x, y)
			} else {
				fmt.Fprintf(&path, "M%.1f %.1fh0.01", x, y) // h0.01 makes a single point visible
			}
		}
		drawing = past.HasRequest
	}
	return spark{sparkWidth, sparkHeight, path.String(), fmt.Sprintf("latency from %s to %s", FormatLatency(shortest), FormatLatency(longest))}
}

// scale is a logarithmic scale of latencies, from 10^floor to 10^ceiling seconds. Both
// exponents are integers.
type scale struct{ floor, ceiling float64 }

// newScale returns the shortest scale that covers a range of latencies.
func newScale(shortest, longest time.Duration) *scale {
	floor := math.Floor(math.Log10(max(shortest.Seconds(), 1e-5)))
	return &scale{floor, max(math.Ceil(math.Log10(max(longest.Seconds(), 1e-5))), floor+1)}
}

// position returns where a latency is on the scale, from 0 to 1.
func (s *scale) position(d time.Duration) float64 {
	share := (math.Log10(max(d.Seconds(), 1e-5)) - s.floor) / (s.ceiling - s.floor)
	return min(max(share, 0), 1)
}

// sharedScale returns the scale of all latencies that the sparklines of some endpoints
// show.
func sharedScale(statuses []collector.Status) *scale {
	shortest, longest := time.Duration(math.MaxInt64), time.Duration(0)
	for i := range statuses {
		history := statuses[i].History
		low, high, _ := latencyRange(history[max(0, len(history)-stripLength):])
		shortest, longest = min(shortest, low), max(longest, high)
	}
	if longest == 0 {
		shortest = 0
	}
	return newScale(shortest, longest)
}

// latencyRange returns the range of the durations of probes that sent a request, and the
// number of these probes. Without any, shortest is the maximum duration and longest is zero.
func latencyRange(history []collector.PastProbe) (shortest, longest time.Duration, sent int) {
	shortest = math.MaxInt64
	for _, past := range history {
		if past.HasRequest {
			shortest, longest = min(shortest, past.Duration), max(longest, past.Duration)
			sent++
		}
	}
	return shortest, longest, sent
}
