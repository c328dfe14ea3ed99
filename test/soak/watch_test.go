package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newSample returns the sample of a scrape with these lines.
func newSample(seconds, mib int, lines ...string) *sample {
	s := &sample{at: time.Unix(int64(seconds), 0), values: map[string]float64{"process_resident_memory_bytes": float64(mib << 20)}}
	for _, line := range lines {
		s.parseLine(line)
	}
	return s
}

// good returns the samples of a run that meets all requirements.
func good() []*sample {
	var all []*sample
	for i := range 8 {
		all = append(all, newSample(30*i, 100,
			`session_up{api="hcx",endpoint="a"} 1`, `session_up{api="hcx",endpoint="b"} 0`,
			`session_exporter_probe_delay_seconds_bucket{le="0.005"} 0`,
			`session_exporter_probe_delay_seconds_bucket{le="0.5"} `+[]string{"100", "199"}[i/7],
			`session_exporter_probe_delay_seconds_bucket{le="2.5"} `+[]string{"100", "200"}[i/7],
			`session_exporter_probe_delay_seconds_count `+[]string{"100", "200"}[i/7],
			"session_exporter_probes_skipped_total 3",
			`session_state{endpoint="a"} 1`,
			"process_cpu_seconds_total "+[]string{"1.5", "1.52"}[i/7],
		))
	}
	return all
}

func TestVerify(t *testing.T) {
	o := options{endpoints: 1, interval: time.Second}
	for _, tc := range []struct {
		name   string
		change func(all []*sample)
		want   string
	}{
		{"good", func([]*sample) {}, ""},
		{"probes were skipped", func(all []*sample) { all[7].values["session_exporter_probes_skipped_total"] = 5 }, "2 probes were skipped"},
		{"probes start late", func(all []*sample) { all[7].buckets[1].count = 190 }, "start delays is 2.5 s"},
		{"an endpoint is not up", func(all []*sample) { all[7].up = 0 }, "0 endpoints are up, want 1"},
		{"memory while histories fill", func(all []*sample) { all[0].values["process_resident_memory_bytes"] /= 2 }, ""},
		{"memory grows with full histories", func(all []*sample) { all[6].values["process_resident_memory_bytes"] *= 1.2 }, "memory grows"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			all := good()
			tc.change(all)
			err := o.verify(all)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

func TestTable(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(page, []byte("# Before\n<!-- soak -->\nold\n<!-- /soak -->\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := options{endpoints: 1, interval: time.Second}
	seen := good()
	seen[3].values["process_resident_memory_bytes"] += 700 << 10
	if err := replaceTable(page, "soak", o.table(seen)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# Before\n<!-- soak -->\n", "<!-- /soak -->\nafter\n", "3m30s, on ",
		"| probes | 100 |", "| probes skipped | 0 |", "at most | 0.5 s, 0.5 s |", "0.000 cores, 200 µs per probe", "| 100, 101 MiB |", "| 100, 100 MiB |",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "old") {
		t.Errorf("the old table remains:\n%s", text)
	}
	if err := replaceTable(filepath.Join(t.TempDir(), "none.md"), "soak", ""); err == nil {
		t.Error("no error without the page")
	}
}
