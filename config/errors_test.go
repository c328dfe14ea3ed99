package config_test

import (
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"session_exporter/config"
	"session_exporter/internal/golden"
	"session_exporter/sessionapi"
)

// TestErrors compares the errors and missing secrets of every file in testdata/errors
// with the .txt of the same name.
func TestErrors(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "errors", "*.yml"))
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	builtIn := strings.Join(slices.Sorted(maps.Keys(sessionapi.BuiltIn())), ", ")
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".yml"), func(t *testing.T) {
			loaded, err := config.NewLoader(name).Load()
			if err == nil || loaded != nil {
				t.Fatalf("Load gave %v and error %v, want an error alone", loaded, err)
			}
			if _, ok := errors.AsType[config.Problems](err); !ok {
				t.Errorf("the error is %T, want Problems", err)
			}
			_, found := config.Check(name)
			if errs := found.Of(config.Invalid, config.MissingSecret).Error(); errs != err.Error() {
				t.Errorf("Load gave\n%v\nCheck gave\n%s", err, errs)
			}
			got := strings.ReplaceAll(filepath.ToSlash(err.Error())+"\n", "one of: "+builtIn, "one of: BUILT-IN APIS")
			golden.Check(t, strings.TrimSuffix(name, ".yml")+".txt", []byte(got))
		})
	}
}

func TestLoadUnreadable(t *testing.T) {
	for file, want := range map[string]string{
		"testdata/vanished.yml": "testdata/vanished.yml: no such file; name another one",
		"testdata":              "testdata: is a directory; name its files, with a pattern such as " + filepath.Join("testdata", "*.yml"),
	} {
		_, err := config.NewLoader(file).Load()
		if _, ok := errors.AsType[config.Problems](err); !ok || err.Error() != want {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}
