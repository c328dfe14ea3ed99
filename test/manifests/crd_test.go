package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

const operator = "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/"

// TestPrometheusOperatorAcceptsItsObjects validates the objects as an API server with
// Prometheus Operator's resource definitions does: patterns, enumerations, required
// fields, and CEL rules. Like the operator's, the definitions are generated from its
// types.
func TestPrometheusOperatorAcceptsItsObjects(t *testing.T) {
	definitions := definitions(t)
	checked := 0
	for name, objects := range builds(t) {
		t.Run(name, func(t *testing.T) {
			for _, o := range objects {
				if schema := definitions[o.kind]; schema != nil {
					checkSchema(t, schema, o)
					checked++
				}
			}
		})
	}
	if checked == 0 {
		t.Error("no build has an object of Prometheus Operator")
	}
}

func TestPrometheusOperatorRefusesWrongObjects(t *testing.T) {
	definitions := definitions(t)
	const v1, alpha = "monitoring.coreos.com/v1", "monitoring.coreos.com/v1alpha1"
	for name, invalid := range map[string]struct{ version, kind, spec string }{
		"a value that is not a duration": {v1, "ServiceMonitor", `{selector: {}, endpoints: [{interval: soon}]}`},
		"an unknown action":              {v1, "ServiceMonitor", `{selector: {}, endpoints: [{relabelings: [{action: forget}]}]}`},
		"a URL without a scheme":         {alpha, "ScrapeConfig", `{httpSDConfigs: [{url: exporter}]}`},
		"a rule group without its name":  {v1, "PrometheusRule", `{groups: [{name: ""}]}`},
		"an empty keep_firing_for":       {v1, "PrometheusRule", `{groups: [{name: x, rules: [{alert: X, expr: x, keep_firing_for: ""}]}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			text := fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {name: x}\nspec: %s", invalid.version, invalid.kind, invalid.spec)
			if problems := problems(t, definitions[invalid.kind], decode(t, strictDecoder(t), []byte(text))); len(problems) == 0 {
				t.Error("the object is accepted")
			}
		})
	}
}

func checkSchema(t *testing.T, schema *apiextensions.JSONSchemaProps, o object) {
	t.Helper()
	for _, problem := range problems(t, schema, o) {
		t.Errorf("%s %s: %v", o.kind, o.GetName(), problem)
	}
}

// problems returns the errors of an API server's validation of an object.
func problems(t *testing.T, schema *apiextensions.JSONSchemaProps, o object) []error {
	t.Helper()
	var content map[string]any
	must(t, yaml.Unmarshal(o.text, &content))
	validator, _, err := validation.NewSchemaValidator(schema)
	must(t, err)
	found := validation.ValidateCustomResource(nil, content, validator)
	structured, err := structural.NewStructural(schema)
	must(t, err)
	if rules := cel.NewValidator(structured, true, celconfig.PerCallLimit); rules != nil {
		broken, _ := rules.Validate(t.Context(), nil, structured, content, nil, celconfig.RuntimeCELCostBudget)
		found = append(found, broken...)
	}
	errors := make([]error, 0, len(found))
	for _, err := range found {
		errors = append(errors, err)
	}
	return errors
}

// definitions returns the schemas of Prometheus Operator's resources, by kind.
func definitions(t *testing.T) map[string]*apiextensions.JSONSchemaProps {
	t.Helper()
	folder := t.TempDir()
	generate := exec.CommandContext(t.Context(), "go", "tool", "controller-gen", "crd",
		"paths="+operator+"v1", "paths="+operator+"v1alpha1", "output:crd:dir="+folder)
	if output, err := generate.CombinedOutput(); err != nil {
		t.Fatalf("generating the resource definitions: %v\n%s", err, output)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	must(t, err)
	schemas := map[string]*apiextensions.JSONSchemaProps{}
	for _, file := range files {
		var definition apiextensionsv1.CustomResourceDefinition
		must(t, yaml.UnmarshalStrict([]byte(read(t, file)), &definition))
		for _, version := range definition.Spec.Versions {
			var schema apiextensions.JSONSchemaProps
			must(t, apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(version.Schema.OpenAPIV3Schema, &schema, nil))
			schemas[definition.Spec.Names.Kind] = &schema
		}
	}
	return schemas
}
