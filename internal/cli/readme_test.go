package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"session_exporter/config"
	"session_exporter/simulator"
)

// TestReadmeConfigurations loads each configuration that the README shows, without a
// warning.
func TestReadmeConfigurations(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := simulator.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string]string{"hcx": "x", "dr": "x", "dr_token": "x", "client": "x", "ca.pem": ca.PEM()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	shown := 0
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(readme), -1) {
		text := strings.ReplaceAll(block[1], "/run/secrets/", dir+"/")
		if !strings.Contains(text, "\nendpoints:") {
			continue // Prometheus' own
		}
		shown++
		if settings, err := config.Parse([]byte(text), filepath.Join(dir, "README.yml")); err != nil {
			t.Errorf("%v\nin:\n%s", err, text)
		} else if len(settings.Problems) > 0 {
			t.Errorf("%v\nin:\n%s", settings.Problems, text)
		}
	}
	if shown == 0 {
		t.Error("the README shows no configuration")
	}
}
