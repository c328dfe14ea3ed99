package main

import (
	"log/slog"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/releaseutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

const (
	chartFolder = repository + "/deploy/helm/session-exporter"
	valueSets   = repository + "/deploy/helm/testdata"
)

func loadChart(t *testing.T) *chart.Chart {
	t.Helper()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // discards package log's lines too: Helm logs each symbolic link
	loaded, err := loader.Load(chartFolder)
	must(t, err)
	return loaded
}

// render does what `helm template RELEASE` does, with the same code, and returns the texts by
// file. The error is that of the values' schema or of a template.
func render(t *testing.T, release string, values map[string]any) (map[string]string, error) {
	t.Helper()
	c := loadChart(t)
	options := chartutil.ReleaseOptions{Name: release, Namespace: app, Revision: 1, IsInstall: true}
	if slices.Contains(ambiguousNames, release) {
		options.Namespace = release
	}
	all, err := chartutil.ToRenderValues(c, values, options, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(c, all)
}

// release returns the objects of a release, decoded strictly, as build does.
func release(t *testing.T, name string, values map[string]any) []object {
	t.Helper()
	rendered, err := render(t, name, values)
	must(t, err)
	decoder := strictDecoder(t)
	var objects []object
	for _, file := range slices.Sorted(maps.Keys(rendered)) {
		if filepath.Ext(file) != ".yaml" {
			continue
		}
		documents := releaseutil.SplitManifests(rendered[file])
		for _, name := range slices.Sorted(maps.Keys(documents)) {
			if strings.TrimSpace(documents[name]) != "" {
				objects = append(objects, decode(t, decoder, []byte(documents[name])))
			}
		}
	}
	return objects
}

// valueSet reads a file of values.
func valueSet(t *testing.T, name string) map[string]any {
	t.Helper()
	var values map[string]any
	must(t, yaml.Unmarshal([]byte(read(t, filepath.Join(valueSets, name+".yaml"))), &values))
	return values
}

// chartBuilds returns releases of the chart for builds. Each has the base's Namespace, which the
// chart does not create.
func chartBuilds(t *testing.T) map[string][]object {
	t.Helper()
	base := only[*corev1.Namespace](t, build(t, kubernetes+"/base"))
	namespace := object{Object: base, kind: "Namespace", typed: base}
	found := map[string][]object{"chart": append(release(t, app, nil), namespace)}
	for _, set := range []string{"sharded", "teams", "monitored", "rules", "web"} {
		found["chart-"+set] = append(release(t, app, valueSet(t, set)), namespace)
	}
	// The chart does not create the teams' ConfigMaps either.
	for _, o := range build(t, kubernetes+"/overlays/teams") {
		if o.kind == "ConfigMap" && o.GetName() != app {
			found["chart-teams"] = append(found["chart-teams"], object{Object: o.Object, kind: o.kind, typed: o.typed})
		}
	}
	return found
}

// comparableObjects returns the objects as YAML values, without what differs between Helm and
// kustomize: the Namespace, labels of the release, comments, and the order of a configuration's
// keys.
func comparableObjects(t *testing.T, objects []object) map[string]any {
	t.Helper()
	found := map[string]any{}
	for _, o := range objects {
		if o.kind == "Namespace" {
			continue
		}
		text := regexp.MustCompile(`(?m)^ *(app.kubernetes.io/(managed-by|version)|helm.sh/chart):.*\n?`).ReplaceAll(o.text, nil)
		var value map[string]any
		must(t, yaml.Unmarshal(text, &value))
		if data, ok := value["data"].(map[string]any); ok {
			for name, text := range data {
				var content any
				must(t, yaml.Unmarshal([]byte(text.(string)), &content))
				data[name] = content
			}
		}
		found[o.kind+" "+o.GetName()] = value
	}
	return found
}

// TestChartEqualsTheKustomization: the chart and the kustomizations have the same objects.
func TestChartEqualsTheKustomization(t *testing.T) {
	monitored := `
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: session-exporter
resources: [DEPLOY/base]
components: [DEPLOY/components/prometheus-operator, DEPLOY/components/dashboards]
`
	for name, pair := range map[string]struct {
		values map[string]any
		folder string
	}{
		"defaults":  {nil, kubernetes + "/base"},
		"sharded":   {valueSet(t, "sharded"), kubernetes + "/overlays/sharded"},
		"monitored": {valueSet(t, "monitored"), overlay(t, monitored, nil)},
	} {
		t.Run(name, func(t *testing.T) {
			got, want := comparableObjects(t, release(t, app, pair.values)), comparableObjects(t, build(t, pair.folder))
			if len(want) < 5 {
				t.Errorf("only %d objects", len(want))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the chart (+) differs from the kustomization (-):\n%s", diff)
			}
		})
	}
}

// TestEverySetOfValuesIsAccepted: each set of values in testdata gives a Pod that meets the
// restricted standard, and objects that Prometheus Operator accepts.
func TestEverySetOfValuesIsAccepted(t *testing.T) {
	files, err := filepath.Glob(valueSets + "/*.yaml")
	must(t, err)
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	must(t, err)
	definitions := definitions(t)
	for _, file := range files {
		set := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(set, func(t *testing.T) {
			objects := release(t, app, valueSet(t, set))
			pod := onlyWorkload(t, objects).template
			restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
			for _, result := range evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec) {
				if !result.Allowed {
					t.Errorf("%s: %s", result.ForbiddenReason, result.ForbiddenDetail)
				}
			}
			for _, o := range objects {
				if schema := definitions[o.kind]; schema != nil {
					checkSchema(t, schema, o)
				}
			}
		})
	}
}

// TestReleasesInOneNamespace: releases in one namespace share no object, and no selector of one
// selects the Pod of another.
func TestReleasesInOneNamespace(t *testing.T) {
	values := valueSet(t, "monitored")
	names := map[string]bool{}
	releases := map[string][]object{"session-exporter": nil, "east": nil, "session-exporter-west": nil}
	for name := range releases {
		releases[name] = release(t, name, values)
		for _, o := range releases[name] {
			if key := o.kind + " " + o.GetName(); names[key] {
				t.Errorf("two releases have the %s", key)
			} else {
				names[key] = true
			}
		}
	}
	for name, objects := range releases {
		for other, others := range releases {
			pod := labels.Set(onlyWorkload(t, others).template.Labels)
			for what, selector := range selectors(t, objects) {
				s, err := metav1.LabelSelectorAsSelector(selector)
				must(t, err)
				if s.Matches(pod) != (name == other) {
					t.Errorf("%s of %s selects the Pod of %s: %t", what, name, other, s.Matches(pod))
				}
			}
		}
	}
}
