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

// endpoints returns a configuration file with n endpoints, numbered from first, each a line of
// 100 bytes.
func endpoints(first, n int) string {
	var file strings.Builder
	file.WriteString("endpoints:\n")
	for i := range n {
		fmt.Fprintf(&file, "  - {name: hcx-%05d, url: https://hcx-%05d.example.com:9443, module: hcx, labels: {site: dublin}}\n", first+i, first+i)
	}
	return file.String()
}

// configMaps writes a kustomization that divides a total of endpoints into ConfigMaps of at most
// perMap. It returns the directory and the size of the largest file in bytes.
func configMaps(t *testing.T, total, perMap int) (dir string, bytes int) {
	t.Helper()
	dir = t.TempDir()
	var text strings.Builder
	text.WriteString("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: default\ngeneratorOptions: {disableNameSuffixHash: true}\nconfigMapGenerator:\n")
	for first := 0; first < total; first += perMap {
		file := endpoints(first, min(perMap, total-first))
		bytes = max(bytes, len(file))
		name := fmt.Sprintf("team-%d.yml", first/perMap)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "  - {name: team-%d, files: [%s]}\n", first/perMap, name)
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, bytes
}

// TestSizes compares the table in deploy/k8s/README.md with what the API server accepts: the
// number of endpoints in a ConfigMap, and of ConfigMaps for a fleet.
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
		limit := number(t, row[2])
		applyConfigMaps(t, limit, limit, serverSide, "")
		applyConfigMaps(t, limit+10, limit+10, serverSide, tooLong)
		for total, files := range map[int][]string{12000: row[3:5], 30000: row[5:7]} {
			perMap := number(t, files[1])
			if count := number(t, files[0]); (total+perMap-1)/perMap != count {
				t.Errorf("%d endpoints are not %d files of %d", total, count, perMap)
			}
			applyConfigMaps(t, total, perMap, serverSide, "")
		}
	}
}

// applyConfigMaps applies the ConfigMaps of configMaps and removes them. If refused is not empty,
// the API server must refuse them with an error that contains it.
func applyConfigMaps(t *testing.T, total, perMap int, serverSide bool, refused string) {
	t.Helper()
	t.Run(fmt.Sprintf("%d of %d, server-side %t", perMap, total, serverSide), func(t *testing.T) {
		dir, bytes := configMaps(t, total, perMap)
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

// number parses a number such as 12,000.
func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.ReplaceAll(text, ",", ""))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
