package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"session_exporter/simulator"
)

// atTerminal runs a shell command on a terminal of a width in columns, and returns its
// output and exit code. "$@" is the program and args.
func atTerminal(t *testing.T, columns int, command string, args ...string) (shown string, code int) {
	t.Helper()
	p := onTerminal(t, nil, columns, command, args...)
	code = p.wait(t)
	return p.shown(), code
}

// onTerminal starts a shell command on a terminal, and types what it reads from typed.
func onTerminal(t *testing.T, typed io.Reader, columns int, command string, args ...string) *process {
	t.Helper()
	// script(1) takes no arguments for the command, so they are quoted for the shell.
	quoted := "'" + strings.Join(append([]string{binary}, args...), "' '") + "'"
	// An interrupt reaches the shell too, which must continue.
	command = fmt.Sprintf("trap : INT; unset NO_COLOR; TERM=xterm; export TERM; stty cols %d; set -- %s; %s", columns, quoted, command)
	return launchWith(t, typed, "script", "--quiet", "--return", "--command", command, "/dev/null")
}

// shown returns what a process has shown on its terminal.
func (p *process) shown() string { return strings.ReplaceAll(p.stdout.String(), "\r\n", "\n") }

var escapes = regexp.MustCompile("\x1b\\[[0-9;]*[a-zA-Z]")

// widest returns the width in columns of the longest line of a text's table.
func widest(text string) (columns int) {
	table, _, _ := strings.Cut(escapes.ReplaceAllString(text, ""), "\n\n")
	for line := range strings.Lines(table) {
		columns = max(columns, len([]rune(strings.TrimSuffix(line, "\n"))))
	}
	return columns
}

func TestProbeTerminal(t *testing.T) {
	t.Parallel()
	file, _ := mixedAppliances(t)
	const amber, green = "\x1b[38;5;136m", "\x1b[38;5;29m"
	for _, c := range []struct {
		name    string
		columns int
		command string
		args    []string
		code    int
		colors  bool
		cut     bool
	}{
		{"table", 80, `"$@"`, []string{"--all"}, 1, true, true},
		{"wide terminal", 400, `"$@"`, []string{"--all"}, 1, true, false},
		{"no size", 0, `"$@"`, []string{"--all"}, 1, true, true},
		{"piped", 80, `"$@" | cat`, []string{"--all"}, 0, false, false},
		{"piped with --color=always", 80, `"$@" | cat`, []string{"--all", "--color=always"}, 0, true, false},
		{"--color=never", 80, `"$@"`, []string{"--all", "--color=never"}, 1, false, true},
		{"NO_COLOR", 80, `NO_COLOR=1 "$@"`, []string{"--all"}, 1, false, true},
		{"empty NO_COLOR", 80, `NO_COLOR= "$@"`, []string{"--all"}, 1, true, true},
		{"dumb terminal", 80, `TERM=dumb "$@"`, []string{"--all"}, 1, false, true},
		{"explanations", 80, `"$@"`, []string{"good", "off"}, 1, true, false},
		{"valid", 80, `"$@"`, []string{"good"}, 0, true, false},
		{"JSON", 80, `"$@"`, []string{"--all", "-o", "json"}, 1, false, false},
		{"metrics", 80, `"$@"`, []string{"--all", "-o", "metrics"}, 1, false, false},
		{"misuse", 80, `"$@"`, []string{"--all", "--color=sometimes"}, 2, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			shown, code := atTerminal(t, c.columns, c.command, append([]string{"probe", "--config.file=" + file}, c.args...)...)
			colors := strings.Contains(shown, green+"valid") && (c.code == 0 || strings.Contains(shown, amber+"unreachable"))
			if code != c.code || colors != c.colors || colors != strings.Contains(shown, "\x1b") || strings.Contains(shown, "…") != c.cut {
				t.Errorf("exit code %d, colors %t:\n%q", code, colors, shown)
			}
			if width := widest(shown); c.cut && width != 80 {
				t.Errorf("the table takes %d columns:\n%s", width, shown)
			}
		})
	}
}

