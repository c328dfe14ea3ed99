package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const grafanaFolder = "../../deploy/grafana"

// dashboard is the part of a dashboard that these tests need; test/dashboards checks
// the rest.
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
		Defaults  struct{ Unit string }
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
	AllValue   string // value of "All"; empty if the variable has no such choice
	Datasource struct{ Type, UID string }
	Query      json.RawMessage
}

// readDashboards returns all dashboards by file name.
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

// TestDashboardFiles checks the dashboards without a Prometheus.
func TestDashboardFiles(t *testing.T) {
	t.Parallel()
	for file, d := range readDashboards(t) {
		if want := "session-exporter-" + file; d.UID != want {
			t.Errorf("%s: the uid is %q, want %q: other dashboards and pages link to it", file, d.UID, want)
		}
		for _, v := range d.Templating.List {
			if v.Type != "datasource" && v.Datasource.UID != "${datasource}" {
				t.Errorf("%s: variable %s uses data source %q, not the selected one", file, v.Name, v.Datasource.UID)
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
					t.Errorf("%s: %q overlaps %q", file, p.Title, q.Title)
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
		t.Errorf("%s: %q uses data source %q, not the selected one", file, p.Title, p.Datasource.UID)
	}
	for _, target := range p.Targets {
		if target.Datasource.UID != "${datasource}" {
			t.Errorf("%s: query %s of %q uses data source %q, not the selected one", file, target.RefID, p.Title, target.Datasource.UID)
		}
		switch {
		case p.Type != "table" && p.FieldConfig.Defaults.Unit == "":
			t.Errorf("%s: %q has no unit", file, p.Title)
		case p.Type == "table" && !p.hasUnit(target):
			t.Errorf("%s: the numbers of query %s of %q have no unit", file, target.RefID, p.Title)
		}
	}
}

// hasUnit reports whether the column of a query's values has a unit. The column keeps its
// name until the last transformation, which may rename or remove it.
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

// TestProvisioning: Grafana's provisioning files have no unknown keys, and name one default
// Prometheus and the directory of the dashboards.
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
		t.Errorf("the data sources are %+v, want a default Prometheus", sources)
	}
	if len(providers.Providers) != 1 || providers.Providers[0].Options.Path != "/var/lib/grafana/dashboards" {
		t.Errorf("the providers are %+v, want /var/lib/grafana/dashboards", providers)
	}
}
