// Package release tests the files in dist/ that `make release-snapshot` builds and users download.
package release

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	repository = "../.."
	dist       = repository + "/dist"
)

// metadata is goreleaser's description of the release.
type metadata struct{ Version, Commit, Date string }

// snapshot reads the description of the release in dist/.
func snapshot(t *testing.T) metadata {
	t.Helper()
	var m metadata
	must(t, json.Unmarshal([]byte(read(t, dist+"/metadata.json")), &m))
	return m
}

// platforms maps each platform of a release to the suffix of its archive.
var platforms = map[string]string{
	"linux-amd64":   ".tar.gz",
	"linux-arm64":   ".tar.gz",
	"darwin-arm64":  ".tar.gz",
	"freebsd-amd64": ".tar.gz",
	"windows-amd64": ".zip",
}

// TestVersion: the version is that of the file VERSION, followed by + and the time and hash of
// the commit, unless the commit is a release.
func TestVersion(t *testing.T) {
	released := strings.TrimSpace(read(t, repository+"/VERSION"))
	version := snapshot(t).Version
	if suffix, ok := strings.CutPrefix(version, released); !ok || suffix != "" && suffix[0] != '+' {
		t.Errorf("version %s, want %s or %s+…", version, released, released)
	}
	if got := run(t, binary(t, "linux_amd64"), "--version"); !strings.HasPrefix(got, "session_exporter, version "+version+" (") {
		t.Errorf("the program prints %q, want version %s", got, version)
	}
}

// TestMakeBuildsTheSameBinary: the binary of a release equals that of `make build`.
func TestMakeBuildsTheSameBinary(t *testing.T) {
	released := read(t, binary(t, "linux_amd64"))
	if released != read(t, repository+"/session_exporter") {
		t.Error("the binaries differ")
	}
	root, err := filepath.Abs(repository)
	must(t, err)
	if strings.Contains(released, root) {
		t.Errorf("the binary has the path %s of its source", root)
	}
}

// TestReproducible: a second build of the same commit gives the same files.
func TestReproducible(t *testing.T) {
	before := read(t, dist+"/sha256sums.txt")
	run(t, "make", "-C", repository, "release-snapshot")
	if after := read(t, dist+"/sha256sums.txt"); after != before {
		t.Errorf("first build:\n%s\nsecond build of the same sources:\n%s", before, after)
	}
}

// binary returns the path of the binary for a platform, such as linux_amd64.
func binary(t *testing.T, platform string) string {
	t.Helper()
	return onlyFile(t, dist+"/session_exporter_"+platform+"*/session_exporter*")
}

// onlyFile returns the only file that matches a pattern.
func onlyFile(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	must(t, err)
	if len(found) != 1 {
		t.Fatalf("%s: %d files, want 1; `make release-snapshot` builds them", pattern, len(found))
	}
	return found[0]
}

// run returns the standard output of a command that must succeed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", cmd, err, &stdout, &stderr)
	}
	return stdout.String()
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	must(t, err)
	return string(content)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
