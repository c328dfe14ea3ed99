package kubernetes

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// endpoints returns a configuration file with n endpoints of 98 bytes, from number first
// on.
func endpoints(first, n int) string {
	var file strings.Builder
	file.WriteString("endpoints:\n")
	for i := range n {
		fmt.Fprintf(&file, "- {name: hcx-%05d, url: \"https://hcx-%05d.example.com:9443\", module: hcx, labels: {site: s%03d}}\n", first+i, first+i, i%100)
	}
	return file.String()
}

// configMaps writes a kustomization with a ConfigMap for each part of the endpoints.
func configMaps(t *testing.T, total, each int) (dir string, bytes int) {
	t.Helper()
	dir = t.TempDir()
	var text strings.Builder
	text.WriteString("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: default\ngeneratorOptions: {disableNameSuffixHash: true}\nconfigMapGenerator:\n")
	for first := 0; first < total; first += each {
		file := endpoints(first, min(each, total-first))
		bytes = max(bytes, len(file))
		name := fmt.Sprintf("team-%d.yml", first/each)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "  - {name: team-%d, files: [%s]}\n", first/each, name)
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, bytes
}

// TestSizes holds the table of deploy/k8s/README.md to what the API server accepts: how many
// endpoints fit into a ConfigMap.
func TestSizes(t *testing.T) {
	for _, test := range []struct {
		total, each int
		serverSide  bool
		tooLarge    string
	}{
		{2500, 2500, false, ""},
		{2700, 2700, false, "metadata.annotations: Too long"},
		{10500, 10500, true, ""},
		{10800, 10800, true, "Too long"},
		{12000, 12000, true, "Too long"},
		{12000, 2500, false, ""},
		{30000, 10000, true, ""},
		{30000, 2500, false, ""},
	} {
		t.Run(fmt.Sprintf("%d of %d, server-side %t", test.each, test.total, test.serverSide), func(t *testing.T) {
			dir, bytes := configMaps(t, test.total, test.each)
			start := time.Now()
			_, err := output(t.Context(), "", "kubectl", "apply", fmt.Sprintf("--server-side=%t", test.serverSide), "-k", dir)
			t.Logf("%d KiB each, %v", bytes>>10, time.Since(start).Round(time.Millisecond))
			if test.tooLarge == "" && err != nil {
				t.Error(err)
			}
			if test.tooLarge != "" && (err == nil || !strings.Contains(err.Error(), test.tooLarge)) {
				t.Errorf("the error is %v, want one with %q", err, test.tooLarge)
			}
			kubectl(t, "", "delete", "-k", dir, "--ignore-not-found")
		})
	}
}
