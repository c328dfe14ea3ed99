package main

import (
	"os/exec"
	"path"
	"strings"
	"testing"
)

// ignored reports whether .dockerignore excludes a file: its last pattern that matches the
// file or one of its directories decides.
func ignored(t *testing.T, patterns []string, file string) bool {
	t.Helper()
	excluded := false
	for _, pattern := range patterns {
		pattern, exception := strings.CutPrefix(pattern, "!")
		anywhere, inAnyDirectory := strings.CutPrefix(pattern, "**/")
		for name := file; name != "."; name = path.Dir(name) {
			of := name
			if inAnyDirectory {
				pattern, of = anywhere, path.Base(name)
			}
			matches, err := path.Match(pattern, of)
			must(t, err)
			if matches {
				excluded = !exception
			}
		}
	}
	return excluded
}

// TestDockerBuildHasAllSources: the build context has every file that the build needs: Go files,
// the files that they embed, and those that the Makefile reads.
func TestDockerBuildHasAllSources(t *testing.T) {
	var patterns []string
	for line := range strings.SplitSeq(read(t, repository+"/.dockerignore"), "\n") {
		if line != "" && !strings.HasPrefix(line, "#") {
			patterns = append(patterns, line)
		}
	}
	if !ignored(t, patterns, "test/go.mod") || !ignored(t, patterns, "web/web_test.go") || !ignored(t, patterns, "docs/alerts.md") {
		t.Error("tests or documents are in the build context, or this test does not understand the patterns")
	}
	const files = `{{$dir := .Dir}}{{range .GoFiles}}{{$dir}}/{{.}}{{"\n"}}{{end}}{{range .EmbedFiles}}{{$dir}}/{{.}}{{"\n"}}{{end}}`
	list := exec.CommandContext(t.Context(), "go", "list", "-f", files, "./...")
	list.Dir = repository
	output, err := list.Output()
	must(t, err)
	root := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}")
	root.Dir = repository
	dir, err := root.Output()
	must(t, err)
	checked := 0
	for file := range strings.FieldsSeq("go.mod go.sum Makefile VERSION " + string(output)) {
		file = strings.TrimPrefix(file, strings.TrimSpace(string(dir))+"/")
		checked++
		if ignored(t, patterns, file) {
			t.Errorf("%s is not in the build context", file)
		}
	}
	if checked < 200 {
		t.Errorf("only %d files", checked)
	}
}
