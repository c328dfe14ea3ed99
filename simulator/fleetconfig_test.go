package simulator

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The configuration defines each name that it refers to, and has no secret. The
// exporter's own tests load it.
func TestConfig(t *testing.T) {
	f := newFleet(t)
	config := f.Config()
	if strings.Contains(config, "\t") {
		t.Error("YAML permits no tabs")
	}
	names := func(section string) []string {
		_, rest, _ := strings.Cut(config, "\n"+section+":\n")
		body, _, _ := strings.Cut(rest, "\n\n")
		var found []string
		for _, match := range regexp.MustCompile(`(?m)^ {2}([a-z-]+):$`).FindAllStringSubmatch(body, -1) {
			found = append(found, match[1])
		}
		return found
	}
	credentials, moduleNames := names("credentials"), names("modules")
	for _, match := range regexp.MustCompile(`(?m)^ {4}(credential|module): (.*)$`).FindAllStringSubmatch(config, -1) {
		defined := credentials
		if match[1] == "module" {
			defined = moduleNames
		}
		if !slices.Contains(defined, match[2]) {
			t.Errorf("%s %s is not defined", match[1], match[2])
		}
	}
	for _, m := range f.Members() {
		if !strings.Contains(config, "  - name: "+m.Name+"\n    url: "+m.URL+"\n    module: "+m.spec.module+"\n") {
			t.Errorf("%s is not an endpoint", m.Name)
		}
		if strings.Contains(config, published(t, m)) {
			t.Errorf("the secret of %s is in the configuration", m.Name)
		}
	}
	if pem := strings.ReplaceAll(strings.TrimSpace(f.ca.PEM()), "\n", "\n        "); strings.Count(config, pem) != len(moduleNames) {
		t.Error("not every module has the CA")
	}
}
