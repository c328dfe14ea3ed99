package catalogue_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"session_exporter/sessionapi/catalogue"
)

// TestDocumented checks that docs/apis/README.md has one row for each definition.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "apis", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range catalogue.Names() {
		row := "\n| [" + name + ".yml](../../sessionapi/catalogue/" + name + ".yml) |"
		if n := strings.Count(string(page), row); n != 1 {
			t.Errorf("docs/apis/README.md has %d rows for %s.yml, want 1", n, name)
		}
	}
}
