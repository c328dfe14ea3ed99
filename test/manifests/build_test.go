package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	monitoringv1alpha1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1alpha1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const (
	repository = "../.."
	kubernetes = repository + "/deploy/k8s"
	app        = "session-exporter" // name of every object, and value of its label
)

// object is one object of a build, as text and decoded.
type object struct {
	metav1.Object
	kind  string
	text  []byte
	typed runtime.Object
}

// builds returns what users can build, by name: the base, each overlay, the overlays in the
// README, overlays with other components, and the chart with several sets of values.
func builds(t *testing.T) map[string][]object {
	t.Helper()
	if built != nil {
		return maps.Clone(built)
	}
	folders, err := filepath.Glob(kubernetes + "/overlays/*")
	must(t, err)
	folders = append(folders, kubernetes+"/base")
	found := map[string][]object{
		"README":                 build(t, readmeOverlay(t, 0)),
		"README-shards":          build(t, readmeOverlay(t, 1)),
		"probe-on-scrape":        build(t, overlay(t, fmt.Sprintf(componentsKustomization, "base", "probe-on-scrape"), nil)),
		"probe-on-scrape-shards": build(t, overlay(t, probeShardsKustomization, nil)),
		"web":                    build(t, overlay(t, fmt.Sprintf(componentsKustomization, "base", "web-tls"), nil)),
		"web-shards":             build(t, overlay(t, fmt.Sprintf(componentsKustomization, "overlays/sharded", "web-tls"), nil)),
		"dashboards":             build(t, overlay(t, fmt.Sprintf(componentsKustomization, "base", "dashboards"), nil)),
	}
	maps.Copy(found, chartBuilds(t))
	for _, folder := range folders {
		found[filepath.Base(folder)] = build(t, folder)
	}
	built = found
	return maps.Clone(built)
}

// built is the result of the first call of builds. Tests share it, because none changes the
// objects.
var built map[string][]object

// build does what `kubectl kustomize` does, with the same code and the same
// restrictions, and decodes each object strictly: an unknown or duplicate field, or one
// of the wrong type, is an error.
func build(t *testing.T, folder string) []object {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	must(t, err)
	decoder := strictDecoder(t)
	objects := make([]object, 0, built.Size())
	for _, resource := range built.Resources() {
		text, err := resource.AsYAML()
		must(t, err)
		objects = append(objects, decode(t, decoder, text))
	}
	return objects
}

func decode(t *testing.T, decoder runtime.Decoder, text []byte) object {
	t.Helper()
	typed, kind, err := decoder.Decode(text, nil, nil)
	if err != nil {
		t.Fatalf("%v, in:\n%s", err, text)
	}
	return object{typed.(metav1.Object), kind.Kind, text, typed}
}

func strictDecoder(t *testing.T) runtime.Decoder {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		appsv1.AddToScheme, corev1.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme,
		admissionregistrationv1.AddToScheme, monitoringv1.AddToScheme, monitoringv1alpha1.AddToScheme,
	} {
		must(t, add(scheme))
	}
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
}

// all returns a build's objects of one type.
func all[T runtime.Object](objects []object) []T {
	var found []T
	for _, o := range objects {
		if typed, ok := o.typed.(T); ok {
			found = append(found, typed)
		}
	}
	return found
}

// only returns the build's only object of one type.
func only[T runtime.Object](t *testing.T, objects []object) T {
	t.Helper()
	found := all[T](objects)
	if len(found) != 1 {
		t.Fatalf("%d objects of type %T, want 1", len(found), *new(T))
	}
	return found[0]
}

// componentsKustomization has a resource, Prometheus Operator and another component.
const componentsKustomization = `
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: session-exporter
resources: [DEPLOY/%s]
components: [DEPLOY/components/prometheus-operator, DEPLOY/components/%s]
`

// probeShardsKustomization has shards and a ScrapeConfig: Prometheus scrapes /probe for the
// endpoints that each shard lists at /sd.
const probeShardsKustomization = `
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: session-exporter
resources: [DEPLOY/overlays/sharded]
components: [DEPLOY/components/prometheus-operator, DEPLOY/components/probe-on-scrape]
patches:
  - target: {kind: ScrapeConfig, name: session-exporter-probe}
    patch: |-
      - op: replace
        path: /spec/httpSDConfigs
        value:
          - url: http://session-exporter-0.session-exporter.session-exporter.svc:10987/sd
          - url: http://session-exporter-1.session-exporter.session-exporter.svc:10987/sd
          - url: http://session-exporter-2.session-exporter.session-exporter.svc:10987/sd
`

// published matches a URL of the manifests of a release.
var published = regexp.MustCompile(`https://github\.com/session-exporter/session_exporter//deploy/k8s(\S+)\?ref=\S+`)

// readmeOverlay writes one of the README's overlays, by index, and returns its directory. The
// overlay refers to these manifests instead of those of a release.
func readmeOverlay(t *testing.T, index int) string {
	t.Helper()
	var kustomizations, configurations []string
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(read(t, kubernetes+"/README.md"), -1) {
		switch yaml := block[1]; {
		case strings.Contains(yaml, "kind: Kustomization\n"):
			kustomizations = append(kustomizations, published.ReplaceAllString(yaml, "DEPLOY$1"))
		case strings.Contains(yaml, "credentials:\n"):
			configurations = append(configurations, yaml)
		}
	}
	if len(kustomizations) != 2 || len(configurations) != 1 {
		t.Fatalf("the README has %d kustomizations and %d configurations, want 2 and 1", len(kustomizations), len(configurations))
	}
	return overlay(t, kustomizations[index], map[string]string{"session_exporter.yml": configurations[0]})
}

// overlay writes a kustomization and its files into a new directory, and returns the
// directory. DEPLOY stands for deploy/k8s.
func overlay(t *testing.T, kustomization string, files map[string]string) string {
	t.Helper()
	folder, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	deploy, err := filepath.Abs(kubernetes)
	must(t, err)
	deploy, err = filepath.Rel(folder, deploy)
	must(t, err)
	write(t, filepath.Join(folder, "kustomization.yaml"), strings.ReplaceAll(kustomization, "DEPLOY", deploy))
	for name, content := range files {
		write(t, filepath.Join(folder, name), content)
	}
	return folder
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	must(t, err)
	return string(content)
}

func write(t *testing.T, file, content string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(file), 0o700))
	must(t, os.WriteFile(file, []byte(content), 0o600))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
