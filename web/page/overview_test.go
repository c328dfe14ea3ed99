package page

import (
	"strings"
	"testing"

	"session_exporter/config"
)

// The example of the page without endpoints is a valid configuration of ten lines.
func TestExampleConfig(t *testing.T) {
	settings, err := config.Parse([]byte(exampleConfig), "session_exporter.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range settings.Problems {
		if text := problem.String(); !strings.Contains(text, "password_file: cannot read this file") { // the file does not exist here
			t.Error(text)
		}
	}
	if lines := strings.Count(exampleConfig, "\n"); len(settings.Endpoints) != 1 || lines != 10 {
		t.Errorf("%d endpoints in %d lines", len(settings.Endpoints), lines)
	}
}
