package collector

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"session_exporter/config"
	"session_exporter/probe"
)

// referenceRow is a row of docs/metrics.md about one metric.
type referenceRow struct {
	kind     string
	labels   []string // beside the endpoint's own
	unit     string
	noSample string // when it has none
}

func referencePage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "docs", "metrics.md"))
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

// ownLabels are the labels of a family's series beside those of all endpoints.
func ownLabels(family *dto.MetricFamily) []string {
	names := []string{}
	for _, label := range family.GetMetric()[0].GetLabel() {
		if name := label.GetName(); !slices.Contains([]string{"endpoint", "api", "site"}, name) {
			names = append(names, name)
		}
	}
	return names
}

// TestReferenceMetrics compares the page's tables with everything that is
// exposed.
func TestReferenceMetrics(t *testing.T) {
	rows, families := referenceRows(t), gather(t, everything(t))
	for name := range rows {
		if families[name] == nil {
			t.Errorf("%s is documented, and there is no such metric", name)
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
		if unit := unitOf(name); unit != "" && row.unit != unit {
			t.Errorf("%s is documented in %q, its name says %q", name, row.unit, unit)
		}
	}
}

// unitOf is the unit that a metric's name says, if any.
func unitOf(name string) string {
	for _, suffix := range []struct{ suffix, unit string }{
		{"_timestamp_seconds", "Unix time"}, {"_seconds", "seconds"}, {"_total", "count"},
	} {
		if strings.HasSuffix(name, suffix.suffix) {
			return suffix.unit
		}
	}
	return ""
}

// TestReferenceNoSample looks at an endpoint and a credential that were not
// used yet: what they have samples of is always there.
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

// TestReferenceQueries wants each metric in a query.
func TestReferenceQueries(t *testing.T) {
	queries := strings.Join(regexp.MustCompile("(?s)```promql\n.*?```").FindAllString(referencePage(t), -1), "\n")
	for name := range referenceRows(t) {
		if !regexp.MustCompile(`\b` + name + `(_bucket)?\b`).MatchString(queries) {
			t.Errorf("there is no query of %s", name)
		}
	}
}

func TestReferenceStates(t *testing.T) {
	verdicts := map[probe.Verdict]string{probe.Accepted: "accepted", probe.Refused: "refused", probe.Inconclusive: "none"}
	var got, want []string
	for _, cells := range tableCells(referencePage(t), 3) {
		got = append(got, strings.Trim(cells[0], "`")+" "+cells[2])
	}
	for _, state := range probe.States() {
		want = append(want, string(state)+" "+verdicts[state.Verdict()])
	}
	if !slices.Equal(got, want) {
		t.Errorf("documented are %q, want %q", got, want)
	}
}

func TestReferenceCodes(t *testing.T) {
	page := referencePage(t)
	for _, code := range probe.SpecFor(&config.Endpoint{Settings: config.Settings{API: "hcx"}}).Codes {
		if !strings.Contains(page, "`"+code+"`") {
			t.Errorf("error code %s is not documented", code)
		}
	}
	if !strings.Contains(page, fmt.Sprintf("at most %d codes", maxCodes)) || !strings.Contains(page, fmt.Sprintf("`code=%q`", otherCode)) {
		t.Errorf("the limit of %d codes, then %q, is not documented", maxCodes, otherCode)
	}
}

// TestReferenceSeries counts the series that the page says there are.
func TestReferenceSeries(t *testing.T) {
	count := func(c *Collector) (series int) {
		for line := range strings.Lines(string(expose(t, c, textFormat))) {
			if !strings.HasPrefix(line, "#") {
				series++
			}
		}
		return series
	}
	hcx, dr := hcxValid(), hcxValid()
	hcx.RolesExpected, hcx.CredentialExpiries = nil, nil
	dr.RolesExpected, dr.CredentialExpiries, dr.Identity = nil, nil, drValid().Identity
	nothing := watch(t, newSettings(), idle)
	withCredential := watch(t, newSettings(), idle)
	withCredential.metrics.credentials = everything(t).metrics.credentials
	withHCX, withDR := watch(t, newSettings(newEndpoint("hcx")), idle), watch(t, newSettings(drEndpoint("dr")), idle)
	withHCX.applied.Load().watched[0].record(&hcx)
	withDR.applied.Load().watched[0].record(&dr)
	own := count(nothing)
	for _, of := range []struct {
		what   string
		series int
	}{
		{"an `hcx` endpoint that is valid", count(withHCX) - own},
		{"a `dr` endpoint that is valid", count(withDR) - own},
		{"a credential", count(withCredential) - own},
		{"the exporter, without Go's and the process's", own + 1}, // session_exporter_build_info is main's
	} {
		if row := fmt.Sprintf("\n| %s | %d |\n", of.what, of.series); !strings.Contains(referencePage(t), row) {
			t.Errorf("the page does not say that the series of %s are %d", of.what, of.series)
		}
	}
}
