package release

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestSBOM: the SBOM of a platform lists the modules that its binary needs, with their
// versions.
func TestSBOM(t *testing.T) {
	version := snapshot(t).Version
	for platform := range platforms {
		t.Run(platform, func(t *testing.T) {
			var bom struct {
				BomFormat  string
				Metadata   struct{ Component component }
				Components []component
			}
			must(t, json.Unmarshal([]byte(read(t, dist+"/session_exporter-"+version+"."+platform+".cdx.json")), &bom))
			if main := bom.Metadata.Component; bom.BomFormat != "CycloneDX" || main.Name != "session_exporter" || main.Version != "v"+version {
				t.Errorf("format %q, component %+v", bom.BomFormat, main)
			}
			got := make(map[component]bool)
			for _, c := range bom.Components {
				if c.Name != "std" {
					got[c] = true
				}
			}
			want := modules(t, platform)
			if len(want) < 20 || !maps.Equal(got, want) {
				t.Errorf("modules %v, want %v", names(got), names(want))
			}
		})
	}
}

type component struct{ Name, Version string }

// modules returns the modules that are linked into the binary for a platform, such as
// linux-amd64.
func modules(t *testing.T, platform string) map[component]bool {
	t.Helper()
	system, architecture, _ := strings.Cut(platform, "-")
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}", ".")
	list.Dir = repository
	list.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+architecture, "CGO_ENABLED=0")
	output, err := list.Output()
	must(t, err)
	found := make(map[component]bool)
	for line := range strings.Lines(string(output)) {
		if name, version, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			found[component{name, version}] = true
		}
	}
	return found
}

func names(set map[component]bool) []string {
	var all []string
	for c := range set {
		all = append(all, c.Name+"@"+c.Version)
	}
	slices.Sort(all)
	return all
}
