package kubernetes

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	chartFolder = deployed + "helm/session-exporter"
	// The kinds of the chart's objects.
	kinds = "deployments,statefulsets,services,configmaps,serviceaccounts,networkpolicies,poddisruptionbudgets,servicemonitors,prometheusrules"
)

func runHelm(ctx context.Context, args ...string) (string, error) {
	return output(ctx, "", os.Getenv("HELM"), args...)
}

// helm runs Helm, which must succeed.
func helm(t *testing.T, args ...string) string {
	t.Helper()
	text, err := runHelm(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// objects returns the names of a release's objects.
func objects(t *testing.T, namespace, release string) []string {
	t.Helper()
	return strings.Fields(kubectl(t, "", "get", kinds, "-n", namespace, "-l", "app.kubernetes.io/managed-by=Helm,app.kubernetes.io/instance="+release, "-o", "name"))
}

// valueSets returns the files of values in deploy/helm/testdata, and the chart's values.yaml.
func valueSets(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(deployed + "helm/testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no values: %v", err)
	}
	return append(files, filepath.Join(chartFolder, "values.yaml"))
}

// TestChart installs, upgrades, rolls back and uninstalls a release with each set of values.
func TestChart(t *testing.T) {
	for _, values := range valueSets(t) {
		name := strings.TrimSuffix(filepath.Base(values), ".yaml")
		t.Run(name, func(t *testing.T) {
			helm(t, "lint", "--strict", "-f", values, chartFolder)
			namespace := "chart-" + name
			restricted(t, namespace)
			kubectl(t, "", "create", "serviceaccount", "monitoring", "-n", namespace) // which existing.yaml uses
			flags := []string{"session-exporter", chartFolder, "-n", namespace, "-f", values}

			notes := helm(t, append([]string{"install"}, flags...)...)
			if !strings.Contains(notes, "port-forward") {
				t.Errorf("the notes lack the command port-forward: %s", notes)
			}
			installed := objects(t, namespace, "session-exporter")
			if len(installed) < 2 {
				t.Errorf("the chart installs only %q", installed)
			}
			createPod(t, kubectl(t, "", "get", "deployments,statefulsets", "-o", "json", "-n", namespace))

			argument := func() bool {
				return strings.Contains(kubectl(t, "", "get", "deployments,statefulsets", "-o", "yaml", "-n", namespace), "--log.format=logfmt")
			}
			helm(t, append([]string{"upgrade", "--set", "extraArgs={--log.format=logfmt}"}, flags...)...)
			if !argument() {
				t.Error("the upgrade changed nothing")
			}
			helm(t, "rollback", "session-exporter", "1", "-n", namespace)
			if argument() {
				t.Error("the rollback changed nothing")
			}
			helm(t, "uninstall", "session-exporter", "-n", namespace)
			if left := objects(t, namespace, "session-exporter"); len(left) > 0 {
				t.Errorf("uninstall leaves %q", left)
			}
		})
	}
}

// TestPackagedChart: the package has files instead of symbolic links, so that it can be
// installed outside of the repository.
func TestPackagedChart(t *testing.T) {
	dir := t.TempDir()
	helm(t, "package", chartFolder, "--destination", dir)
	packages, err := filepath.Glob(filepath.Join(dir, "session-exporter-*.tgz"))
	if err != nil || len(packages) != 1 {
		t.Fatalf("the packages are %q: %v", packages, err)
	}
	values := deployed + "helm/testdata/monitored.yaml"
	// `go install` does not stamp the Kubernetes version that Helm assumes.
	rendered := helm(t, "template", "r", packages[0], "--kube-version", "1.37", "-f", values)
	for _, want := range []string{"alert: SessionCredentialsRejected", "record: endpoint:session_up:avg5m", "name: r-session-exporter-dashboard-fleet"} {
		if !strings.Contains(rendered, want) {
			t.Errorf("the package lacks %s", want)
		}
	}
}

// TestReleasesInOneNamespace: uninstalling a second release leaves the first unchanged.
func TestReleasesInOneNamespace(t *testing.T) {
	const namespace = "chart-releases"
	restricted(t, namespace)
	values := deployed + "helm/testdata/monitored.yaml"
	for _, release := range []string{"east", "west"} {
		helm(t, "install", release, chartFolder, "-n", namespace, "-f", values)
	}
	east := objects(t, namespace, "east")
	helm(t, "uninstall", "west", "-n", namespace)
	if left := objects(t, namespace, "east"); len(east) < 8 || strings.Join(left, " ") != strings.Join(east, " ") {
		t.Errorf("%q of %q are left", left, east)
	}
}

// TestFromOneExporterToShards follows the chart's README. Without both deletions, the
// upgrade fails before it starts a shard in addition to the Deployment.
func TestFromOneExporterToShards(t *testing.T) {
	const namespace = "chart-to-shards"
	restricted(t, namespace)
	for _, step := range []struct{ values, workload string }{
		{chartFolder + "/values.yaml", "deployment"},
		{deployed + "helm/testdata/sharded.yaml", "statefulset"},
		{chartFolder + "/values.yaml", "deployment"},
	} {
		upgrade := []string{"upgrade", "--install", "session-exporter", chartFolder, "-n", namespace, "-f", step.values}
		if before := workloads(t, namespace); before != "" {
			for _, object := range []string{before, "service/session-exporter"} {
				if _, err := runHelm(t.Context(), upgrade...); err == nil || !strings.Contains(err.Error(), "and the Service session-exporter first") {
					t.Errorf("without the deletion of %s: %v", object, err)
				}
				if after := workloads(t, namespace); object == before && after != before || object != before && after != "" {
					t.Errorf("the failed upgrade leaves %q of %q", after, before)
				}
				kubectl(t, "", "delete", "-n", namespace, object)
			}
		}
		helm(t, upgrade...)
		if got := workloads(t, namespace); !strings.HasPrefix(got, step.workload) {
			t.Errorf("the workload is %q, want a %s", got, step.workload)
		}
	}
}

func workloads(t *testing.T, namespace string) string {
	t.Helper()
	return strings.TrimSpace(kubectl(t, "", "get", "deployments,statefulsets", "-n", namespace, "-o", "name"))
}
