package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestDashboards: every query of every dashboard, sent as Grafana sends it, finds data
// without warnings in a real Prometheus that scrapes the demo, both with classic
// histograms only and with native ones only. The test mostly waits for appliances to
// terminate sessions and refuse logins.
func TestDashboards(t *testing.T) {
	t.Parallel()
	x := listening(t, "demo", "--web.listen-address=127.0.0.1:0")
	p := scrapedTwice(t, x)
	named := map[string]bool{}
	for _, job := range []string{"classic", "native"} {
		eventually(t, func() error {
			_, err := p.query(fmt.Sprintf("up{job=%q} == 1", job))
			return err
		})
		for file, d := range readDashboards(t) {
			t.Run(job+"/"+file, func(t *testing.T) {
				endpoints := p.checkVariables(t, d, job)
				for _, panel := range d.Panels {
					for _, target := range panel.Targets {
						t.Run(panel.Title+"/"+target.RefID, func(t *testing.T) {
							v := values(t, d, job)
							for _, name := range p.metricsOf(t, v.fill(t, target.Expr), job) {
								named[name] = true
							}
							p.findsData(t, target, v, endpoints)
						})
					}
				}
			})
		}
	}
	known := x.metricNames(t) // all metrics of the queries have data by now
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if !known[name] {
			t.Errorf("unknown metric %q", name)
		}
	}
}

// scrapedTwice runs a Prometheus that scrapes an exporter as two jobs.
func scrapedTwice(t *testing.T, x *exporter) prometheus {
	t.Helper()
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "prometheus.yml"), fmt.Sprintf(`
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: classic
    static_configs: [{targets: [%[1]q]}]
  - job_name: native
    scrape_native_histograms: true
    static_configs: [{targets: [%[1]q]}]
`, x.url[len("http://"):]))
	server := launch(t, tool(t, "prometheus"), "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address=127.0.0.1:0", "--log.format=logfmt")
	return prometheus("http://" + server.address(t))
}

// metricNames returns the names of all metrics: the exporter's, Go's, the process's,
// and those that Prometheus adds to each scrape.
func (x *exporter) metricNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{"up": true, "scrape_duration_seconds": true, "scrape_samples_post_metric_relabeling": true}
	for name, family := range x.scrape(t) {
		if !regexp.MustCompile(`^(session|go|process)_`).MatchString(name) {
			continue
		}
		names[name] = true
		if family.GetMetric()[0].GetHistogram() != nil {
			names[name+"_bucket"], names[name+"_sum"], names[name+"_count"] = true, true, true
		}
	}
	return names
}

// filling has the values of Grafana's variables, by name.
type filling map[string]string

// values selects a job, the label site, and All for every other variable. The intervals are
// those of Grafana for a time range of six hours and a data source with the default scrape
// interval.
func values(t *testing.T, d dashboard, job string) filling {
	t.Helper()
	v := filling{"__rate_interval": "1m0s", "__range": "21600s"}
	for _, variable := range d.Templating.List {
		if variable.Type == "query" {
			v[variable.Name] = variable.AllValue
		}
	}
	v["label"] = "site" // a label of the demo's endpoints
	if v["job"] == "" {
		t.Fatal("no variable selects the job")
	}
	v["job"] = job
	return v
}

func (v filling) fill(t *testing.T, text string) string {
	t.Helper()
	return regexp.MustCompile(`\$\w+`).ReplaceAllStringFunc(text, func(name string) string {
		value, ok := v[name[1:]]
		if !ok {
			t.Errorf("no dashboard variable is %s", name)
		}
		return value
	})
}

