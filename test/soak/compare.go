package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// row is a load under which exporters are compared.
type row struct {
	name      string // of the benchmark
	label     string // in the table
	endpoints int
	onDemand  bool
	interval  time.Duration // of the probes of an endpoint; 0 for as many as possible
	scrape    time.Duration // interval of scrapes, 0 without
	window    time.Duration // how long the load is measured
}

// rows are the loads. Each window has at least a thousand probes.
var rows = []row{
	{name: "OnDemand/saturated", label: "on demand, saturated", endpoints: 1000, onDemand: true, window: 10 * time.Second},
	{name: "OnDemand/67", label: "on demand, 67/s", endpoints: 1000, onDemand: true, interval: 15 * time.Second, window: 20 * time.Second},
	{name: "Scheduled/67", label: "scheduled, 67/s", endpoints: 1000, interval: 15 * time.Second, window: 20 * time.Second},
	{name: "Scheduled/1000", label: "scheduled, 1,000/s", endpoints: 3000, interval: 3 * time.Second, window: 15 * time.Second},
	{name: "Fleet/10000", label: "10,000 endpoints at 60 s, a scrape every 30 s", endpoints: 10_000, interval: time.Minute, scrape: 30 * time.Second, window: time.Minute},
}

// warmUp is how long scheduled probes run before they are measured, so that all endpoints
// have connected and logged in.
func (r row) warmUp() time.Duration { return r.interval + 30*time.Second }

// rate is the number of probes due per second, 0 for as many as possible.
func (r row) rate() float64 {
	if r.interval == 0 {
		return 0
	}
	return float64(r.endpoints) / r.interval.Seconds()
}

// measurement is what an exporter used under a load.
type measurement struct {
	probes  float64 // checks that the appliances served
	cpu     time.Duration
	mib     float64 // mean resident memory
	reached float64 // probes made, as a share of those due; 1 without an interval
}

// micros is the CPU time of a probe in µs.
func (m *measurement) micros() float64 { return m.cpu.Seconds() * 1e6 / m.probes }

// benchmark returns a line for benchstat.
func (m *measurement) benchmark(r row, x contender) string {
	return fmt.Sprintf("Benchmark%s/%s %.0f %.1f cpu-µs/probe %.1f MiB %.3f reached", r.name, x.name, m.probes, m.micros(), m.mib, m.reached)
}

// comparison runs exporters one after the other, each alone on the first processor.
type comparison struct {
	only       *regexp.Regexp // names of the rows to measure
	rounds     int
	page       string
	contenders []contender
}

// run measures all rows in rounds, so that other load on the machine affects all exporters.
func (c *comparison) run(ctx context.Context) error {
	if err := leaveProcessor(); err != nil {
		return err
	}
	results := map[string][]measurement{}
	var errs []error // failed measurements, which the table omits
	for range c.rounds {
		for _, r := range rows {
			if !c.includes(r) {
				continue
			}
			for _, x := range c.contenders {
				if x.binary == "" || !x.supports(r) {
					continue
				}
				m, err := measure(ctx, r, x)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err != nil {
					errs = append(errs, fmt.Errorf("%s, %s: %w", r.label, x.name, err))
					continue
				}
				results[r.name+"/"+x.name] = append(results[r.name+"/"+x.name], m)
				fmt.Println(m.benchmark(r, x))
			}
		}
	}
	return errors.Join(append(errs, c.print("compare", c.table(results)))...)
}

// includes reports whether a row is measured.
func (c *comparison) includes(r row) bool { return c.only.MatchString(r.name) }

// print prints a table, and writes it into the page between the markers with a name.
func (c *comparison) print(name, table string) error {
	fmt.Print("\n", table)
	if c.page == "" {
		return nil
	}
	return replaceTable(c.page, name, table)
}

