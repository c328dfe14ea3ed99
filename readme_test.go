package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/simulator"
)

// TestReadmeConfigurations loads each configuration that the README shows.
func TestReadmeConfigurations(t *testing.T) {
	readme, err := os.ReadFile("README.md")
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
		if _, err := config.Parse([]byte(text), filepath.Join(dir, "README.yml"), probe.APIs()); err != nil {
			t.Errorf("%v\nin:\n%s", err, text)
		}
	}
	if shown < 3 {
		t.Errorf("found %d configurations in the README, want one for each API and the reference", shown)
	}
}
