package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// document returns the text of a file, whose path is relative to docs.
func document(t *testing.T, name string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// blocks returns the code blocks of a language in a page.
func blocks(page, language string) (all []string) {
	for _, match := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(page, -1) {
		all = append(all, match[1])
	}
	return all
}

// TestDocumentedFlags compares the documented commands and flags with those of the
// program.
func TestDocumentedFlags(t *testing.T) {
	t.Parallel()
	page := document(t, "configuration.md")
	documented := map[string][]string{} // flags by command
	_, commands, _ := strings.Cut(page, "## Commands and flags")
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z][a-z-]*)( [^`]+)?` \\| .* \\| .* \\|$").FindAllStringSubmatch(commands, -1) {
		documented[row[1]] = []string{}
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `--([a-z0-9.-]+)`[^|]* \\| ([^|]+) \\|").FindAllStringSubmatch(page, -1) {
		for _, command := range regexp.MustCompile("`([a-z-]+)`").FindAllStringSubmatch(row[2], -1) {
			documented[command[1]] = append(documented[command[1]], row[1])
		}
	}
	help, err := exec.Command(binary, "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range regexp.MustCompile(`(?m)^([a-z-]+)\*?( .*)?$`).FindAllStringSubmatch(strings.SplitN(string(help), "Commands:", 2)[1], -1) {
		if command[1] == "help" {
			continue
		}
		flags, known := documented[command[1]]
		delete(documented, command[1])
		help, err := exec.Command(binary, command[1], "--help").Output()
		if err != nil {
			t.Fatal(err)
		}
		var has []string
		for _, flag := range regexp.MustCompile(`(?m)^ {2}(?:-\w,| {3}) --(?:\[no-\])?([a-z0-9.-]+)`).FindAllStringSubmatch(string(help), -1) {
			if !strings.HasPrefix(flag[1], "help") && flag[1] != "version" {
				has = append(has, flag[1])
			}
		}
		slices.Sort(flags)
		slices.Sort(has)
		if !known || !slices.Equal(flags, has) {
			t.Errorf("%s: documented: %t, with the flags %q, want %q", command[1], known, flags, has)
		}
	}
	for command := range documented {
		t.Errorf("%s is documented but does not exist", command)
	}
}

// TestDocumentedPrometheus checks every scrape configuration and every query of the pages in
// docs and its directories with promtool.
func TestDocumentedPrometheus(t *testing.T) {
	t.Parallel()
	promtool, dir := tool(t, "promtool"), t.TempDir()
	check := func(what, text string) {
		t.Helper()
		file := write(t, filepath.Join(dir, "shown.yml"), text)
		if output, err := exec.Command(promtool, "check", what, "--lint-fatal", file).CombinedOutput(); err != nil {
			t.Errorf("%v: %s\nin:\n%s", err, output, text)
		}
	}
	var pages []string
	for _, pattern := range []string{"*.md", "*/*.md"} {
		found, err := fs.Glob(os.DirFS(filepath.Join("..", "..", "docs")), pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	configs, queries := 0, 0
	for _, name := range pages {
		page := document(t, name)
		for _, block := range blocks(page, "yaml") {
			if strings.HasPrefix(block, "scrape_configs:") {
				configs++
				check("config", block)
			}
		}
		for _, block := range blocks(page, "promql") {
			rules := "groups:\n- name: shown\n  rules:\n"
			for line := range strings.Lines(block) {
				if query := strings.TrimSpace(line); query != "" && !strings.HasPrefix(query, "#") {
					queries++
					rules += fmt.Sprintf("  - {record: \"shown:query:%d\", expr: %q}\n", queries, query)
				}
			}
			check("rules", rules)
		}
	}
	if configs < 9 || queries < 100 {
		t.Errorf("found %d configurations and %d queries, want at least 9 and 100", configs, queries)
	}
}

// TestDocumentedTests checks that every test named in docs/security.md exists.
func TestDocumentedTests(t *testing.T) {
	t.Parallel()
	tests := regexp.MustCompile("`([a-z0-9/]+)/(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(document(t, "security.md"), -1)
	if len(tests) < 20 {
		t.Fatalf("found %d tests, want at least 20", len(tests))
	}
	for _, test := range tests {
		files, err := filepath.Glob(filepath.Join("..", "..", test[1], "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		nested, err := filepath.Glob(filepath.Join("..", "..", "*", test[1], "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, nested...)
		if !slices.ContainsFunc(files, func(file string) bool {
			text, err := os.ReadFile(file)
			return err == nil && strings.Contains(string(text), "\nfunc "+test[2]+"(t *testing.T)")
		}) {
			t.Errorf("no %s in %s", test[2], test[1])
		}
	}
}
