package report

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"session_exporter/collector"
	"session_exporter/sessionapi"
)

const (
	// The bar is shown for progressFrom endpoints or more, and only after progressAfter, so
	// that it does not flash.
	progressFrom  = 21
	progressAfter = time.Second

	redrawEvery = 200 * time.Millisecond
	longestBar  = 30
	shortestBar = 5

	eraseLine = "\r\x1b[K" // move to the beginning of the line, then erase it
)

// Progress is a progress bar on a terminal that counts the endpoints probed.
type Progress struct {
	out        io.Writer
	width, all int
	done       atomic.Int64
	notValid   atomic.Int64
}

// NewProgress returns a bar for a number of endpoints, nil if there are fewer than
// progressFrom, or if out is not a terminal that supports escape codes.
func NewProgress(out io.Writer, endpoints int) *Progress {
	width := terminalWidth(out)
	if endpoints < progressFrom || width == 0 || dumbTerminal() {
		return nil
	}
	return &Progress{out: out, width: width, all: endpoints}
}

// Add counts a probed endpoint. It may be called concurrently.
func (p *Progress) Add(r collector.EndpointResult) {
	if r.Result.State != sessionapi.Valid {
		p.notValid.Add(1)
	}
	p.done.Add(1)
}

// Show draws the bar until ctx is done, then erases it.
func (p *Progress) Show(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-time.After(progressAfter):
	}
	redraw := time.NewTicker(redrawEvery)
	defer redraw.Stop()
	defer func() { _, _ = io.WriteString(p.out, eraseLine) }() // to a terminal
	for {
		_, _ = io.WriteString(p.out, eraseLine+p.line())
		select {
		case <-ctx.Done():
			return
		case <-redraw.C:
		}
	}
}

// line returns a line that fits the terminal, because a wrapped line could not be
// erased.
func (p *Progress) line() string {
	done := int(p.done.Load())
	count := fmt.Sprintf("Probing: %d of %d done, %d not valid", done, p.all, p.notValid.Load())
	length := min(p.width-1-columns(count)-len(" []"), longestBar)
	if length < shortestBar {
		return cut(count, p.width-1)
	}
	full := length * done / p.all
	return count + " [" + strings.Repeat("#", full) + strings.Repeat(".", length-full) + "]"
}
