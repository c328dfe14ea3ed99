// Command bench writes what `go test -bench` said as a table into a page, between
// its marks, with the machine named: medians where a benchmark ran several times.
// What failed leaves the page as it is, rather than with fewer rows.
//
//	go test -run '^$' -bench . -benchmem ./... | go -C tools run ./bench FILE
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
		fmt.Fprintln(os.Stderr, "bench: name the page to write to")
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
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no %s… %s", page, begin, end)
	}
	return os.WriteFile(page, []byte(before+begin+"\n"+r.table()+"\n"+end+after), 0o644)
}

// results are what each benchmark measured, by unit.
type results struct {
	cpu    string
	names  []string // in their order
	values map[string]map[string][]float64
}

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
		// Of a benchmark (`--- FAIL: BenchmarkX`), of a package (`FAIL<tab>name`), of all.
		if strings.HasPrefix(line, "--- FAIL") || line == "FAIL" || strings.HasPrefix(line, "FAIL\t") {
			return nil, fmt.Errorf("a benchmark failed: %s", line)
		}
		if strings.HasPrefix(line, "Benchmark") {
			r.take(pkg, strings.Fields(line))
		}
	}
	return r, lines.Err()
}

// take takes a line: a name, how many times it ran, and pairs of value and unit.
func (r *results) take(pkg string, fields []string) {
	if len(fields) < 4 {
		return
	}
	name := strings.TrimPrefix(fields[0], "Benchmark")
	if i := strings.LastIndex(name, "-"); i > 0 && strings.Trim(name[i+1:], "0123456789") == "" {
		name = name[:i] // how many processors, which the machine says
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

func (r *results) table() string {
	var b strings.Builder
	cpu := cmp.Or(r.cpu, runtime.GOARCH)
	fmt.Fprintf(&b, "%d cores, %s, %s %s/%s.\n\n", runtime.NumCPU(), cpu, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	b.WriteString("| package | benchmark | time | CPU | allocated | allocations | besides |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, name := range r.names {
		pkg, benchmark, _ := strings.Cut(name, " ")
		var besides []string
		for unit, values := range r.values[name] {
			if !slices.Contains([]string{"ns/op", "cpu-µs/op", "cpu-ms/op", "B/op", "allocs/op", "MB/s"}, unit) {
				besides = append(besides, number(median(values))+" "+unit)
			}
		}
		slices.Sort(besides)
		cpu := r.duration(name, "cpu-µs/op", 1e3) + r.duration(name, "cpu-ms/op", 1e6)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", pkg, benchmark, r.duration(name, "ns/op", 1), cpu,
			r.plain(name, "B/op", " B"), r.plain(name, "allocs/op", ""), strings.Join(besides, ", "))
	}
	return b.String()
}

// duration is a median in the unit that a person would take.
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

// number has three digits, or all that are in front of the point.
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
