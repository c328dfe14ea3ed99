package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// Paths in the repository.
const (
	rulesFolder = "deploy/prometheus/rules"
	ruleFile    = "deploy/k8s/components/prometheus-operator/prometheusrule.yaml"
)

const header = "# Generated from " + rulesFolder + "; edit these, and run `go -C test run ./manifests -write`.\n"

// prometheusRule returns a PrometheusRule, as YAML, with the groups of all rule files in a
// directory. The operator's groups have the fields of Prometheus' own; only the object around
// them differs.
func prometheusRule(folder string) ([]byte, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.yml"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no rules in %s", folder)
	}
	slices.Sort(files)
	rule := monitoringv1.PrometheusRule{
		TypeMeta: metav1.TypeMeta{
			APIVersion: monitoringv1.SchemeGroupVersion.String(),
			Kind:       monitoringv1.PrometheusRuleKind,
		},
		ObjectMeta: metav1.ObjectMeta{
			Name: "session-exporter",
			Labels: map[string]string{
				"app.kubernetes.io/name":       "session-exporter",
				"app.kubernetes.io/instance":   "session-exporter",
				"app.kubernetes.io/component":  "exporter",
				"app.kubernetes.io/part-of":    "session-exporter",
				"app.kubernetes.io/managed-by": "kustomize",
			},
		},
	}
	for _, file := range files {
		groups, err := ruleGroups(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		rule.Spec.Groups = append(rule.Spec.Groups, groups...)
	}
	body, err := yaml.Marshal(rule)
	if err != nil {
		return nil, err
	}
	return append([]byte(header), body...), nil
}

// ruleGroups reads a rule file. A field that the operator's types do not have is an
// error: if it were dropped, the rule would differ between Prometheus and the operator.
func ruleGroups(file string) ([]monitoringv1.RuleGroup, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var spec monitoringv1.PrometheusRuleSpec
	if err := yaml.UnmarshalStrict(content, &spec); err != nil {
		return nil, err
	}
	if len(spec.Groups) == 0 {
		return nil, errors.New("it has no `groups`")
	}
	return spec.Groups, nil
}
