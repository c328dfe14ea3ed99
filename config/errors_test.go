package config_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"session_exporter/config"
	"session_exporter/probe"
)

var update = flag.Bool("update", false, "rewrite testdata/errors/*.txt")

// TestErrors holds every file of testdata/errors to the exact text of its
// errors, in the .txt beside it.
func TestErrors(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "errors", "*.yml"))
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".yml"), func(t *testing.T) {
			loaded, err := config.Load(name, probe.APIs())
			if err == nil || loaded != nil {
				t.Fatalf("Load gave %v and error %v, want an error alone", loaded, err)
			}
			if _, ok := errors.AsType[config.Problems](err); !ok {
				t.Errorf("the error is %T, want Problems", err)
			}
			got := filepath.ToSlash(err.Error()) + "\n"
			golden := strings.TrimSuffix(name, ".yml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
		})
	}
}

func TestLoadUnreadable(t *testing.T) {
	for file, want := range map[string]string{
		"testdata/vanished.yml": "testdata/vanished.yml: there is no such file; name another with --config.file",
		"testdata":              "testdata: is a directory",
	} {
		_, err := config.Load(file, probe.APIs())
		if _, ok := errors.AsType[config.Problems](err); !ok || err.Error() != want {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}
