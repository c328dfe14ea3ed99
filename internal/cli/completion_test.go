package cli

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestEndpointNames completes names from configurations with and without errors.
func TestEndpointNames(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       []string
	}{
		{"good", "endpoints:\n- {name: a}\n- {name: b, url: x}\n", []string{"a", "b"}},
		{"an error elsewhere", "global: {interval: soon}\ncredentials: {x: {password_file: /does/not/exist}}\nendpoints: [{name: a}]\n", []string{"a"}},
		{"an invalid endpoint", "endpoints:\n- {name: a}\n- {url: b}\n- {name: [x]}\n- {name: c}\n", []string{"a", "c"}},
		{"control characters", "endpoints: [{name: \"a\\e[31m\"}, {name: \"b\\nc\"}, {name: \"d\\u202e\"}, {name: e f}]\n", []string{"e f"}},
		{"none", "{}", nil},
		{"not YAML", "endpoints: [", nil},
		{"not a mapping", "endpoints", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "session_exporter.yml")
			if err := os.WriteFile(file, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := endpointNames(&[]string{file})(); !slices.Equal(got, tc.want) {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
	none := filepath.Join(t.TempDir(), "none.yml")
	if got := endpointNames(&[]string{none})(); len(got) > 0 {
		t.Errorf("%q without a file", got)
	}
}