var labelValues, labelNames = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`), regexp.MustCompile(`^label_names\((.+)\)$`)

// checkVariables checks that every variable has values to choose from. It returns the
// endpoints if the variable endpoint has no choice "All", otherwise nil.
func (p prometheus) checkVariables(t *testing.T, d dashboard, job string) (endpoints []string) {
	t.Helper()
	for _, variable := range d.Templating.List {
		if variable.Type != "query" {
			continue
		}
		var query struct{ Query string }
		if err := json.Unmarshal(variable.Query, &query); err != nil {
			t.Fatal(err)
		}
		var path, selector string
		if parts := labelValues.FindStringSubmatch(query.Query); parts != nil {
			path, selector = "/api/v1/label/"+parts[2]+"/values", parts[1]
		} else if parts := labelNames.FindStringSubmatch(query.Query); parts != nil {
			path, selector = "/api/v1/labels", parts[1]
		} else {
			t.Fatalf("variable %s is neither label_values nor label_names: %s", variable.Name, query.Query)
		}
		var found []string
		eventually(t, func() error {
			if err := p.get(path, url.Values{"match[]": {values(t, d, job).fill(t, selector)}}, &found); err != nil {
				return err
			}
			if len(found) == 0 {
				return fmt.Errorf("variable %s has no values", variable.Name)
			}
			return nil
		})
		if variable.Name == "endpoint" && variable.AllValue == "" {
			endpoints = found
		}
	}
	return endpoints
}

// metricsOf returns the names of the metrics in a query, and checks that each selects the
// job.
func (p prometheus) metricsOf(t *testing.T, expr, job string) (names []string) {
	t.Helper()
	var tree any
	if err := p.get("/api/v1/parse_query", url.Values{"query": {expr}}, &tree); err != nil {
		t.Fatal(err)
	}
	walk(tree, func(node map[string]any) {
		if kind := node["type"]; kind != "vectorSelector" && kind != "matrixSelector" {
			return
		}
		name := fmt.Sprint(node["name"])
		names = append(names, name)
		if !strings.Contains(fmt.Sprint(node["matchers"]), "name:job type:=~ value:"+job) {
			t.Errorf("%s does not select the chosen job: %v", name, node["matchers"])
		}
	})
	return names
}

// walk visits every object of a JSON tree.
func walk(tree any, fn func(map[string]any)) {
	switch node := tree.(type) {
	case map[string]any:
		fn(node)
		for _, child := range node {
			walk(child, fn)
		}
	case []any:
		for _, child := range node {
			walk(child, fn)
		}
	}
}

// findsData waits until a query finds data. If an endpoint must be chosen, data for one of the
// endpoints is enough.
func (p prometheus) findsData(t *testing.T, target target, v filling, endpoints []string) {
	t.Helper()
	if endpoints == nil {
		endpoints = []string{v["endpoint"]}
	}
	eventually(t, func() error {
		var err error
		for _, v["endpoint"] = range endpoints {
			if err = p.hasData(v.fill(t, target.Expr), target.Instant); err == nil {
				return nil
			}
		}
		return err
	})
}

// hasData sends a query as Grafana does, for an instant or a graph of six hours. It returns
// an error unless the result has a number.
func (p prometheus) hasData(expr string, instant bool) error {
	path, query := "/api/v1/query", url.Values{"query": {expr}}
	if !instant {
		now := time.Now().Unix()
		path += "_range"
		query.Set("start", fmt.Sprint(now-6*60*60))
		query.Set("end", fmt.Sprint(now))
		query.Set("step", "20")
	}
	response, err := http.Get(string(p) + path + "?" + query.Encode())
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var result struct {
		Error           string
		Warnings, Infos []string // Grafana shows both on the panel
		Data            struct {
			Result []struct {
				Value  []any
				Values [][]any
			}
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&result); err != nil {
		return err
	}
	if complaints := slices.Concat(result.Warnings, result.Infos); result.Error != "" || complaints != nil {
		return fmt.Errorf("%s: %s %q", expr, result.Error, complaints)
	}
	for _, series := range result.Data.Result {
		for _, sample := range append(series.Values, series.Value) {
			if len(sample) == 2 {
				if value, err := strconv.ParseFloat(fmt.Sprint(sample[1]), 64); err == nil && !math.IsNaN(value) {
					return nil
				}
			}
		}
	}
	return fmt.Errorf("%s finds nothing", expr)
}
