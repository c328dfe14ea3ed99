package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// completions returns what bash, in the directory folder, completes when Tab is pressed at the
// end of a line.
func completions(t *testing.T, folder, line string) []string {
	t.Helper()
	// Bash sets these variables when Tab is pressed. COMP_WORDBREAKS has its default.
	const script = `
		COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
		eval "$(session_exporter --completion-script-bash)"
		complete -p session_exporter >/dev/null || exit
		COMP_LINE=$1 COMP_POINT=${#1}
		_session_exporter
		printf '%s\n' "${COMPREPLY[@]}"`
	cmd := exec.Command("bash", "-c", script, "bash", line)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"), "HOME="+folder)
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return strings.Fields(strings.ReplaceAll(string(output), `\ `, "_"))
}

func TestCLICompletion(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for file, names := range map[string][]string{
		"session_exporter.yml": {"hcx-a", "hcx-b", "dr:1", "dr:2", "two words", "$(touch pwned)", "`touch pwned`", "*"},
		"other.yml":            {"other-a", "other-b"},
	} {
		var b strings.Builder
		b.WriteString("credentials: {nobody: {password_file: /not/ours/to/read}}\nendpoints:\n")
		for _, name := range names {
			fmt.Fprintf(&b, "  - {name: %q}\n", name)
		}
		if err := os.WriteFile(filepath.Join(folder, file), []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		line string
		want []string
	}{
		{"session_exporter p", []string{"probe"}},
		{"session_exporter check", []string{"check-config"}},
		{"session_exporter probe hcx", []string{"hcx-a", "hcx-b"}},
		{"session_exporter probe hcx-a hcx", []string{"hcx-a", "hcx-b"}},
		{"session_exporter probe -o json hcx", []string{"hcx-a", "hcx-b"}},
		{"session_exporter probe dr", []string{"dr:1", "dr:2"}},
		{"session_exporter probe dr:", []string{"1", "2"}}, // bash inserts them after the colon
		{"session_exporter probe tw", []string{"two_words"}},
		{`session_exporter probe two\ w`, []string{"two_words"}},
		{`session_exporter probe $`, []string{`\$\(touch_pwned\)`}},
		{"session_exporter probe nothing", nil},
		{"session_exporter probe --config.file=other.yml o", []string{"other-a", "other-b"}},
		{"session_exporter probe --config.file other.yml o", []string{"other-a", "other-b"}},
		{"session_exporter probe --config.file=~/other.yml o", []string{"other-a", "other-b"}},
		{"session_exporter probe --config.file=none.yml h", nil},
		{"session_exporter probe --config.file=o", nil}, // bash completes files itself
		{"session_exporter probe https://a.example.com --password-file=o", nil},
		{"session_exporter probe https://a.example.com --api=k", []string{"kubernetes"}},
		{"session_exporter probe https://a.example.com --auth=b", []string{"basic", "bearer"}},
		{"session_exporter probe https://a.example.com --insecure-skip-verify --user", []string{"--username"}},
		{"session_exporter init --api=d", []string{"dr"}},
		{"session_exporter ver", []string{"version"}},
		{"session_exporter check-config ", nil},
		{"session_exporter probe --out", []string{"--output"}},
		{"session_exporter probe --output=", []string{"text", "json", "metrics"}},
		{"session_exporter probe --output j", []string{"json"}},
		{"session_exporter probe -o j", []string{"json"}},
		{"session_exporter probe --color=a", []string{"auto", "always"}},
		{"session_exporter probe --all --color=n", []string{"never"}},
		{"session_exporter --log.level=d", []string{"debug"}},
	} {
		if got := completions(t, folder, c.line); !slices.Equal(got, c.want) {
			t.Errorf("%q is completed to %q, want %q", c.line, got, c.want)
		}
	}
	all := completions(t, folder, "session_exporter probe ")
	if want := []string{`\$\(touch_pwned\)`, `\*`, "\\`touch_pwned\\`", "dr:1", "dr:2", "hcx-a", "hcx-b", "two_words"}; !slices.Equal(all, want) {
		t.Errorf("all endpoints: %q, want %q", all, want)
	}
	if _, err := os.Stat(filepath.Join(folder, "pwned")); err == nil {
		t.Error("completion executed an endpoint's name")
	}
}

// TestCLICompletionScripts: the program prints each script as it is in its file.
func TestCLICompletionScripts(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh"} {
		want, err := os.ReadFile(filepath.Join("..", "..", "internal", "cli", "completion."+shell))
		if err != nil {
			t.Fatal(err)
		}
		if got := run(t, "--completion-script-"+shell); got.code != 0 || got.stderr != "" || got.stdout != string(want) {
			t.Errorf("%s: %+v", shell, got)
		}
	}
}
