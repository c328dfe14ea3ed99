package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"session_exporter/config"
)

// FuzzParse checks that every text is parsed without a panic, in reasonable time, and
// results in either a configuration or Problems, which have positions and quote no value.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"valid/*.yml", "errors/*.yml"} {
		files, err := filepath.Glob(filepath.Join("testdata", pattern))
		if err != nil || len(files) == 0 {
			f.Fatal("no seeds", err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	for _, text := range misplaced {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		start := time.Now()
		loaded, err := config.Parse(text, filepath.Join("testdata", "valid", "fuzz.yml"))
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("took %s", took)
		}
		if err == nil {
			if loaded == nil {
				t.Error("neither a configuration nor an error")
			}
			return
		}
		problems, ok := errors.AsType[config.Problems](err)
		if !ok || len(problems) == 0 || loaded != nil {
			t.Fatalf("gave %v and %T", loaded, err)
		}
		lines := 1 + strings.Count(string(text), "\n") + strings.Count(string(text), "\r")
		for _, problem := range problems {
			if problem.Line < 0 || problem.Line > lines+1 || problem.File == "" || problem.Text == "" {
				t.Errorf("problem %#v of a text of %d lines", problem, lines)
			}
			if strings.ContainsAny(problem.String(), "\n\r") {
				t.Errorf("problem %q has a line break", problem)
			}
		}
		if strings.Contains(err.Error(), canary) && !nameHas(text, canary) {
			t.Errorf("the error quotes a value: %v", err)
		}
	})
}

// nameHas reports whether the name of a credential, an API or a module may contain
// part. Errors quote these names, and aliases can copy any text into them.
func nameHas(text []byte, part string) bool {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil || len(document.Content) == 0 {
		return false
	}
	root := document.Content[0]
	for i := 0; i+1 < len(root.Content); i += 2 {
		for j, name := range root.Content[i+1].Content {
			if j%2 == 0 && strings.Contains(name.Value, part) {
				return true
			}
		}
	}
	return strings.Contains(string(text), "*")
}
