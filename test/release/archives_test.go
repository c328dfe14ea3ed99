package release

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestArchives: each archive has one directory with the program, its documentation, and what
// an administrator installs.
func TestArchives(t *testing.T) {
	version := snapshot(t).Version
	for platform, suffix := range platforms {
		t.Run(platform, func(t *testing.T) {
			name := "session_exporter-" + version + "." + platform
			files := members(t, dist+"/"+name+suffix)
			program := "session_exporter"
			if suffix == ".zip" {
				program += ".exe"
			}
			for _, file := range []string{
				"CHANGELOG.md", "LICENSE", "licenses.txt", "README.md", "docs/README.md", "docs/apis/README.md", "docs/configuration.md", "docs/images/overview.png",
				"docs/runbooks/README.md", "docs/session_exporter.schema.json", "deploy/README.md", "deploy/grafana/dashboards/fleet.json",
				"deploy/prometheus/rules/alerts.yml", "deploy/systemd/session_exporter.default", "deploy/systemd/session_exporter.service",
				"deploy/helm/session-exporter/templates/_helpers.tpl", "deploy/helm/session-exporter/files/rules/alerts.yml",
				"man/session_exporter.1", "completion/completion.bash", "completion/completion.zsh",
			} {
				if mode, ok := files[name+"/"+file]; !ok || mode.Perm() != 0o644 {
					t.Errorf("%s: present %t, mode %v, want 0644", file, ok, mode)
				}
			}
			if mode, ok := files[name+"/"+program]; !ok || mode.Perm() != 0o755 {
				t.Errorf("%s: present %t, mode %v, want 0755", program, ok, mode)
			}
			for file := range files {
				if !strings.HasPrefix(file, name+"/") || strings.HasSuffix(file, ".go") {
					t.Errorf("the archive has %s", file)
				}
			}
		})
	}
}

// members returns the modes of an archive's files, by name, and checks that a tar archive's
// files belong to root.
func members(t *testing.T, archive string) map[string]fs.FileMode {
	t.Helper()
	if strings.HasSuffix(archive, ".zip") {
		return zipped(t, archive)
	}
	file, err := os.Open(archive)
	must(t, err)
	defer func() { _ = file.Close() }()
	unzipped, err := gzip.NewReader(file)
	must(t, err)
	found := make(map[string]fs.FileMode)
	for reader := tar.NewReader(unzipped); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		must(t, err)
		if header.Uname != "root" || header.Gname != "root" {
			t.Errorf("%s belongs to %s:%s", header.Name, header.Uname, header.Gname)
		}
		found[header.Name] = header.FileInfo().Mode()
	}
}

func zipped(t *testing.T, archive string) map[string]fs.FileMode {
	t.Helper()
	reader, err := zip.OpenReader(archive)
	must(t, err)
	defer func() { _ = reader.Close() }()
	found := make(map[string]fs.FileMode)
	for _, file := range reader.File {
		found[file.Name] = file.Mode()
	}
	return found
}

// TestChecksums: the checksums, which are signed, cover every published file.
func TestChecksums(t *testing.T) {
	sums := make(map[string]string)
	for line := range strings.Lines(read(t, dist+"/sha256sums.txt")) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		sums[name] = sum
	}
	var published []string
	for pattern, count := range map[string]int{"*.tar.gz": 4, "*.zip": 1, "*.deb": 2, "*.rpm": 2, "*.cdx.json": 5} {
		found, err := filepath.Glob(dist + "/" + pattern)
		must(t, err)
		if len(found) != count {
			t.Errorf("%d files %s, want %d", len(found), pattern, count)
		}
		for _, file := range found {
			published = append(published, filepath.Base(file))
			sum := sha256.Sum256([]byte(read(t, file)))
			if got, want := sums[filepath.Base(file)], hex.EncodeToString(sum[:]); got != want {
				t.Errorf("%s: checksum %q, want %s", file, got, want)
			}
		}
	}
	slices.Sort(published)
	if names := slices.Sorted(maps.Keys(sums)); !slices.Equal(names, published) {
		t.Errorf("checksums of %v, want those of %v", names, published)
	}
}

// TestDocumentedFiles: docs/install.md names each archive and package, and no others.
func TestDocumentedFiles(t *testing.T) {
	released := strings.TrimSpace(read(t, repository+"/VERSION"))
	name := regexp.MustCompile(`\bsession[-_]exporter[-_]` + regexp.QuoteMeta(released) + `[\w.-]*\.(?:tar\.gz|zip|deb|rpm)\b`)
	documented := make(map[string]bool)
	for _, file := range name.FindAllString(read(t, repository+"/docs/install.md"), -1) {
		documented[strings.Replace(file, released, snapshot(t).Version, 1)] = true
	}
	published := make(map[string]bool)
	for _, suffix := range []string{".tar.gz", ".zip", ".deb", ".rpm"} {
		found, err := filepath.Glob(dist + "/*" + suffix)
		must(t, err)
		for _, file := range found {
			published[filepath.Base(file)] = true
		}
	}
	if !maps.Equal(documented, published) {
		t.Errorf("documented %v, published %v", slices.Sorted(maps.Keys(documented)), slices.Sorted(maps.Keys(published)))
	}
}
