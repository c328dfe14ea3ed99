package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/prometheus/promql/parser"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// jsonSchema is the part of a JSON Schema that the tests need.
type jsonSchema struct {
	Properties           map[string]*jsonSchema `json:"properties"`
	AdditionalProperties json.RawMessage        `json:"additionalProperties"`
}

// keys returns the keys of the values that the schema names, such as image.tag, and reports
// objects that permit other keys.
func (s *jsonSchema) keys(t *testing.T, prefix string) []string {
	t.Helper()
	if len(s.Properties) == 0 {
		return []string{prefix}
	}
	if string(s.AdditionalProperties) != "false" {
		t.Errorf("%q permits additional keys", prefix)
	}
	var found []string
	for key, property := range s.Properties {
		found = append(found, property.keys(t, strings.TrimPrefix(prefix+"."+key, "."))...)
	}
	return found
}

// TestReferenceChart compares the chart's README with its schema and values: a row for each
// key, with its default.
func TestReferenceChart(t *testing.T) {
	var schema jsonSchema
	c := loadChart(t)
	must(t, json.Unmarshal(c.Schema, &schema))
	documented := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-zA-Z.]+)` \\| (.*?) \\| ").FindAllStringSubmatch(read(t, chartFolder+"/README.md"), -1) {
		documented[row[1]] = row[2]
	}
	for _, key := range schema.keys(t, "") {
		// Helm adds `global`; `resources` is a single row.
		if key == "global" || strings.HasPrefix(key, "resources.") {
			continue
		}
		var value any = c.Values
		for part := range strings.SplitSeq(key, ".") {
			value = value.(map[string]any)[part]
		}
		if value == nil {
			t.Errorf("values.yaml lacks %s", key)
		}
		row, ok := documented[key]
		delete(documented, key)
		encoded, err := json.Marshal(value)
		must(t, err)
		if want := fmt.Sprintf("%#q", encoded); !ok || (len(want) < 40 && row != want) {
			t.Errorf("the README has the default of %s as %s, want %s", key, row, want)
		}
	}
	delete(documented, "resources")
	if len(documented) > 0 {
		t.Errorf("the README has rows that are not values: %v", slices.Sorted(maps.Keys(documented)))
	}
}

// TestDocumentedValues: the chart accepts the values that the README shows.
func TestDocumentedValues(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(read(t, chartFolder+"/README.md"), -1)
	if len(blocks) < 3 {
		t.Errorf("the README has only %d examples", len(blocks))
	}
	for _, block := range blocks {
		var values map[string]any
		must(t, yaml.UnmarshalStrict([]byte(block[1]), &values))
		if len(release(t, app, values)) == 0 {
			t.Errorf("nothing is installed with\n%s", block[1])
		}
	}
}

func TestWrongValues(t *testing.T) {
	for _, test := range []struct{ values, want string }{
		{"shard: 3", "shard"},
		{"shards: 0", "shards"},
		{"image: {tags: 0.1.0}", "tags"},
		{"image: {digest: latest}", "digest"},
		{"config: {configMaps: [a]}", "configMaps"},
		{"config: {existingConfigMaps: [a, a]}", "existingConfigMaps"},
		{"config: {files: {session_exporter.yml: x}}", "session_exporter.yml"},
		{"fullnameOverride: hcx", "fullnameOverride"},
		{"existingSecrets: [session-exporter]", "existingSecrets"},
		{"existingSecrets: [{mountPath: /etc/secrets}]", "name"},
		{"extraArgs: [serve]", "extraArgs"},
		{"resources: {limits: {memory: null}}", "memory"},
		{"networkPolicy: {ingressFrom: []}", "ingressFrom"},
		{"externalURL: https://user:secret@example.com", "externalURL"},
		{"prometheusRule: {thresholds: {slow: 3}}", "slow"},
		{"prometheusRule: {thresholds: {errorBudget: 99}}", "errorBudget"},
		{"prometheusRule: {overrides: {SessionSlow: {form: 5m}}}", "form"},
		// The templates reject these, which the schema cannot express.
		{"prometheusRule: {enabled: true, overrides: {SessionSlw: {for: 5m}}}", `there is no alert "SessionSlw"`},
		{"prometheusRule: {enabled: true, disabled: [SessionSlw]}", `there is no alert "SessionSlw"`},
		{"config: {inline: ''}", "no configuration: set config.inline or config.existingConfigMaps"},
		{"web: {tls: true}", "web.existingSecrets is empty"},
		{"existingSecrets: [{name: a, mountPath: /etc/secrets}, {name: b, mountPath: /etc/secrets}]", "b is mounted at /etc/secrets, which is taken"},
	} {
		t.Run(test.values, func(t *testing.T) {
			var values map[string]any
			must(t, yaml.Unmarshal([]byte(test.values), &values))
			if _, err := render(t, app, values); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want one with %q", err, test.want)
			}
		})
	}
}

// thresholds are the numbers that the set of values "rules" changes, in the expressions of
// the shipped rules.
var thresholds = map[string][2]string{
	"SessionCredentialExpiringSoon":     {"< 7 * 86400", "< 30 * 86400"},
	"SessionCredentialExpiringVerySoon": {"< 1 * 86400", "< 3 * 86400"},
	"SessionCertificateExpiringSoon":    {"< 14 * 86400", "< 21 * 86400"},
	"SessionSlow":                       {"> 3", "> 7.5"},
	"SessionClockSkew":                  {"> 60", "> 120"},
	"SessionProbesStale":                {"> 300", "> 600"},
	"SessionFlapping":                   {"> 5", "> 9"},
	"SessionLeak":                       {"> 5", "> 20"},
	"SessionValidityBurnRateFast":       {"0.01", "0.005"},
	"SessionValidityBurnRateSlow":       {"0.01", "0.005"},
}

// rulesByName returns the alert and recording rules of a PrometheusRule by name.
func rulesByName(rule *monitoringv1.PrometheusRule) map[string]monitoringv1.Rule {
	found := map[string]monitoringv1.Rule{}
	for _, group := range rule.Spec.Groups {
		for _, rule := range group.Rules {
			found[rule.Alert+rule.Record] = rule
		}
	}
	return found
}

func TestThresholdsAreValues(t *testing.T) {
	values := valueSet(t, "rules")
	rule := only[*monitoringv1.PrometheusRule](t, release(t, app, values))
	shipped := rulesByName(only[*monitoringv1.PrometheusRule](t, build(t, kubernetes+"/overlays/prometheus-operator")))
	changed := rulesByName(rule)
	if rule.Labels["release"] != "kube-prometheus-stack" {
		t.Errorf("the labels are %v", rule.Labels)
	}
	if _, ok := changed["SessionRoleMissing"]; ok || len(changed) != len(shipped)-1 {
		t.Errorf("%d rules of %d, want all but SessionRoleMissing", len(changed), len(shipped))
	}
	for name, got := range changed {
		want := shipped[name]
		expr := want.Expr.String()
		if numbers, ok := thresholds[name]; ok {
			expr = strings.ReplaceAll(expr, numbers[0], numbers[1])
		}
		if got.Expr.String() != expr {
			t.Errorf("the expression of %s is\n%s, want\n%s", name, got.Expr.String(), expr)
		}
		if _, err := parser.NewParser(parser.Options{}).ParseExpr(expr); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for key, annotation := range want.Annotations {
			annotation = strings.ReplaceAll(annotation, "http://{{ $labels.instance }}", "https://monitoring.example.com/session_exporter")
			if annotation = strings.ReplaceAll(annotation, "7.2 hours", "3.6 hours"); got.Annotations[key] != annotation {
				t.Errorf("%s of %s is %q, want %q", key, name, got.Annotations[key], annotation)
			}
		}
		if name == "SessionCredentialsRejected" {
			if *got.For != "5m30s" || got.Labels["severity"] != "page" || got.Labels["team"] != "identity" || *got.KeepFiringFor != "5m" {
				t.Errorf("the overridden alert is %+v", got)
			}
		} else if fmt.Sprint(got.Labels) != fmt.Sprint(want.Labels) {
			t.Errorf("the labels of %s are %v, want %v", name, got.Labels, want.Labels)
		}
	}
	set := values["prometheusRule"].(map[string]any)["thresholds"].(map[string]any)
	if got, want := len(thresholds), len(set)+1; got != want { // errorBudget is in two alerts
		t.Errorf("%d thresholds are checked, want %d", got, want)
	}
}

// TestLinksFollowTLS: links begin with https if web.tls is set, and with externalURL if that is
// set.
func TestLinksFollowTLS(t *testing.T) {
	rule := only[*monitoringv1.PrometheusRule](t, release(t, app, valueSet(t, "web")))
	if url := rulesByName(rule)["SessionSlow"].Annotations["runbook_url"]; url != "https://{{ $labels.instance }}/runbooks/SessionSlow" {
		t.Errorf("the runbook is at %s", url)
	}
	linked := 0
	for _, config := range all[*corev1.ConfigMap](release(t, app, valueSet(t, "rules"))) {
		for _, content := range config.Data {
			linked += strings.Count(content, "https://monitoring.example.com/session_exporter/")
			if strings.Contains(content, "http://${__data.fields.exporter:raw}") {
				t.Errorf("%s links to the address that Prometheus scrapes", config.Name)
			}
		}
	}
	if linked == 0 {
		t.Error("no dashboard has a link")
	}
}

// TestLifecycleSwitch: web.enableLifecycle: false disables requests that change the exporter's
// state.
func TestLifecycleSwitch(t *testing.T) {
	for set, want := range map[string]bool{"web": true, "monitored": false} {
		if args := onlyWorkload(t, release(t, app, valueSet(t, set))).container(t).Args; slices.Contains(args, "--no-web.enable-lifecycle") != want {
			t.Errorf("%s: the arguments are %q", set, args)
		}
	}
}
