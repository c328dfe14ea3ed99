package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"session_exporter/collector"
)

// sample is the result of one scrape.
type sample struct {
	at      time.Time
	took    time.Duration      // of the scrape
	up      int                // endpoints
	values  map[string]float64 // of the exporter's own metrics
	buckets []bucket           // of the start delay
}

type bucket struct{ upper, count float64 }

func (s *sample) probes() float64 { return s.values["session_exporter_probe_delay_seconds_count"] }
func (s *sample) cpu() float64    { return s.values["process_cpu_seconds_total"] }
func (s *sample) mib() float64    { return s.values["process_resident_memory_bytes"] / (1 << 20) }

// scrapeEvery is a usual scrape interval of Prometheus.
const scrapeEvery = 30 * time.Second

// watch scrapes until the duration is over, and returns the samples without those of the
// start, when endpoints connect and log in.
func (o *options) watch(ctx context.Context, address string) ([]*sample, error) {
	begin := time.Now().Add(2*o.interval + 30*time.Second)
	ticks := time.NewTicker(scrapeEvery)
	defer ticks.Stop()
	var seen []*sample
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ticks.C:
		}
		s, err := scrape(ctx, address)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(os.Stderr, "%s: %d up, %.0f probes, %.1f s CPU, %.0f MiB, %.0f connections, scraped in %s\n", s.at.Format(time.TimeOnly),
			s.up, s.probes(), s.cpu(), s.mib(), s.values["process_open_fds"], s.took.Round(time.Millisecond))
		if len(seen) == 0 && (s.at.Before(begin) || s.up < o.expected()) {
			if s.at.Sub(begin) > 5*time.Minute {
				return nil, fmt.Errorf("%d endpoints are valid, want %d", s.up, o.expected())
			}
			continue
		}
		seen = append(seen, s)
		if s.at.Sub(seen[0].at) >= o.duration-time.Second {
			return seen, nil
		}
	}
}

// scrape parses only the lines that it needs: parsing all metrics would use more CPU
// than the exporter does.
func scrape(ctx context.Context, address string) (*sample, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	s := &sample{at: time.Now(), values: map[string]float64{}}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		s.parseLine(lines.Text())
	}
	s.took = time.Since(s.at)
	return s, lines.Err()
}

func (s *sample) parseLine(line string) {
	if strings.HasPrefix(line, "session_up{") && strings.HasSuffix(line, " 1") {
		s.up++
	}
	if !strings.HasPrefix(line, "session_exporter_") && !strings.HasPrefix(line, "process_") {
		return
	}
	name, text, _ := strings.Cut(line, " ")
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return
	}
	if le, ok := strings.CutPrefix(name, `session_exporter_probe_delay_seconds_bucket{le="`); ok {
		if upper, err := strconv.ParseFloat(strings.TrimSuffix(le, `"}`), 64); err == nil {
			s.buckets = append(s.buckets, bucket{upper, value})
		}
		return
	}
	if name == bareUp {
		s.up = int(value)
	}
	s.values[name] = value
}

// delay returns the upper bound, in seconds, of the bucket that holds a quantile of the
// start delays.
func delay(first, last *sample, quantile float64) float64 {
	for i, b := range last.buckets {
		if b.count-first.buckets[i].count >= quantile*(last.probes()-first.probes()) {
			return b.upper
		}
	}
	return 0
}

// memory returns the mean resident memory of the samples in MiB, 0 without samples.
func memory(samples []*sample) float64 {
	if len(samples) == 0 {
		return 0
	}
	sum := 0.0
	for _, s := range samples {
		sum += s.mib()
	}
	return sum / float64(len(samples))
}

// full returns, in two halves, the samples taken after all histories were full: until then,
// memory grows with every probe. It returns none if they are too few to compare.
func (o *options) full(seen []*sample) (former, latter []*sample) {
	since := seen[0].at.Add(collector.HistoryLength * o.interval)
	i := slices.IndexFunc(seen, func(s *sample) bool { return !s.at.Before(since) })
	if i < 0 || len(seen)-i < 4 {
		return nil, nil
	}
	full := seen[i:]
	return full[:len(full)/2], full[len(full)/2:]
}

