package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestSchema prints the published schema, and nothing else.
func TestSchema(t *testing.T) {
	want, err := os.ReadFile(filepath.Join("..", "..", "docs", "session_exporter.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if code := Run(t.Context(), []string{"schema"}, &stdout, &stderr); code != 0 || stdout.String() != string(want) || stderr.Len() > 0 {
		t.Errorf("exit code %d, %d bytes of output, want %d; stderr %q", code, stdout.Len(), len(want), &stderr)
	}
}
