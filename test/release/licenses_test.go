package release

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLicenses: licenses.txt, which archives, packages and the image contain, has the licenses
// and notices of Go and of each module that is linked on any platform.
func TestLicenses(t *testing.T) {
	text := read(t, repository+"/build/licenses.txt")
	directories := map[string]string{"Go": strings.TrimSpace(run(t, "go", "env", "GOROOT"))}
	for platform := range platforms {
		for module := range modules(t, platform) {
			directories[module.Name] = strings.TrimSpace(run(t, "go", "-C", repository, "list", "-m", "-f", "{{.Dir}}", module.Name))
		}
	}
	if len(directories) < 20 {
		t.Errorf("only %d modules", len(directories))
	}
	license, legal := regexp.MustCompile(`(?i)^(licen[sc]e|copying)`), regexp.MustCompile(`(?i)^(licen[sc]e|copying|notice|patents)`)
	for module, directory := range directories {
		entries, err := os.ReadDir(directory)
		must(t, err)
		licensed := false
		for _, entry := range entries {
			if name := entry.Name(); legal.MatchString(name) && !entry.IsDir() {
				licensed = licensed || license.MatchString(name)
				if !strings.Contains(text, "\n======== "+module+" ") && module != "Go" || !strings.Contains(text, read(t, filepath.Join(directory, name))) {
					t.Errorf("%s of %s is missing", name, module)
				}
			}
		}
		if !licensed {
			t.Errorf("%s has no license", module)
		}
	}
}
