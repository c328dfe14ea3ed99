package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"session_exporter/collector"
	"session_exporter/probe"
)

const (
	// progressFrom is how many endpoints are worth a bar, and progressAfter how
	// long a wait is: one that flashes by only disturbs.
	progressFrom  = 21
	progressAfter = time.Second

	redrawEvery = 200 * time.Millisecond
	longestBar  = 30
	shortestBar = 5

	eraseLine = "\r\x1b[K" // from the line's start to its end
)

// probeAll probes all that watch has. Who waits for it at a terminal sees how far
// it is; a pipe or a log gets none of that.
func probeAll(ctx context.Context, watch *collector.Collector, count int, errOut io.Writer) ([]collector.Probed, error) {
	width := terminalWidth(errOut)
	if count < progressFrom || width == 0 || dumbTerminal() {
		return watch.ProbeAll(ctx)
	}
	p := &progress{out: errOut, width: width, all: count}
	// It shows until the last logout, also when the user is impatient.
	showing, stop := context.WithCancel(context.WithoutCancel(ctx))
	var drawing sync.WaitGroup
	drawing.Go(func() { p.show(showing) })
	defer drawing.Wait()
	defer stop()
	return watch.ProbeEach(ctx, p.ended)
}

// progress is the bar that tells how many endpoints are done.
type progress struct {
	out        io.Writer
	width, all int
	done       atomic.Int64
	notValid   atomic.Int64
}

func (p *progress) ended(f collector.Probed) {
	if f.Result.State != probe.Valid {
		p.notValid.Add(1)
	}
	p.done.Add(1)
}

// show draws the bar until ctx is over, and then erases it.
func (p *progress) show(ctx context.Context) {
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

// line fits the terminal: one that wraps could not be erased.
func (p *progress) line() string {
	done := int(p.done.Load())
	count := fmt.Sprintf("Probing: %d of %d done, %d not valid", done, p.all, p.notValid.Load())
	length := min(p.width-1-columns(count)-len(" []"), longestBar)
	if length < shortestBar {
		return cut(count, p.width-1)
	}
	full := length * done / p.all
	return count + " [" + strings.Repeat("#", full) + strings.Repeat(".", length-full) + "]"
}