// TestProbeProgress: probing many endpoints shows a bar, only on a terminal, and erases
// it at the end.
func TestProbeProgress(t *testing.T) {
	t.Parallel()
	good := newDR(t, withAccount(password))
	hangs := newDR(t, with(withAccount(password), simulator.Fault{On: simulator.Check, Hang: true}))
	var credentials, endpoints strings.Builder
	for i := range 21 {
		fmt.Fprintf(&credentials, "  e%d: {token: %q}\n", i, good.token())
		fmt.Fprintf(&endpoints, "  - {name: e%d, url: %s, module: dr, credential: e%[1]d}\n", i, good.url)
	}
	text := fmt.Sprintf(prelude+"credentials:\n  hangs: {token: %q}\n%sendpoints:\n%s  - {name: hangs, url: %s, module: dr, credential: hangs}\n", caFile, hangs.token(), &credentials, &endpoints, hangs.url)
	// The timeout is long enough for the others to finish on a busy machine.
	args := []string{"probe", "--all", "--config.file=" + configFile(t, strings.ReplaceAll(text, "4s", "20s"))}
	const bar, erased = "Probing: 21 of 22 done, 0 not valid [############################..]", "\r\x1b[K"

	t.Run("terminal", func(t *testing.T) {
		t.Parallel()
		shown, code := atTerminal(t, 80, `"$@"`, args...)
		before, after, found := strings.Cut(shown, "\x1b[1mENDPOINT")
		if code != 1 || !found || !strings.Contains(before, erased+bar) || !strings.HasSuffix(before, erased) || strings.Contains(before, "\n") || strings.Contains(after, "Probing") {
			t.Errorf("exit code %d, shown: %q", code, shown)
		}
	})
	t.Run("stdout to a file", func(t *testing.T) {
		t.Parallel()
		out := filepath.Join(t.TempDir(), "out")
		shown, code := atTerminal(t, 80, `"$@" >'`+out+"'", args...)
		text, err := os.ReadFile(out)
		if err != nil || code != 1 || !strings.Contains(shown, bar) || !strings.HasSuffix(shown, erased) || strings.Contains(string(text), "\x1b") {
			t.Errorf("error %v, exit code %d, shown: %q, in the file: %q", err, code, shown, text)
		}
	})
	t.Run("stderr to a file", func(t *testing.T) {
		t.Parallel()
		out := filepath.Join(t.TempDir(), "err")
		shown, code := atTerminal(t, 80, `"$@" 2>'`+out+"'", args...)
		text, err := os.ReadFile(out)
		if err != nil || code != 1 || strings.Contains(shown, "Probing") || len(text) > 0 {
			t.Errorf("error %v, exit code %d, shown: %q, in the file: %q", err, code, shown, text)
		}
	})
	t.Run("pipes", func(t *testing.T) {
		t.Parallel()
		if got := run(t, args...); got.code != 1 || got.stderr != "" || strings.Contains(got.stdout, "\x1b") {
			t.Errorf("%+v", got)
		}
	})
}

// TestProbePrompt: probe prompts for a password on a terminal, and does not show it while it
// is typed. An interrupt cancels the prompt and restores the echo.
func TestProbePrompt(t *testing.T) {
	t.Parallel()
	a := newHCX(t, withAccount(password))
	const prompt, state = "Password for monitor: ", "; stty -a | grep -o -- '-*echo '"
	for _, c := range []struct {
		name, typed string
		code        int
		shown       string
	}{
		{"right", password + "\n", 0, ": valid\n"},
		{"wrong", newPassword + "\n", 1, `Wrong password for "monitor" (the prompt): 401`},
		{"none", "\n", 2, "session_exporter: no password was typed\n"},
		{"interrupt", "\x03", 1, "interrupted: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			typed, keyboard := io.Pipe()
			t.Cleanup(func() { _ = keyboard.Close() })
			p := onTerminal(t, typed, 400, `tty; "$@"; code=$?`+state+"; exit $code", "probe", a.url, "--api=hcx", "--username="+user, "--ca-file="+caFile, "--color=never")
			eventually(t, func() error {
				terminal, after, _ := strings.Cut(p.shown(), "\n")
				if after != prompt {
					return fmt.Errorf("no prompt in %q", p.shown())
				}
				// Echo is turned off after the prompt.
				settings, err := exec.Command("stty", "-a", "-F", terminal).Output()
				if err == nil && !strings.Contains(string(settings), " -echo ") {
					err = fmt.Errorf("echo is on: %s", settings)
				}
				return err
			})
			if _, err := io.WriteString(keyboard, c.typed); err != nil {
				t.Fatal(err)
			}
			eventually(t, func() error {
				if !strings.HasSuffix(p.shown(), "echo \n") {
					return fmt.Errorf("the terminal's echo is not restored in %q", p.shown())
				}
				return nil
			})
			_ = keyboard.Close()
			code := p.wait(t)
			_, rest, _ := strings.Cut(p.shown(), prompt)
			if code != c.code || !strings.HasPrefix(rest, "\n") || !strings.Contains(rest, c.shown) || !strings.HasSuffix(rest, "\necho \n") {
				t.Errorf("exit code %d, want %d, shown:\n%s", code, c.code, p.shown())
			}
		})
	}
	if stats := a.Stats(); stats.Attempts != 2 || stats.Sessions != 0 {
		t.Errorf("%+v", stats)
	}
}
