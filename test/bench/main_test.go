package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(page, []byte("# Before\n"+begin+"old\n"+end+"\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second run replaces the first one's table
		err := run(strings.NewReader(`goos: linux
pkg: session_exporter/probe
cpu: A CPU
BenchmarkProbe/hcx/flat-out-2   	 100	 300000 ns/op	 107.1 cpu-µs/op	 9637 B/op	 132 allocs/op
BenchmarkProbe/hcx/flat-out-2   	 100	 100000 ns/op	 105.1 cpu-µs/op	 9637 B/op	 132 allocs/op
BenchmarkProbe/hcx/flat-out-2   	 100	 200000 ns/op	 99 cpu-µs/op	 9637 B/op	 132 allocs/op
pkg: session_exporter/web
BenchmarkMetrics-2   	 5	 35248884 ns/op	 61.25 MB/scrape	 34.83 cpu-ms/op
PASS
`), page)
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# Before\n", "\nafter\n", "A CPU",
		"| probe | Probe/hcx/flat-out | 200 µs | 105 µs | 9637 B | 132 |  |\n",
		"| web | Metrics | 35.2 ms | 34.8 ms |  |  | 61.2 MB/scrape |\n",
	} {
		if strings.Count(string(got), want) != 1 {
			t.Errorf("want %q exactly once in:\n%s", want, got)
		}
	}
	const ran = "pkg: session_exporter/web\nBenchmarkMetrics-2   	 5	 35248884 ns/op\n"
	for name, in := range map[string]string{
		"no benchmark":       "PASS\n",
		"failed benchmark":   ran + "--- FAIL: BenchmarkOverview\n",
		"timeout of the run": ran + "panic: test timed out after 1h0m0s\nFAIL\tsession_exporter/web\t3600.1s\nFAIL\n",
		"failed build":       ran + "FAIL\tsession_exporter/collector [build failed]\n",
	} {
		if err := run(strings.NewReader(in), page); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if after, err := os.ReadFile(page); err != nil || string(after) != string(got) {
		t.Errorf("a failed run changed the page: %v\n%s", err, after)
	}
}
