package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/pprof/profile"

	"session_exporter/internal/cli"
)

// runProfiled calls run, and writes a CPU profile of the time between two SIGUSR1 signals
// to a file, because the exporter itself serves no profiles.
func runProfiled(file string, run func() error) error {
	toggle := make(chan os.Signal, 1)
	signal.Notify(toggle, syscall.SIGUSR1)
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	go func() {
		<-toggle
		if err := pprof.StartCPUProfile(out); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		<-toggle
		pprof.StopCPUProfile()
	}()
	err = run()
	pprof.StopCPUProfile() // if it has been stopped, this waits until it is written
	return errors.Join(err, out.Close())
}

func runExporter(ctx context.Context, args []string) error {
	if code := cli.Run(ctx, args, os.Stdout, os.Stderr); code != 0 {
		return fmt.Errorf("the exporter's exit code is %d", code)
	}
	return nil
}

// part is a part of a probe's CPU time, defined by prefixes of function names. A sample is
// attributed to the part of the innermost function that has a prefix of any part.
type part struct {
	name     string
	prefixes []string
}

var parts = []part{
	{"system calls: read, write, peek, poll", []string{"syscall.", "internal/runtime/syscall.", "runtime/internal/syscall.", "runtime.netpoll"}},
	{"garbage collection", []string{"runtime.gcBgMarkWorker", "runtime.gcAssistAlloc", "runtime.bgsweep", "runtime.bgscavenge", "runtime.gcStart", "runtime.gcMarkTermination", "runtime.GC"}},
	{"allocation", []string{"runtime.mallocgc", "runtime.newobject", "runtime.makeslice", "runtime.growslice", "runtime.makemap", "runtime.concatstring", "runtime.slicebytetostring", "runtime.stringtoslicebyte", "runtime.rawstring", "runtime.rawbyteslice"}},
	{"stacks that grow", []string{"runtime.newstack", "runtime.morestack"}},
	{"goroutines, timers and waiting", []string{"runtime.mcall", "runtime.schedule", "runtime.findRunnable", "runtime.park_m", "runtime.mstart", "runtime.systemstack", "runtime.goexit0", "runtime.gopark", "runtime.goready", "runtime.ready", "runtime.newproc", "runtime.sysmon", "runtime.selectgo", "runtime.chansend", "runtime.chanrecv", "time.", "context."}},
	{"TLS", []string{"crypto/"}},
	{"JSON", []string{"github.com/go-json-experiment/", "encoding/json"}},
	{"compression", []string{"github.com/klauspost/compress", "compress/"}},
	{"secrets: remembering and masking", []string{"session_exporter/probe/transport/mask.", "session_exporter/secret."}},
	{"serving: HTTP server", []string{"net/http.(*conn).", "net/http.(*response).", "net/http.(*connReader)", "net/http.serverHandler", "net/http.readRequest", "net/http.(*ServeMux)", "session_exporter/web"}},
	{"metrics: rendering", []string{"session_exporter/collector/exposition.", "session_exporter/collector.(*applied).render", "session_exporter/collector.(*emitter)", "github.com/prometheus/", "main.(*bareEndpoint).appendSeries"}},
	{"HTTP client: request and response", []string{"session_exporter/probe/transport.", "session_exporter/probe/transport/http1.", "net/http.", "net/textproto."}},
	{"recording: history, histogram, changes", []string{"session_exporter/collector.(*state).", "session_exporter/collector.(*history).", "session_exporter/collector.(*histogram).", "main.(*bareEndpoint).record"}},
	{"scheduling", []string{"session_exporter/collector.", "main.(*bare).requestAll"}},
	{"judging: interpretation, outcome, diagnosis", []string{"session_exporter/probe.", "session_exporter/probe/", "session_exporter/sessionapi."}},
}

// profileWindows is how many windows of a row are profiled: there are only a hundred samples
// in a second of CPU time.
const profileWindows = 3

