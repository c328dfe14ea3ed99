package release

import (
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const github = repository + "/.github"

// TestWorkflowsAreValid runs actionlint, which checks types, expressions and, with shellcheck,
// scripts.
func TestWorkflowsAreValid(t *testing.T) {
	program, err := filepath.Abs(onlyFile(t, repository+"/.bin/actionlint-*/actionlint"))
	must(t, err)
	lint := exec.CommandContext(t.Context(), program, "-shellcheck=shellcheck")
	lint.Dir = repository
	if output, err := lint.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

// TestWorkflowsAreHardened: actions are pinned to commits, because tags can be moved, and the
// token may only read unless a job lists further permissions.
func TestWorkflowsAreHardened(t *testing.T) {
	workflows, err := filepath.Glob(github + "/workflows/*.yml")
	must(t, err)
	if len(workflows) < 3 {
		t.Errorf("workflows %v", workflows)
	}
	pinned := regexp.MustCompile(`^(\./\S+|[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$`)
	versions := make(map[string]string)
	for _, file := range workflows {
		text := read(t, file)
		if !strings.Contains(text, "\npermissions:\n  contents: read\n") {
			t.Errorf("%s: the default permissions are not read-only", file)
		}
		for _, use := range regexp.MustCompile(`(?m)uses: (.*)$`).FindAllStringSubmatch(text, -1) {
			action, version, _ := strings.Cut(use[1], "@")
			if !pinned.MatchString(use[1]) {
				t.Errorf("%s: %s is not pinned to a commit, followed by its version", file, use[1])
			}
			if other, ok := versions[action]; ok && other != version {
				t.Errorf("%s: two versions of %s", file, action)
			}
			versions[action] = version
		}
	}
}

// TestDependabot: Dependabot updates each go.mod, package.json and Dockerfile, and the actions.
func TestDependabot(t *testing.T) {
	var config struct {
		Updates []struct {
			Ecosystem   string `yaml:"package-ecosystem"`
			Directory   string
			Directories []string
		}
	}
	must(t, yaml.Unmarshal([]byte(read(t, github+"/dependabot.yml")), &config))
	got := make(map[string]bool)
	for _, update := range config.Updates {
		for _, directory := range append(update.Directories, update.Directory) {
			if directory != "" {
				got[update.Ecosystem+" "+directory] = true
			}
		}
	}
	want := map[string]bool{"github-actions /": true}
	ecosystems := map[string]string{"go.mod": "gomod", "package.json": "npm", "Dockerfile": "docker"}
	must(t, filepath.WalkDir(repository, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && slices.Contains([]string{".git", ".bin", "dist", "node_modules", "testdata"}, entry.Name()) {
			return fs.SkipDir
		}
		if ecosystem, ok := ecosystems[filepath.Base(path)]; ok {
			relative, _ := filepath.Rel(repository, filepath.Dir(path))
			want[ecosystem+" "+filepath.Clean("/"+relative)] = true
		}
		return err
	}))
	if !maps.Equal(got, want) {
		t.Errorf("dependabot updates %v, want %v", got, want)
	}
}

// TestIssueForms: the forms for new issues have the keys that GitHub requires.
func TestIssueForms(t *testing.T) {
	forms, err := os.ReadDir(github + "/ISSUE_TEMPLATE")
	must(t, err)
	for _, entry := range forms {
		var form struct {
			Name, Description string
			Body              []struct {
				Type, ID   string
				Attributes struct{ Label, Value string }
			}
		}
		must(t, yaml.Unmarshal([]byte(read(t, github+"/ISSUE_TEMPLATE/"+entry.Name())), &form))
		if entry.Name() == "config.yml" {
			continue
		}
		if form.Name == "" || form.Description == "" || len(form.Body) == 0 {
			t.Errorf("%s lacks its name, description or body", entry.Name())
		}
		for _, element := range form.Body {
			if markdown := element.Type == "markdown"; markdown == (element.Attributes.Value == "") || markdown == (element.Attributes.Label != "") {
				t.Errorf("%s: %+v", entry.Name(), element)
			}
		}
	}
}
