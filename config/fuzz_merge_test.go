package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzMerge checks that two files are merged without a panic, that their order does not
// matter, and that every problem is in one of them.
func FuzzMerge(f *testing.F) {
	base, err := os.ReadFile(filepath.Join("testdata", "valid", "full.yml"))
	if err != nil {
		f.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join("testdata", "valid", "*.yml"))
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(base, text)
		f.Add([]byte("endpoints: [{name: x}]\n"), text)
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		first, second := source{"testdata/valid/a.yml", a}, source{"testdata/valid/b.yml", b}
		settings, found := NewLoader().check(first, second)
		again, foundAgain := NewLoader().check(second, first)
		if found.Error() != foundAgain.Error() || (settings == nil) != (again == nil) || settings != nil && settings.YAML != again.YAML {
			t.Errorf("the order matters: %v\nand\n%v", found, foundAgain)
		}
		if (settings == nil) != (found.Err() != nil) {
			t.Errorf("configuration %v, problems %v", settings, found)
		}
		lines := map[string]int{nameOf([]source{first, second}, nil): 0}
		for _, s := range []source{first, second} {
			lines[s.file] = 2 + strings.Count(string(s.text), "\n") + strings.Count(string(s.text), "\r")
		}
		for _, problem := range found {
			if last, known := lines[problem.File]; !known || problem.Line < 0 || problem.Line > last || strings.ContainsAny(problem.String(), "\n\r") {
				t.Errorf("problem %#v", problem)
			}
		}
	})
}
