package kubernetes

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// kustomizations returns the directories of kustomizations that the README offers: the base,
// every overlay, and every component with the base or with the shards, each in a namespace of
// its own.
func kustomizations(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{
		"base":               kustomization(t, "base", "base"),
		"probe-on-scrape":    kustomization(t, "probe-on-scrape", "base", "prometheus-operator", "probe-on-scrape"),
		"web-tls":            kustomization(t, "web-tls", "base", "prometheus-operator", "web-tls"),
		"web-tls-sharded":    kustomization(t, "web-tls-sharded", "overlays/sharded", "prometheus-operator", "web-tls"),
		"dashboards":         kustomization(t, "dashboards", "base", "dashboards"),
		"dashboards-sharded": kustomization(t, "dashboards-sharded", "overlays/sharded", "dashboards", "prometheus-operator"),
	}
	overlays, err := os.ReadDir(deployed + "k8s/overlays")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range overlays {
		found[entry.Name()] = kustomization(t, "overlay-"+entry.Name(), "overlays/"+entry.Name())
	}
	return found
}

// kustomization writes a kustomization of a resource and components of deploy/k8s, and returns
// its directory.
func kustomization(t *testing.T, namespace, resource string, components ...string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	manifests, err := filepath.Abs(deployed + "k8s")
	if err != nil {
		t.Fatal(err)
	}
	// Relative, as kustomize requires.
	manifests, err = filepath.Rel(dir, manifests)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: %s\nresources: [%s/%s]\ncomponents:\n", namespace, manifests, resource)
	for _, component := range components {
		text += fmt.Sprintf("  - %s/components/%s\n", manifests, component)
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestKustomizations applies each kustomization twice. The API server accepts it without a
// warning, and stores what the files have, so that the second time changes nothing. The test
// compares resource versions, because kubectl calls a PodDisruptionBudget "configured" even if
// it is unchanged: its patch always has the selector.
func TestKustomizations(t *testing.T) {
	for name, dir := range kustomizations(t) {
		t.Run(name, func(t *testing.T) {
			first := kubectl(t, "", "apply", "-k", dir)
			if strings.Count(first, " created") < 5 {
				t.Errorf("the kustomization creates only\n%s", first)
			}
			created := versions(t, dir)
			kubectl(t, "", "apply", "-k", dir)
			if applied := versions(t, dir); applied != created {
				t.Errorf("applying it again changes\n%sto\n%s", created, applied)
			}
			kubectl(t, "", "diff", "-k", dir) // fails if anything differs
			createPod(t, kubectl(t, "", "get", "deployments,statefulsets", "-o", "json", "-n", namespace(t, dir)))
		})
	}
}

// versions returns the resource versions of a kustomization's objects. An object's version
// changes with any of its fields.
func versions(t *testing.T, dir string) string {
	t.Helper()
	return kubectl(t, "", "get", "-k", dir, "-o", "custom-columns=KIND:.kind,NAME:.metadata.name,VERSION:.metadata.resourceVersion")
}

// namespace returns the namespace of the kustomization in a directory.
func namespace(t *testing.T, dir string) string {
	t.Helper()
	_, after, _ := strings.Cut(read(t, filepath.Join(dir, "kustomization.yaml")), "namespace: ")
	name, _, _ := strings.Cut(after, "\n")
	return name
}

// createPod creates the Pod of the only workload as a dry run, because no controller runs here
// and the namespace enforces the Pod Security Standard for Pods only. It also checks that the
// namespace rejects the Pod in the host's network.
func createPod(t *testing.T, workloads string) {
	t.Helper()
	var list struct {
		Items []struct {
			Kind     string
			Metadata struct{ Name, Namespace string }
			Spec     struct{ Template map[string]any }
		}
	}
	if err := json.Unmarshal([]byte(workloads), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 {
		t.Fatalf("%d workloads, want 1", len(list.Items))
	}
	item := list.Items[0]
	pod := item.Spec.Template
	pod["apiVersion"], pod["kind"] = "v1", "Pod"
	metadata := pod["metadata"].(map[string]any)
	metadata["name"], metadata["namespace"] = item.Metadata.Name+"-0", item.Metadata.Namespace
	text, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	kubectl(t, string(text), "create", "--dry-run=server", "-f", "-")

	pod["spec"].(map[string]any)["hostNetwork"] = true
	if text, err = json.Marshal(pod); err != nil {
		t.Fatal(err)
	}
	if _, err := output(t.Context(), string(text), "kubectl", "create", "--dry-run=server", "-f", "-"); err == nil || !strings.Contains(err.Error(), `violates PodSecurity "restricted:latest"`) {
		t.Errorf("a Pod in the host's network: the error is %v", err)
	}
}
