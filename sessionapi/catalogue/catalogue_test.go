package catalogue_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"session_exporter/sessionapi/catalogue"
)

// TestDocumented wants a row of the page for each definition, with what it was tested
// against.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "apis", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range catalogue.Names() {
		if row := "\n| [" + name + ".yml](../../sessionapi/catalogue/" + name + ".yml) |"; strings.Count(string(page), row) != 1 {
			t.Errorf("%s.yml has no row on the page", name)
		}
	}
}