// measure runs one exporter under one load.
func measure(ctx context.Context, r row, x contender) (m measurement, err error) {
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return m, err
	}
	defer os.RemoveAll(dir)
	a, err := startAppliances(ctx, r.endpoints)
	if err != nil {
		return m, err
	}
	defer a.end()
	address, err := freeAddress(ctx)
	if err != nil {
		return m, err
	}
	s := &setup{row: r, dir: dir, address: address, appliances: a, options: options{endpoints: r.endpoints, interval: cmp.Or(r.interval, 15*time.Second)}}
	args, err := x.configure(s)
	if err != nil {
		return m, err
	}
	stop, pid, err := start(ctx, filepath.Join(dir, "log"), append([]string{"taskset", "-c", "0", x.binary}, args...))
	if err != nil {
		return m, err
	}
	defer stop()
	l := &load{setup: s, contender: x}
	if err := l.warmUp(ctx); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		return m, fmt.Errorf("%w; its log:\n%s", err, log[max(0, len(log)-2000):])
	}
	if x.observe != nil {
		if err := x.observe(pid); err != nil {
			return m, err
		}
		defer func() { err = errors.Join(err, x.observe(pid)) }()
	}
	served, used, err := observe(a, pid)
	if err != nil {
		return m, err
	}
	if m.mib, err = l.run(ctx, pid); err != nil {
		return m, err
	}
	servedAfter, usedAfter, err := observe(a, pid)
	if err != nil {
		return m, err
	}
	m.probes, m.cpu, m.reached = float64(servedAfter-served), usedAfter-used, 1
	if m.probes == 0 {
		return m, fmt.Errorf("no probe in %s", r.window)
	}
	if rate := r.rate(); rate > 0 {
		m.reached = m.probes / (rate * r.window.Seconds())
	}
	return m, nil
}

// observe returns how many checks the appliances have served, and the CPU time of a process.
func observe(a *appliances, pid int) (served int64, used time.Duration, err error) {
	if served, err = a.served(); err != nil {
		return 0, 0, err
	}
	used, err = cpuTime(pid)
	return served, used, err
}

// start starts a process whose output goes to a log file, and returns a function that stops
// it.
func start(ctx context.Context, log string, args []string) (stop func(), pid int, err error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, 0, err
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // the user names the binary to run
	cmd.Stdout, cmd.Stderr, cmd.Dir = out, out, filepath.Dir(log)
	if err := cmd.Start(); err != nil {
		return nil, 0, err
	}
	return func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		killed := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		killed.Stop()
		_ = out.Close()
	}, cmd.Process.Pid, nil
}

// ready waits, for at most 30 s, until a GET of the URL succeeds.
func ready(ctx context.Context, url string) error {
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		err := get(ctx, http.DefaultClient, url, nil)
		if err == nil || ctx.Err() != nil || time.Now().After(limit) {
			return err
		}
	}
}

// table returns the medians of the measured rows as Markdown.
func (c *comparison) table(results map[string][]measurement) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, on %s. The exporter has one processor. CPU time of a probe; with scrapes, also resident memory.\n\n|", time.Now().UTC().Format(time.DateOnly), machine())
	for _, x := range c.contenders {
		fmt.Fprintf(&b, " | %s", cmp.Or(x.version(), x.name))
	}
	b.WriteString(" | ratio to the reference |\n| ---" + strings.Repeat(" | ---", len(c.contenders)+1) + " |\n")
	for _, r := range rows {
		if !slices.ContainsFunc(c.contenders, func(x contender) bool { return len(results[r.name+"/"+x.name]) > 0 }) {
			continue
		}
		fmt.Fprintf(&b, "| %s", r.label)
		for _, x := range c.contenders {
			fmt.Fprintf(&b, " | %s", cell(r, results[r.name+"/"+x.name]))
		}
		ours, reference := results[r.name+"/"+oursName], results[r.name+"/"+referenceName]
		if len(ours) > 0 && len(reference) > 0 {
			fmt.Fprintf(&b, " | %.2f |\n", median(ours, (*measurement).micros)/median(reference, (*measurement).micros))
		} else {
			b.WriteString(" | |\n")
		}
	}
	return b.String()
}

// cell returns the text of a row's measurements by one exporter.
func cell(r row, all []measurement) string {
	if len(all) == 0 {
		return "–"
	}
	text := fmt.Sprintf("%.0f µs", median(all, (*measurement).micros))
	if r.scrape > 0 {
		text += fmt.Sprintf(", %.0f MiB", median(all, func(m *measurement) float64 { return m.mib }))
	}
	if reached := median(all, func(m *measurement) float64 { return m.reached }); reached < 0.97 {
		text += fmt.Sprintf(", only %.0f %% of the probes", 100*reached)
	}
	return text
}

func median(all []measurement, of func(*measurement) float64) float64 {
	values := make([]float64, len(all))
	for i := range all {
		values[i] = of(&all[i])
	}
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 1 {
		return values[middle]
	}
	return (values[middle-1] + values[middle]) / 2
}
