package cli

import (
	"os"
	"path/filepath"
	"testing"
)

// A pipe would block forever, and a device would exhaust the memory.
func TestWebConfigIsNotARegularFile(t *testing.T) {
	directory := t.TempDir()
	for file, want := range map[string]string{
		"":                               "",
		"serve_test.go":                  "",
		directory:                        "--web.config.file: read " + directory + ": is a directory",
		os.DevNull:                       "--web.config.file: read " + os.DevNull + ": is a pipe, a socket or a device; use a regular file",
		filepath.Join(directory, "none"): "--web.config.file: stat " + filepath.Join(directory, "none") + ": no such file or directory",
	} {
		got := ""
		if err := checkWebConfig(file); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", file, got, want)
		}
	}
}
