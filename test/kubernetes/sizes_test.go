package kubernetes

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// endpoints returns a configuration file with n endpoints, each a line of 100 bytes, from
// number first on.
func endpoints(first, n int) string {
	var file strings.Builder
	file.WriteString("endpoints:\n")
	for i := range n {
		fmt.Fprintf(&file, "  - {name: hcx-%05d, url: https://hcx-%05d.example.com:9443, module: hcx, labels: {site: dublin}}\n", first+i, first+i)
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

// TestSizes compares the table of deploy/k8s/README.md with what the API server accepts: how
// many endpoints fit into a ConfigMap, and how many ConfigMaps a fleet needs.
func TestSizes(t *testing.T) {
	rows := regexp.MustCompile("(?m)^\\| `kubectl apply( --server-side)?` \\|.*\\| ([0-9,]+) \\| (\\d+) files of ([0-9,]+) \\| (\\d+) files of ([0-9,]+) \\|$").
		FindAllStringSubmatch(read(t, deployed+"k8s/README.md"), -1)
	fleet := read(t, "../../docs/fleet.md")
	if len(rows) != 2 {
		t.Fatalf("the README has %d rows, want 2", len(rows))
	}
	for _, row := range rows {
		serverSide, tooLong := row[1] != "", "metadata.annotations: Too long: may not be more than 262144 bytes"
		if serverSide {
			tooLong = "Too long: may not be more than 1048576 bytes"
		}
		if !strings.Contains(fleet, row[2]+" ") {
			t.Errorf("docs/fleet.md lacks the number %s", row[2])
		}
		most := number(t, row[2])
		applyConfigMaps(t, most, most, serverSide, "")
		applyConfigMaps(t, most+10, most+10, serverSide, tooLong)
		for total, files := range map[int][]string{12000: row[3:5], 30000: row[5:7]} {
			each := number(t, files[1])
			if count := number(t, files[0]); (total+each-1)/each != count {
				t.Errorf("%d endpoints are not %d files of %d", total, count, each)
			}
			applyConfigMaps(t, total, each, serverSide, "")
		}
	}
}

// applyConfigMaps applies ConfigMaps with a number of endpoints each, and removes them. The
// API server refuses them with an error, if that is not empty.
func applyConfigMaps(t *testing.T, total, each int, serverSide bool, refused string) {
	t.Helper()
	t.Run(fmt.Sprintf("%d of %d, server-side %t", each, total, serverSide), func(t *testing.T) {
		dir, bytes := configMaps(t, total, each)
		start := time.Now()
		_, err := output(t.Context(), "", "kubectl", "apply", fmt.Sprintf("--server-side=%t", serverSide), "-k", dir)
		t.Logf("%d KiB each, %v", bytes>>10, time.Since(start).Round(time.Millisecond))
		if refused == "" && err != nil {
			t.Error(err)
		}
		if refused != "" && (err == nil || !strings.Contains(err.Error(), refused)) {
			t.Errorf("the error is %v, want one with %q", err, refused)
		}
		kubectl(t, "", "delete", "-k", dir, "--ignore-not-found")
	})
}

// number parses a number of a table, such as 12,000.
func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.ReplaceAll(text, ",", ""))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
