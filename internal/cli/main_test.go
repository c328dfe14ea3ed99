package cli

import (
	"os"
	"path/filepath"
	"testing"

	"session_exporter/internal/leaktest"
)

// TestMain fails when a goroutine outlives the tests.
func TestMain(m *testing.M) { leaktest.Main(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// writeConfig writes a configuration file and returns its path.
func writeConfig(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "session_exporter.yml")
	must(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}
