package collector

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"session_exporter/internal/golden"
	"session_exporter/probe"
	"session_exporter/sessionapi"
)

// referenceRow is a metric's row in docs/metrics.md.
type referenceRow struct {
	kind     string
	labels   []string // besides those of the endpoint
	unit     string
	noSample string // when it has no sample
}

const metricsPage = "../docs/metrics.md"

func referencePage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// tableCells returns the cells of the page's table rows with n cells.
func tableCells(page string, n int) (rows [][]string) {
	for line := range strings.Lines(page) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| `") || len(cells) != n {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	return rows
}

var quoted = regexp.MustCompile("`([^`]+)`")

func quotedIn(text string) []string {
	names := []string{}
	for _, match := range quoted.FindAllStringSubmatch(text, -1) {
		names = append(names, match[1])
	}
	return names
}

func referenceRows(t *testing.T) map[string]referenceRow {
	t.Helper()
	rows := make(map[string]referenceRow)
	for _, cells := range tableCells(referencePage(t), 6) {
		name := strings.Trim(cells[0], "`")
		if _, again := rows[name]; again {
			t.Errorf("%s is documented twice", name)
		}
		rows[name] = referenceRow{cells[1], quotedIn(cells[2]), cells[3], cells[5]}
	}
	return rows
}

// ownLabels returns the labels of a family's series besides those of all endpoints.
func ownLabels(family *dto.MetricFamily) []string {
	names := []string{}
	for _, label := range family.GetMetric()[0].GetLabel() {
		if name := label.GetName(); !slices.Contains([]string{"endpoint", "api", "site"}, name) {
			names = append(names, name)
		}
	}
	return names
}

// TestReferenceMetrics compares the page's tables with the exposition.
func TestReferenceMetrics(t *testing.T) {
	rows, families := referenceRows(t), gather(t, everything(t))
	for name := range rows {
		if families[name] == nil {
			t.Errorf("%s is documented but does not exist", name)
		}
	}
	for name, family := range families {
		row, ok := rows[name]
		if !ok {
			t.Errorf("%s is not documented", name)
			continue
		}
		if kind := strings.ToLower(family.GetType().String()); row.kind != kind {
			t.Errorf("%s is documented as a %s, it is a %s", name, row.kind, kind)
		}
		slices.Sort(row.labels)
		if labels := ownLabels(family); !slices.Equal(row.labels, labels) {
			t.Errorf("%s is documented with labels %q, it has %q", name, row.labels, labels)
		}
		if unit := documentedUnit(name); unit != "" && row.unit != unit {
			t.Errorf("%s is documented in %q, its name says %q", name, row.unit, unit)
		}
	}
}

// documentedUnit returns the page's word for the unit in a metric's name, if any.
func documentedUnit(name string) string {
	for _, suffix := range []struct{ suffix, unit string }{
		{"_timestamp_seconds", "Unix time"}, {"_seconds", "seconds"}, {"_total", "count"},
	} {
		if strings.HasSuffix(name, suffix.suffix) {
			return suffix.unit
		}
	}
	return ""
}

// TestReferenceNoSample compares the page with an endpoint and a credential that were not
// used yet.
func TestReferenceNoSample(t *testing.T) {
	c := watch(t, newSettings(drEndpoint("dr")), idle)
	c.metrics.credentials = func() []probe.CredentialStatus { return []probe.CredentialStatus{{Name: "monitor"}} }
	families := gather(t, c)
	for name, row := range referenceRows(t) {
		if there, always := families[name] != nil, row.noSample == "–"; there != always {
			t.Errorf("%s is documented to have no sample: %s; before the first probe it has one: %t", name, row.noSample, there)
		}
	}
}

// TestReferenceQueries requires a query of every metric.
func TestReferenceQueries(t *testing.T) {
	queries := strings.Join(regexp.MustCompile("(?s)```promql\n.*?```").FindAllString(referencePage(t), -1), "\n")
	for name := range referenceRows(t) {
		if !regexp.MustCompile(`\b` + name + `(_bucket)?\b`).MatchString(queries) {
			t.Errorf("no query uses %s", name)
		}
	}
}

// TestReferenceStates compares the page's table of states, whose meanings may be more
// detailed than those of the code. With -update, it adds the states that the table lacks.
func TestReferenceStates(t *testing.T) {
	meanings := make(map[string]string)
	for _, cells := range tableCells(referencePage(t), 3) {
		meanings[strings.Trim(cells[0], "`")] = cells[1]
	}
	verdicts := map[sessionapi.Verdict]string{sessionapi.Accepted: "accepted", sessionapi.Refused: "refused", sessionapi.Inconclusive: "none"}
	var table strings.Builder
	for _, state := range sessionapi.States() {
		info := state.Info()
		meaning := cmp.Or(meanings[string(state)], strings.ToLower(info.Meaning[:1])+strings.TrimSuffix(info.Meaning[1:], "."))
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", state, meaning, verdicts[info.Verdict])
	}
	golden.Between(t, metricsPage, "| state | means | verdict |\n| --- | --- | --- |\n", "\n- HTTP 200", []byte(table.String()))
}

func TestReferenceCodes(t *testing.T) {
	page := referencePage(t)
	for _, code := range sessionapi.BuiltIn()["hcx"].Spec().Codes {
		if !strings.Contains(page, "`"+code+"`") {
			t.Errorf("error code %s is not documented", code)
		}
	}
	if !strings.Contains(page, fmt.Sprintf("has %d codes", maxCodes)) || !strings.Contains(page, fmt.Sprintf("`code=%q`", otherCode)) {
		t.Errorf("the limit of %d codes, then %q, is not documented", maxCodes, otherCode)
	}
}

// countSeries returns the number and the size of the series in text format.
func countSeries(t *testing.T, c *Collector) (series, size int) {
	t.Helper()
	for line := range strings.Lines(string(expose(t, c, textFormat))) {
		if !strings.HasPrefix(line, "#") {
			series++
			size += len(line)
		}
	}
	return series, size
}

// TestReferencePresets compares the presets of metrics_deny and their sizes with the page: a
// preset omits each metric of endpoints that its files do not mention.
func TestReferencePresets(t *testing.T) {
	var rows strings.Builder
	for _, preset := range []struct {
		name  string
		files []string // in deploy
	}{
		{"everything", nil},
		{"overview", []string{"prometheus/rules/*.yml", "grafana/dashboards/fleet.json", "grafana/dashboards/exporter.json"}},
		{"alerts", []string{"prometheus/rules/*.yml"}},
	} {
		settings := newSettings()
		if preset.files != nil {
			unused := unusedFamilies(t, preset.files)
			settings.MetricsDeny = []*regexp.Regexp{regexp.MustCompile("^(?:" + strings.Join(unused, "|") + ")$")}
			golden.Between(t, metricsPage, "metrics_deny: # "+preset.name+"\n", "```", []byte("    - "+strings.Join(unused, "\n    - ")+"\n"))
		}
		own, ownSize := countSeries(t, watch(t, settings, idle))
		settings.Endpoints = newEndpoints(1)
		c, result := watch(t, settings, idle), hcxValid()
		result.RolesExpected, result.CredentialExpiries, result.NegativeControl = nil, nil, nil
		c.applied.Load().watched[0].record(&result)
		series, size := countSeries(t, c)
		fmt.Fprintf(&rows, "| %s | %d | %.1f kB |\n", preset.name, series-own, float64(size-ownSize)/1000)
	}
	golden.Between(t, metricsPage, "| preset | series of an `hcx` endpoint | their lines in a text scrape |\n| --- | --- | --- |\n", "\n`overview` keeps", []byte(rows.String()))
}

// unusedFamilies returns the metrics of endpoints that no file mentions.
func unusedFamilies(t *testing.T, patterns []string) (unused []string) {
	t.Helper()
	var text strings.Builder
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join("..", "deploy", pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no files %s: %v", pattern, err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text.Write(content)
		}
	}
	for _, f := range familyTable() {
		if !regexp.MustCompile(`\b` + f.name + `(_bucket|_count|_sum)?\b`).MatchString(text.String()) {
			unused = append(unused, f.name)
		}
	}
	return unused
}

// TestReferenceSeries compares the numbers of series with the page.
func TestReferenceSeries(t *testing.T) {
	count := func(c *Collector) int {
		series, _ := countSeries(t, c)
		return series
	}
	hcx, dr := hcxValid(), hcxValid()
	hcx.RolesExpected, hcx.CredentialExpiries, hcx.NegativeControl = nil, nil, nil
	dr.RolesExpected, dr.CredentialExpiries, dr.NegativeControl, dr.Identity = nil, nil, nil, drValid().Identity
	nothing := watch(t, newSettings(), idle)
	withCredential := watch(t, newSettings(), idle)
	withCredential.metrics.credentials = everything(t).metrics.credentials
	withHCX, withDR := watch(t, newSettings(newEndpoint("hcx")), idle), watch(t, newSettings(drEndpoint("dr")), idle)
	withHCX.applied.Load().watched[0].record(&hcx)
	withDR.applied.Load().watched[0].record(&dr)
	own := count(nothing)
	ofHCX := count(withHCX) - own
	for _, n := range []struct {
		before, after string
		series        int
	}{
		{"\n| an `hcx` endpoint that is valid | ", " |\n", ofHCX},
		{"\n| a `dr` endpoint that is valid | ", " |\n", count(withDR) - own},
		{"\n| a credential | ", " |\n", count(withCredential) - own},
		{"\n| the exporter itself, without `go_*` and `process_*` | ", " |\n", own + 1}, // internal/exporter adds session_exporter_build_info
		{"\nAn endpoint has ", " series of `session_state`", len(sessionapi.States())},
		{"\n1,000 `hcx` endpoints thus have about ", ",000 series", ofHCX},
		{",000 series, or ", ",000 with native histograms", ofHCX - 13}, // a histogram is 1 series instead of 14
	} {
		golden.Between(t, metricsPage, n.before, n.after, []byte(strconv.Itoa(n.series)))
	}
	results := []byte(strconv.Itoa(len(sessionapi.States()) - 1)) // without unknown
	golden.Between(t, "../docs/glossary.md", "| the result of a probe, one of [", "]", results)
	golden.Between(t, "../README.md", "in one of ", " states, ", results)
}
