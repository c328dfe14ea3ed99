package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const grafanaFolder = "../deploy/grafana"

// dashboard is what these tests read of one; tools/grafana checks the rest.
type dashboard struct {
	UID        string
	Panels     []panel
	Templating struct{ List []variable }
}

type panel struct {
	ID              int
	Type            string
	Title           string
	Description     string
	Datasource      struct{ Type, UID string }
	GridPos         struct{ X, Y, W, H int }
	Targets         []target
	Transformations []struct {
		ID      string
		Options struct {
			ExcludeByName map[string]bool
			RenameByName  map[string]string
		}
	}
	FieldConfig struct {
		Defaults struct {
			Unit     string
			Mappings []mapping
		}
		Overrides []struct {
			Matcher    struct{ ID, Options string }
			Properties []struct {
				ID    string
				Value json.RawMessage
			}
		}
	}
}

type target struct {
	Datasource struct{ Type, UID string }
	Expr       string
	Instant    bool
	RefID      string
}

type variable struct {
	Type       string
	Name       string
	AllValue   string // what "All" stands for; empty where one must be chosen
	Datasource struct{ Type, UID string }
	Query      json.RawMessage
}

type mapping struct {
	Type    string
	Options json.RawMessage
}

// words returns what values are mapped to.
func (m mapping) words(t *testing.T) map[string]struct{ Text string } {
	t.Helper()
	var words map[string]struct{ Text string }
	if err := json.Unmarshal(m.Options, &words); err != nil {
		t.Fatal(err)
	}
	return words
}

// readDashboards returns all of them, by file.
func readDashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(grafanaFolder, "dashboards", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	dashboards := map[string]dashboard{}
	for _, file := range files {
		var d dashboard
		text := readFile(t, file)
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		dashboards[strings.TrimSuffix(filepath.Base(file), ".json")] = d
		var indented bytes.Buffer
		if err := json.Indent(&indented, text, "", "  "); err != nil || !bytes.Equal(indented.Bytes(), text) {
			t.Errorf("%s is not indented by two spaces: %v", file, err)
		}
	}
	return dashboards
}