func skipped(first, last *sample) float64 {
	const name = "session_exporter_probes_skipped_total"
	return last.values[name] - first.values[name]
}

// expected returns how many endpoints should be up.
func (o *options) expected() (up int) {
	for i := range o.endpoints {
		if !o.hangs(i) {
			up++
		}
	}
	return up
}

// verify returns an error that lists each failed requirement.
func (o *options) verify(seen []*sample) error {
	first, last := seen[0], seen[len(seen)-1]
	var errs []error
	if n := skipped(first, last); n > 0 {
		errs = append(errs, fmt.Errorf("%.0f probes were skipped", n))
	}
	if p99 := delay(first, last, 0.99); p99 > 1 {
		errs = append(errs, fmt.Errorf("the 99th percentile of start delays is %v s, want at most 1", p99))
	}
	if last.up != o.expected() {
		errs = append(errs, fmt.Errorf("%d endpoints are up, want %d", last.up, o.expected()))
	}
	if former, latter := o.full(seen); memory(latter) > 1.03*memory(former) {
		errs = append(errs, fmt.Errorf("memory grows although all histories are full: mean %.0f MiB, then %.0f", memory(former), memory(latter)))
	}
	return errors.Join(errs...)
}

// table returns the results as Markdown.
func (o *options) table(seen []*sample) string {
	first, last := seen[0], seen[len(seen)-1]
	elapsed, probes, cpu := last.at.Sub(first.at), last.probes()-first.probes(), last.cpu()-first.cpu()
	full := "not reached"
	if former, latter := o.full(seen); former != nil {
		full = fmt.Sprintf("%.0f, %.0f MiB", memory(former), memory(latter))
	}
	most := slices.MaxFunc(seen, func(a, b *sample) int { return cmp.Compare(a.mib(), b.mib()) })
	var took time.Duration
	for _, s := range seen {
		took += s.took
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s, on %s.\n\n| | |\n| --- | --- |\n", elapsed.Round(time.Second), machine())
	for _, row := range [][2]string{
		{"endpoints, each with its own address", strconv.Itoa(o.endpoints)},
		{"of which hang: accept connections, never respond", strconv.Itoa(o.endpoints - o.expected())},
		{"interval", o.interval.String()},
		{"probes", fmt.Sprintf("%.0f", probes)},
		{"probes skipped", fmt.Sprintf("%.0f", skipped(first, last))},
		{"start delay of a probe, 50th and 99th percentile, at most", fmt.Sprintf("%v s, %v s", delay(first, last, 0.5), delay(first, last, 0.99))},
		{"valid endpoints at the end", strconv.Itoa(last.up)},
		{fmt.Sprintf("CPU, including a scrape every %s", scrapeEvery), fmt.Sprintf("%.3f cores, %.0f µs per probe", cpu/elapsed.Seconds(), cpu*1e6/probes)},
		{"resident memory at the start, maximum", fmt.Sprintf("%.0f, %.0f MiB", first.mib(), most.mib())},
		{"mean resident memory with full histories, first and second half", full},
		{"open files at the end", fmt.Sprintf("%.0f", last.values["process_open_fds"])},
		{"duration of a scrape, including the body", (took / time.Duration(len(seen))).Round(time.Millisecond).String()},
	} {
		fmt.Fprintf(&b, "| %s | %s |\n", row[0], row[1])
	}
	return b.String()
}

// replaceTable replaces the table between the markers with a name in a page.
func replaceTable(page, name, table string) error {
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no %s… %s", page, begin, end)
	}
	return os.WriteFile(page, []byte(before+begin+"\n"+table+"\n"+end+after), 0o644) //nolint:gosec // the page is public
}
