// Command bench replaces the table of benchmarks in a page, between its markers, with the
// output of `go test -bench` and a description of the machine. If a benchmark ran several
// times, the table has the median. If one failed, the page stays unchanged.
//
//	go test -run '^$' -bench . -benchmem ./... | go -C test run ./bench FILE
package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

const begin, end = "<!-- bench -->\n", "<!-- /bench -->"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: bench FILE")
		os.Exit(2)
	}
	if err := run(os.Stdin, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, page string) error {
	r, err := read(in)
	if err != nil {
		return err
	}
	if len(r.names) == 0 {
		return fmt.Errorf("no benchmark ran")
	}
	text, err := os.ReadFile(page) //nolint:gosec // the user chooses the page
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no %s… %s", page, begin, end)
	}
	return os.WriteFile(page, []byte(before+begin+"\n"+r.table()+"\n"+end+after), 0o600) //nolint:gosec // as above; the file keeps its mode
}

// results has the measurements of all benchmarks.
type results struct {
	cpu    string
	names  []string                        // in order of appearance
	values map[string]map[string][]float64 // by benchmark and unit
}

// read parses the output of `go test -bench`.
func read(in io.Reader) (*results, error) {
	r := &results{values: map[string]map[string][]float64{}}
	var pkg string
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		line := lines.Text()
		if name, ok := strings.CutPrefix(line, "pkg: session_exporter"); ok {
			pkg = cmp.Or(strings.Trim(name, "/"), "main")
		}
		if name, ok := strings.CutPrefix(line, "cpu: "); ok {
			r.cpu = name
		}
		// The failure of a benchmark (`--- FAIL: BenchmarkX`), of a package
		// (`FAIL<tab>name`), or of the whole run (`FAIL`).
		if strings.HasPrefix(line, "--- FAIL") || line == "FAIL" || strings.HasPrefix(line, "FAIL\t") {
			return nil, fmt.Errorf("a benchmark failed: %s", line)
		}
		if strings.HasPrefix(line, "Benchmark") {
			r.add(pkg, strings.Fields(line))
		}
	}
	return r, lines.Err()
}

// add parses a line: a name, the number of iterations, and pairs of value and unit.
func (r *results) add(pkg string, fields []string) {
	if len(fields) < 4 {
		return
	}
	name := strings.TrimPrefix(fields[0], "Benchmark")
	if i := strings.LastIndex(name, "-"); i > 0 && strings.Trim(name[i+1:], "0123456789") == "" {
		name = name[:i] // strip GOMAXPROCS
	}
	name = pkg + " " + name
	if r.values[name] == nil {
		r.names = append(r.names, name)
		r.values[name] = map[string][]float64{}
	}
	for i := 2; i+1 < len(fields); i += 2 {
		if value, err := strconv.ParseFloat(fields[i], 64); err == nil {
			r.values[name][fields[i+1]] = append(r.values[name][fields[i+1]], value)
		}
	}
}

// table returns the medians as Markdown.
func (r *results) table() string {
	var b strings.Builder
	cpu := cmp.Or(r.cpu, runtime.GOARCH)
	fmt.Fprintf(&b, "%d cores, %s, %s %s/%s.\n\n", runtime.NumCPU(), cpu, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	b.WriteString("| package | benchmark | time | CPU | allocated | allocations | other |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, name := range r.names {
		pkg, benchmark, _ := strings.Cut(name, " ")
		var other []string
		for unit, values := range r.values[name] {
			if !slices.Contains([]string{"ns/op", "cpu-µs/op", "cpu-ms/op", "B/op", "allocs/op", "MB/s"}, unit) {
				other = append(other, number(median(values))+" "+unit)
			}
		}
		slices.Sort(other)
		cpu := r.duration(name, "cpu-µs/op", 1e3) + r.duration(name, "cpu-ms/op", 1e6)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", pkg, benchmark, r.duration(name, "ns/op", 1), cpu,
			r.plain(name, "B/op", " B"), r.plain(name, "allocs/op", ""), strings.Join(other, ", "))
	}
	return b.String()
}

// duration returns the median of a benchmark's values as a duration in the largest fitting
// unit. nanoseconds is the length of the values' unit.
func (r *results) duration(name, unit string, nanoseconds float64) string {
	values := r.values[name][unit]
	if len(values) == 0 {
		return ""
	}
	ns := median(values) * nanoseconds
	for _, u := range []struct {
		name string
		ns   float64
	}{{"s", 1e9}, {"ms", 1e6}, {"µs", 1e3}} {
		if ns >= u.ns {
			return number(ns/u.ns) + " " + u.name
		}
	}
	return number(ns) + " ns"
}

// plain returns the median of a benchmark's values with a suffix.
func (r *results) plain(name, unit, suffix string) string {
	values := r.values[name][unit]
	if len(values) == 0 {
		return ""
	}
	return number(median(values)) + suffix
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	middle := len(values) / 2
	if len(values)%2 == 1 {
		return values[middle]
	}
	return (values[middle-1] + values[middle]) / 2
}

// number formats v with at most three digits, or with all digits of its integer part.
func number(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
	default:
		return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(v, 'f', 2, 64), "0"), ".")
	}
}
