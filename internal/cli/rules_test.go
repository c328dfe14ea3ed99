package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// ruleFile is the part of a file of rules that these tests need.
type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Record string
			Annotations   map[string]string
		}
	}
}

// printedRules runs the command and returns its rules.
func printedRules(t *testing.T, args ...string) ruleFile {
	t.Helper()
	var out, errs strings.Builder
	if code := Run(t.Context(), append([]string{"rules"}, args...), &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	var rules ruleFile
	if err := yaml.Unmarshal([]byte(out.String()), &rules); err != nil {
		t.Fatal(err)
	}
	return rules
}

// TestRules: the printed file has every rule of both files, with links to the address
// that was given.
func TestRules(t *testing.T) {
	shipped := map[string]bool{}
	for _, file := range []string{"alerts.yml", "recording.yml"} {
		text, err := os.ReadFile("../../deploy/prometheus/rules/" + file)
		if err != nil {
			t.Fatal(err)
		}
		var rules ruleFile
		if err := yaml.Unmarshal(text, &rules); err != nil {
			t.Fatal(err)
		}
		for _, group := range rules.Groups {
			for _, rule := range group.Rules {
				shipped[group.Name+"/"+rule.Alert+rule.Record] = true
			}
		}
	}
	for external, base := range map[string]string{
		"":                               "http://{{ $labels.instance }}/",
		"https://{instance}/x/":          "https://{{ $labels.instance }}/x/",
		"https://example.com":            "https://example.com/",
		"https://example.com:8443/a b/c": "https://example.com:8443/a%20b/c/",
	} {
		args := []string{"--external-url=" + external}
		if external == "" {
			args = nil
		}
		printed, linked := map[string]bool{}, 0
		for _, group := range printedRules(t, args...).Groups {
			for _, rule := range group.Rules {
				printed[group.Name+"/"+rule.Alert+rule.Record] = true
				switch runbook := rule.Annotations["runbook_url"]; {
				case runbook == base+"runbooks/"+rule.Alert:
					linked++
				case strings.HasPrefix(runbook, "http") && !strings.HasPrefix(runbook, "https://github.com/"):
					t.Errorf("%q: the runbook of %s is %s", external, rule.Alert, runbook)
				}
				// SessionExporterDown has no instance where Prometheus has no target.
				if page := strings.TrimPrefix(rule.Annotations["page_url"], "{{ if $labels.instance }}"); page != "" && !strings.HasPrefix(page, base) {
					t.Errorf("%q: the page of %s is %s", external, rule.Alert, page)
				}
			}
		}
		if linked < 20 {
			t.Errorf("%q: only %d runbooks are links to %s", external, linked, base)
		}
		if len(printed) != len(shipped) || len(shipped) < 40 {
			t.Errorf("%d rules are printed, %d shipped", len(printed), len(shipped))
		}
		for rule := range shipped {
			if !printed[rule] {
				t.Errorf("%s is not printed", rule)
			}
		}
	}
}

// TestDashboards prints each dashboard that is listed, and writes the same files.
func TestDashboards(t *testing.T) {
	run := func(args ...string) string {
		t.Helper()
		var out, errs strings.Builder
		if code := Run(t.Context(), append([]string{"dashboards"}, args...), &out, &errs); code != 0 {
			t.Fatalf("%q: exit code %d: %s", args, code, &errs)
		}
		return out.String()
	}
	const external = "--external-url=https://example.com/exporter"
	dir, linked := t.TempDir(), 0
	run("--output-dir="+dir, external)
	for _, line := range strings.Split(strings.TrimSpace(run()), "\n")[1:] {
		name, description, _ := strings.Cut(line, " ")
		shipped, err := os.ReadFile("../../deploy/grafana/dashboards/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		if run(name) != string(shipped) {
			t.Errorf("%s is not the shipped file", name)
		}
		written, err := os.ReadFile(filepath.Join(dir, name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if printed := run(name, external); printed != string(written) || !json.Valid(written) {
			t.Errorf("%s is not what is written, or not JSON", name)
		}
		if strings.Contains(string(written), "http://${") {
			t.Errorf("%s has a link to another address", name)
		}
		linked += strings.Count(string(written), `"https://example.com/exporter/endpoints/`)
		if strings.TrimSpace(description) == "" {
			t.Errorf("%s has no description", name)
		}
	}
	if linked == 0 {
		t.Error("no link to the exporter's pages")
	}
}

// TestRulesErrors: an error names the flag or the argument, and what is allowed.
func TestRulesErrors(t *testing.T) {
	for _, tc := range []struct{ args, want string }{
		{"rules --external-url=example.com", `--external-url is "example.com"; it must be a URL`},
		{"rules --external-url=ftp://example.com", "must be a URL"},
		{"rules --external-url=https://user:secret@example.com", "must not contain a user or password"},
		{"rules --external-url=https://example.com?x=y", "must be a URL"},
		{"dashboards --external-url=:", "must be a URL"},
		{`dashboards --external-url=https://a"b`, "must be a URL"},
		{"rules --external-url=https://example.com/?", "must be a URL"},
		{"dashboards fleets", `unknown dashboard "fleets"; available: endpoint, exporter, fleet`},
		{"dashboards fleet --output-dir=.", "omit the name"},
	} {
		var out, errs strings.Builder
		if code := Run(t.Context(), strings.Fields(tc.args), &out, &errs); code != 2 || !strings.Contains(errs.String(), tc.want) || strings.Contains(errs.String(), "secret") || out.Len() > 0 {
			t.Errorf("%s: exit code %d, %s%s", tc.args, code, &out, &errs)
		}
	}
	var errs strings.Builder
	if code := Run(t.Context(), []string{"dashboards", "--output-dir=" + filepath.Join(t.TempDir(), "none")}, &errs, &errs); code != 1 || !strings.Contains(errs.String(), "none") {
		t.Errorf("a directory that does not exist: exit code %d, %s", code, &errs)
	}
}
