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
	"session_exporter/probe"
)

// FuzzParse wants, whatever the text: no panic, an end in reasonable time, and
// either a configuration or Problems that say where, and quote no value.
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
	apis := probe.APIs()
	f.Fuzz(func(t *testing.T, text []byte) {
		start := time.Now()
		loaded, err := config.Parse(text, filepath.Join("testdata", "valid", "fuzz.yml"), apis)
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
		if strings.Contains(err.Error(), canary) && !keyHas(text, canary) {
			t.Errorf("the error quotes a value: %v", err)
		}
	})
}

// keyHas reports whether the text has a key with part in it, or is no YAML that
// one could tell by. Keys are quoted.
func keyHas(text []byte, part string) bool {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return false
	}
	var search func(node *yaml.Node) bool
	search = func(node *yaml.Node) bool {
		for i, child := range node.Content {
			isKey := node.Kind == yaml.MappingNode && i%2 == 0
			if (isKey && strings.Contains(child.Value, part)) || (isKey && child.Kind == yaml.AliasNode) || search(child) {
				return true
			}
		}
		return false
	}
	return search(&document)
}
