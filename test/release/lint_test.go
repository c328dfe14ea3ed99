package release

import (
	"bytes"
	"compress/gzip"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestLintian checks the deb against Debian's policy, with the exceptions in
// deploy/packages/deb/lintian-overrides, each of which must be needed.
func TestLintian(t *testing.T) {
	output, err := exec.CommandContext(t.Context(), "lintian", "--allow-root", "--fail-on", "error,warning", onlyFile(t, dist+"/*_amd64.deb")).CombinedOutput()
	if err != nil || bytes.Contains(output, []byte("unused-override")) {
		t.Errorf("%v\n%s", err, output)
	}
}

func TestManualPage(t *testing.T) {
	page := repository + "/build/session_exporter.1"
	if got := run(t, "mandoc", "-T", "lint", "-W", "warning", page); got != "" {
		t.Errorf("mandoc:\n%s", got)
	}
	compressed, err := gzip.NewReader(strings.NewReader(read(t, page+".gz")))
	must(t, err)
	if text, err := io.ReadAll(compressed); err != nil || string(text) != read(t, page) {
		t.Errorf("the compressed page differs: %v", err)
	}
	groff := exec.CommandContext(t.Context(), "groff", "-man", "-Tutf8", "-ww", "-z", page)
	if output, err := groff.CombinedOutput(); err != nil || len(output) > 0 {
		t.Errorf("groff: %v\n%s", err, output)
	}
	checkCommands(t, read(t, page))
}

// checkCommands reports the commands and flags of --help that a manual page lacks.
func checkCommands(t *testing.T, page string) {
	t.Helper()
	program := repository + "/session_exporter"
	_, list, _ := strings.Cut(run(t, program, "--help"), "\nCommands:\n")
	commands := regexp.MustCompile(`(?m)^([a-z-]+)`).FindAllString(list, -1)
	if len(commands) < 13 {
		t.Errorf("commands %q in:\n%s", commands, list)
	}
	escape := strings.NewReplacer("-", `\-`)
	for _, command := range commands {
		if !strings.Contains(page, "\n.SS \""+escape.Replace(command)) {
			t.Errorf("the page lacks the command %s", command)
		}
		for _, flag := range regexp.MustCompile(`(?m)^ {2}(?:-\w,| {3}) (--[\w.\[\]-]+)`).FindAllStringSubmatch(run(t, program, "help", command), -1) {
			if !strings.Contains(page, escape.Replace(flag[1])) {
				t.Errorf("the page lacks the flag %s of %s", flag[1], command)
			}
		}
	}
}

func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob(repository + "/deploy/packages/*/p*") // post*, pre*
	must(t, err)
	if len(scripts) != 6 {
		t.Errorf("%d scripts, want 6", len(scripts))
	}
	run(t, "shellcheck", append([]string{"--shell=sh"}, scripts...)...)
}

// TestZshCompletion: zsh finds the deb's completion in $fpath, and completes with the first
// Tab.
func TestZshCompletion(t *testing.T) {
	root := t.TempDir()
	run(t, "dpkg-deb", "--extract", onlyFile(t, dist+"/*_amd64.deb"), root)
	got := run(t, "zsh", "-f", "-c", `
		fpath=($1/usr/share/zsh/vendor-completions $fpath)
		autoload -Uz _session_exporter
		compadd() { print -l -- $options }
		words=($1/usr/bin/session_exporter "")
		CURRENT=2
		_session_exporter`, "zsh", root)
	if !slices.Contains(strings.Fields(got), "check-config") {
		t.Errorf("completed %q", got)
	}
}
