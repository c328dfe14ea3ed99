package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// ambiguousNames are names of objects and files that YAML reads as strings only if they are
// quoted.
var ambiguousNames = []string{"123", "1e3", "1.10", "0x10", "true", "null", "on", "y"}

// TestAmbiguousNames: the chart quotes names that YAML would take for something else.
func TestAmbiguousNames(t *testing.T) {
	for _, name := range ambiguousNames {
		t.Run(name, func(t *testing.T) {
			pod := onlyWorkload(t, release(t, name, map[string]any{
				"image":              map[string]any{"repository": name, "tag": name},
				"imagePullSecrets":   []any{map[string]any{"name": name}},
				"config":             map[string]any{"existingConfigMaps": []any{name}, "files": map[string]any{name: name}},
				"existingSecrets":    []any{map[string]any{"name": name}},
				"serviceAccount":     map[string]any{"name": name},
				"web":                map[string]any{"existingSecrets": []any{name}},
				"podLabels":          map[string]any{"team": name},
				"priorityClassName":  name,
				"serviceMonitor":     map[string]any{"enabled": true, "labels": map[string]any{"team": name}},
				"prometheusRule":     map[string]any{"enabled": true, "labels": map[string]any{"team": name}},
				"dashboards":         map[string]any{"enabled": true, "labels": map[string]any{"team": name}},
				"podSecurityContext": map[string]any{"runAsUser": 1000660000},
			})).template
			if pod.Labels["app.kubernetes.io/instance"] != name || pod.Spec.ServiceAccountName != name || pod.Spec.Containers[0].Image != name+":"+name {
				t.Errorf("the Pod is %+v", pod)
			}
		})
	}
}

// TestTextOfFiles: the ConfigMap has each file byte for byte, under its own name.
func TestTextOfFiles(t *testing.T) {
	for _, text := range []string{
		"a: 1", "a: 1\n", "a: 1\n\n\n", "  # indented\na: 1\n", "\n\n  a: 1\nb: 2\n", "\ta", "a: 1\r\nb: 2\r\n", "\ufeffa: 1\n", "a\x00b",
		"---\nkind: Secret\n", "a\n---\nkind: Secret\n", "{{ .Values }}", "- a\n", "'", `"`, "# only", "<b>&amp;", " ", "123", "\u2028",
	} {
		files := map[string]any{}
		for _, name := range append([]string{"ca.pem", "-", "--", "a..b"}, ambiguousNames...) {
			files[name] = text
		}
		values := map[string]any{"config": map[string]any{"inline": text, "files": maps.Clone(files)}}
		got := only[*corev1.ConfigMap](t, release(t, app, values)).Data
		files["session_exporter.yml"] = text
		for name := range files {
			if got[name] != text {
				t.Errorf("%q: %s has %q", text, name, got[name])
			}
		}
		if len(got) != len(files) {
			t.Errorf("%q: the files are %q", text, slices.Sorted(maps.Keys(got)))
		}
	}
}

// paths returns the paths of all values below a map.
func paths(values map[string]any, prefix ...string) [][]string {
	var found [][]string
	for key, value := range values {
		path := append(slices.Clone(prefix), key)
		found = append(found, path)
		if below, ok := value.(map[string]any); ok {
			found = append(found, paths(below, path...)...)
		}
	}
	return found
}

// TestRemovedDefaults removes one default at a time: the values are either rejected or rendered
// without a gap, such as a network policy that permits everything, or an expression without its
// threshold.
func TestRemovedDefaults(t *testing.T) {
	for _, path := range paths(loadChart(t).Values) {
		t.Run(strings.Join(path, "."), func(t *testing.T) {
			values := map[string]any{
				"serviceMonitor": map[string]any{"enabled": true}, "prometheusRule": map[string]any{"enabled": true}, "dashboards": map[string]any{"enabled": true},
			}
			at := values
			for _, key := range path[:len(path)-1] {
				below, ok := at[key].(map[string]any)
				if !ok {
					below = map[string]any{}
					at[key] = below
				}
				at = below
			}
			at[path[len(path)-1]] = nil
			rendered, err := render(t, app, values)
			if err != nil {
				if strings.Contains(err.Error(), "nil pointer") {
					t.Error(err)
				}
				return
			}
			if text := fmt.Sprint(rendered); strings.Contains(text, "%!") || strings.Contains(text, "<nil>") {
				t.Error("a value is missing")
			}
			checkGaps(t, release(t, app, values))
		})
	}
}

// checkGaps reports rules of a network policy without peers or ports, and invalid or missing
// alert and recording rules.
func checkGaps(t *testing.T, objects []object) {
	t.Helper()
	for _, policy := range all[*networkingv1.NetworkPolicy](objects) {
		for _, rule := range policy.Spec.Ingress {
			if len(rule.From) == 0 || len(rule.Ports) == 0 {
				t.Errorf("the network policy permits %+v", rule)
			}
		}
		for _, rule := range policy.Spec.Egress {
			if len(rule.To) == 0 || len(rule.Ports) == 0 {
				t.Errorf("the network policy permits %+v", rule)
			}
		}
	}
	for _, rules := range all[*monitoringv1.PrometheusRule](objects) {
		for name, rule := range rulesByName(rules) {
			if _, err := parser.NewParser(parser.Options{}).ParseExpr(rule.Expr.String()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if len(rulesByName(rules)) < 20 {
			t.Errorf("only %d rules", len(rulesByName(rules)))
		}
	}
}

// TestExternalURLs: a URL is either rejected or used unchanged in alerts and dashboards.
func TestExternalURLs(t *testing.T) {
	for url, valid := range map[string]bool{
		"https://[fd00::1]:3000/a,b;c(d)": true, "https://{instance}": true, "http://a/%22": true, "https://proxy/{instance}/x": true,
		`https://a"b`: false, "https://a'b": false, `https://a\b`: false, "https://a: b": false, "https://a\nb": false, "https://{a}": false, "https://{{ . }}": false, "https://": false,
	} {
		values := map[string]any{
			"externalURL": url, "prometheusRule": map[string]any{"enabled": true}, "dashboards": map[string]any{"enabled": true},
		}
		_, err := render(t, app, values)
		if (err == nil) != valid {
			t.Errorf("%s: %v", url, err)
		}
		if valid {
			objects := release(t, app, values)
			checkGaps(t, objects)
			want := strings.ReplaceAll(url, "{instance}", "{{ $labels.instance }}") + "/runbooks/SessionSlow"
			if got := rulesByName(only[*monitoringv1.PrometheusRule](t, objects))["SessionSlow"].Annotations["runbook_url"]; got != want {
				t.Errorf("the runbook is at %s, want %s", got, want)
			}
		}
	}
}