func readFile(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestDashboardFiles: what can be said of the dashboards without a Prometheus.
func TestDashboardFiles(t *testing.T) {
	t.Parallel()
	for file, d := range readDashboards(t) {
		if want := "session-exporter-" + file; d.UID != want {
			t.Errorf("%s: the uid is %q, want %q: links lead there", file, d.UID, want)
		}
		for _, v := range d.Templating.List {
			if v.Type != "datasource" && v.Datasource.UID != "${datasource}" {
				t.Errorf("%s: variable %s asks %q, not the one that is chosen", file, v.Name, v.Datasource.UID)
			}
		}
		ids := map[int]string{}
		for i, p := range d.Panels {
			if other := ids[p.ID]; other != "" {
				t.Errorf("%s: %q and %q have the same id", file, other, p.Title)
			}
			ids[p.ID] = p.Title
			if p.Type != "row" {
				p.check(t, file)
			}
			for _, q := range d.Panels[:i] {
				if p.overlaps(q) {
					t.Errorf("%s: %q lies upon %q", file, p.Title, q.Title)
				}
			}
		}
	}
}

func (p panel) check(t *testing.T, file string) {
	t.Helper()
	if p.Description == "" || p.Title == "" || len(p.Targets) == 0 {
		t.Errorf("%s: %q needs a title, a description and a query", file, p.Title)
	}
	if p.Datasource.UID != "${datasource}" {
		t.Errorf("%s: %q asks %q, not the one that is chosen", file, p.Title, p.Datasource.UID)
	}
	for _, target := range p.Targets {
		if target.Datasource.UID != "${datasource}" {
			t.Errorf("%s: query %s of %q asks %q, not the one that is chosen", file, target.RefID, p.Title, target.Datasource.UID)
		}
		switch {
		case p.Type != "table" && p.FieldConfig.Defaults.Unit == "":
			t.Errorf("%s: %q has no unit", file, p.Title)
		case p.Type == "table" && !p.hasUnit(target):
			t.Errorf("%s: the numbers of query %s of %q have no unit", file, target.RefID, p.Title)
		}
	}
}

// hasUnit reports whether the column with a query's values has a unit. It has
// its own name until the last transformation, which may leave it out.
func (p panel) hasUnit(target target) bool {
	column := "Value"
	if len(p.Targets) > 1 {
		column = "Value #" + target.RefID
	}
	last := p.Transformations[len(p.Transformations)-1].Options
	if last.ExcludeByName[column] {
		return true
	}
	for _, override := range p.FieldConfig.Overrides {
		for _, property := range override.Properties {
			if override.Matcher.Options == last.RenameByName[column] && property.ID == "unit" {
				return true
			}
		}
	}
	return false
}

func (p panel) overlaps(q panel) bool {
	a, b := p.GridPos, q.GridPos
	return a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H
}

// TestDashboardStates: the dashboards have words for every state, the right ones.
func TestDashboardStates(t *testing.T) {
	t.Parallel()
	// Every endpoint shows all states there are.
	x := watch(t, `
credentials: {nobody: {token: %s}}
endpoints: [{name: a, url: "https://127.0.0.1:1", module: dr, credential: nobody}]
`, canary)
	var states []string
	for _, series := range x.scrape(t).series("session_state") {
		for _, label := range series.GetLabel() {
			if label.GetName() == "state" {
				states = append(states, label.GetValue())
			}
		}
	}
	slices.Sort(states)
	checked := 0
	check := func(where string, got []string) {
		t.Helper()
		checked++
		slices.Sort(got)
		if !slices.Equal(got, states) {
			t.Errorf("%s has words for\n%v, want\n%v", where, got, states)
		}
	}
	inWords := func(state string) string { return strings.ReplaceAll(strings.ToLower(state), " ", "_") }

	for file, d := range readDashboards(t) {
		for _, p := range d.Panels {
			where := file + ": " + p.Title
			for _, target := range p.Targets {
				if strings.Contains(target.Expr, "* session_state") {
					check(where, p.statesByCode(t, inWords))
				}
			}
			var named []string
			for _, override := range p.FieldConfig.Overrides {
				for _, property := range override.Properties {
					var words string
					var mappings []mapping
					switch {
					case override.Matcher.Options == "State" && property.ID == "mappings":
						if err := json.Unmarshal(property.Value, &mappings); err != nil {
							t.Fatal(err)
						}
						for state, to := range mappings[0].words(t) {
							if inWords(to.Text) == state {
								named = append(named, state)
							}
						}
					case strings.HasPrefix(p.Title, "Endpoints by state") && property.ID == "displayName":
						if err := json.Unmarshal(property.Value, &words); err != nil {
							t.Fatal(err)
						}
						if inWords(words) == override.Matcher.Options {
							named = append(named, inWords(words))
						}
					}
				}
			}
			if named != nil {
				check(where, named)
			}
		}
	}
	// The table, the bars and the graph of the fleet, the number and the strip
	// of an endpoint.
	if checked != 5 {
		t.Errorf("%d panels have words for states, want 5", checked)
	}
}

var codeSyntax = regexp.MustCompile(`(\d+) \* session_state\{[^}]*state="(\w+)"\}`)

// statesByCode returns the states whose number in the panel's query the panel
// turns into that state's words. No term of the query is 0: unknown.
func (p panel) statesByCode(t *testing.T, inWords func(string) string) []string {
	t.Helper()
	codes := map[string]string{"0": "unknown"}
	for _, term := range codeSyntax.FindAllStringSubmatch(p.Targets[0].Expr, -1) {
		if other := codes[term[1]]; other != "" {
			t.Errorf("%q gives %s to %s and to %s", p.Title, term[1], other, term[2])
		}
		codes[term[1]] = term[2]
	}
	var states []string
	for code, to := range p.FieldConfig.Defaults.Mappings[0].words(t) {
		if codes[code] == inWords(to.Text) {
			states = append(states, codes[code])
		}
	}
	return states
}

// TestProvisioning: Grafana's provisioning files have no key that it would not
// know, and agree with each other.
func TestProvisioning(t *testing.T) {
	t.Parallel()
	var sources struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct {
			Name, UID, Type, Access, URL string
			IsDefault                    bool `yaml:"isDefault"`
			JSONData                     struct {
				HTTPMethod   string `yaml:"httpMethod"`
				TimeInterval string `yaml:"timeInterval"`
			} `yaml:"jsonData"`
		}
	}
	var providers struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Folder, Type    string
			FolderUID             string `yaml:"folderUid"`
			DisableDeletion       bool   `yaml:"disableDeletion"`
			AllowUIUpdates        bool   `yaml:"allowUiUpdates"`
			UpdateIntervalSeconds int    `yaml:"updateIntervalSeconds"`
			Options               struct{ Path string }
		}
	}
	for name, into := range map[string]any{"datasources/prometheus.yml": &sources, "dashboards/session-exporter.yml": &providers} {
		decoder := yaml.NewDecoder(bytes.NewReader(readFile(t, filepath.Join(grafanaFolder, "provisioning", name))))
		decoder.KnownFields(true)
		if err := decoder.Decode(into); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if len(sources.Datasources) != 1 || sources.Datasources[0].Type != "prometheus" || !sources.Datasources[0].IsDefault {
		t.Errorf("the dashboards begin with the default data source, a Prometheus: %+v", sources)
	}
	if len(providers.Providers) != 1 || providers.Providers[0].Options.Path != "/var/lib/grafana/dashboards" {
		t.Errorf("the dashboards are mounted at /var/lib/grafana/dashboards: %+v", providers)
	}
}
