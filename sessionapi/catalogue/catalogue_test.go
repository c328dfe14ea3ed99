package catalogue_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"session_exporter/sessionapi/catalogue"
)

// Each definition has one row in docs/apis/README.md.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "apis", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range catalogue.Names() {
		if row := "\n| [" + name + ".yml](../../sessionapi/catalogue/" + name + ".yml) |"; strings.Count(string(page), row) != 1 {
			t.Errorf("%s.yml does not have exactly one row in docs/apis/README.md", name)
		}
	}
}
