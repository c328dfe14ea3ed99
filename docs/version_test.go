package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// mentions match the exporter's version in the files that users install and read.
var mentions = []*regexp.Regexp{
	regexp.MustCompile(`session[-_]exporter[-_:]v?(\d+\.\d+\.\d+)`), // files, packages, images
	regexp.MustCompile(`session_exporter/\S+\?ref=v?(\d+\.\d+\.\d+)`),
	regexp.MustCompile(`/releases/(?:download|tag)/v(\d+\.\d+\.\d+)`),
	regexp.MustCompile(`(?m)^\s*(?:newTag|appVersion): "?(\d+\.\d+\.\d+)`),
	regexp.MustCompile(`\bVERSION=v?(\d+\.\d+\.\d+)`),
}

// The pages and manifests mention only the version in the file VERSION, and the changelog
// has a section for it.
func TestDocumentedVersion(t *testing.T) {
	version := strings.TrimSpace(read(t, "../VERSION"))
	found := 0
	check := func(path string) {
		text := read(t, path)
		for _, mention := range mentions {
			for _, match := range mention.FindAllStringSubmatch(text, -1) {
				found++
				if match[1] != version {
					t.Errorf("%s: %q, want version %s", path, strings.TrimSpace(match[0]), version)
				}
			}
		}
	}
	for _, root := range []string{".", "../deploy"} {
		must(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() && slices.Contains([]string{".md", ".yml", ".yaml"}, filepath.Ext(path)) {
				check(path)
			}
			return err
		}))
	}
	check("../README.md")
	check("../Dockerfile")
	if found == 0 {
		t.Error("nothing mentions a version")
	}
	headings := regexp.MustCompile(`(?m)^## \[(.*?)\]`).FindAllStringSubmatch(read(t, "../CHANGELOG.md"), 2)
	if len(headings) != 2 || headings[0][1] != "Unreleased" || headings[1][1] != version {
		t.Errorf("CHANGELOG.md begins with %q, want Unreleased and %s", headings, version)
	}
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