// otherPart is the part of samples without any of these functions.
const otherPart = "other"

// partOf returns the part of a sample.
func partOf(s *profile.Sample) string {
	for _, location := range s.Location {
		for _, line := range location.Line {
			for _, p := range parts {
				if slices.ContainsFunc(p.prefixes, func(prefix string) bool { return strings.HasPrefix(line.Function.Name, prefix) }) {
					return p.name
				}
			}
		}
	}
	return otherPart
}

// shares returns the share of each part in a CPU profile.
func shares(p *profile.Profile) map[string]float64 {
	const cpu = 1 // index of the CPU time in a sample's values; the first is the number of samples
	total := 0.0
	of := map[string]float64{}
	for _, s := range p.Sample {
		of[partOf(s)] += float64(s.Value[cpu])
		total += float64(s.Value[cpu])
	}
	for name := range of {
		of[name] /= total
	}
	return of
}

// profiled returns the contender as part of this program, which writes a CPU profile of the
// window to a file.
func profiled(x contender, file string) (contender, error) {
	self, err := os.Executable()
	configure := x.configure
	x.binary = self
	x.configure = func(s *setup) ([]string, error) {
		args, err := configure(s)
		if x.name == oursName {
			args = append([]string{"--"}, args...) // what follows are the exporter's flags
		}
		return append([]string{"-profiled=" + file}, args...), err
	}
	x.observe = func(pid int) error { return syscall.Kill(pid, syscall.SIGUSR1) }
	return x, err
}

// profile measures the parts of a probe by the exporter and by the reference, in all rows
// without scrapes, which would hide the probes.
func (c *comparison) profile(ctx context.Context) error {
	if err := leaveProcessor(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var labels []string
	var ours, reference []map[string]float64 // µs by part, for each label
	for _, r := range rows {
		if r.scrape > 0 || !c.includes(r) {
			continue
		}
		r.window *= profileWindows
		labels = append(labels, r.label)
		for _, x := range c.contenders {
			var of *[]map[string]float64
			switch x.name {
			case oursName:
				of = &ours
			case referenceName:
				of = &reference
			default:
				continue
			}
			spent, err := profileOf(ctx, r, x, filepath.Join(dir, "cpu.pprof"))
			if err != nil {
				return fmt.Errorf("%s, %s: %w", r.label, x.name, err)
			}
			*of = append(*of, spent)
		}
	}
	return c.print("profile", profileTable(labels, ours, reference))
}

// profileOf returns the CPU time of each part of a probe in µs.
func profileOf(ctx context.Context, r row, x contender, file string) (map[string]float64, error) {
	x, err := profiled(x, file)
	if err != nil {
		return nil, err
	}
	m, err := measure(ctx, r, x)
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(os.Stderr, m.benchmark(r, x))
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	p, err := profile.ParseData(data)
	if err != nil {
		return nil, err
	}
	spent := shares(p)
	for name := range spent {
		spent[name] *= m.micros()
	}
	return spent, nil
}

// profileTable returns a profile as Markdown, the costliest part first.
func profileTable(labels []string, ours, reference []map[string]float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, on %s. CPU time of a probe in µs, of the exporter and of the reference; the profiler itself takes a few.\n\n", time.Now().UTC().Format(time.DateOnly), machine())
	fmt.Fprintf(&b, "| | %s |\n| ---%s |\n", strings.Join(labels, " | "), strings.Repeat(" | ---:", len(labels)))
	names := []string{otherPart}
	for _, p := range slices.Backward(parts) {
		names = append(names, p.name)
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(ours[0][b], ours[0][a]) })
	for _, name := range names {
		fmt.Fprintf(&b, "| %s", name)
		for i := range ours {
			fmt.Fprintf(&b, " | %.0f / %.0f", ours[i][name], reference[i][name])
		}
		b.WriteString(" |\n")
	}
	return b.String()
}
