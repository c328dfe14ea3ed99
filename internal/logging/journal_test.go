//go:build unix

package logging

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
)

// TestJournal runs itself as a program that logs to a file. The lines have a priority only
// if JOURNAL_STREAM names this file as systemd's journal does.
func TestJournal(t *testing.T) {
	const program = "SESSION_EXPORTER_TEST_LOG"
	if format := os.Getenv(program); format != "" {
		l := newTestLogger(t, os.Stderr, "debug", format).With("a", 1)
		l.Debug("d")
		l.Info("i")
		l.Warn("w")
		l.Error("e")
		fmt.Fprint(WithPriority(os.Stderr, slog.LevelError), "two\nlines\n")
		return
	}
	file := filepath.Join(t.TempDir(), "stderr")
	run := func(format string, inode func(*syscall.Stat_t) uint64) string {
		t.Helper()
		stderr, err := os.Create(file)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = stderr.Close() }() // only the program writes to it
		var stat syscall.Stat_t
		if err := syscall.Fstat(int(stderr.Fd()), &stat); err != nil {
			t.Fatal(err)
		}
		self := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestJournal$")
		self.Env = append(os.Environ(), program+"="+format, fmt.Sprintf("JOURNAL_STREAM=%d:%d", stat.Dev, inode(&stat)))
		self.Stderr = stderr
		if err := self.Run(); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return regexp.MustCompile(`(ts=|{).*msg=?"?:?"?`).ReplaceAllString(string(text), "")
	}
	journal := func(stat *syscall.Stat_t) uint64 { return stat.Ino }
	other := func(stat *syscall.Stat_t) uint64 { return stat.Ino + 1 }
	if got, want := run(Logfmt, journal), "<7>d a=1\n<6>i a=1\n<4>w a=1\n<3>e a=1\n<3>two\n<3>lines\n"; got != want {
		t.Errorf("the journal reads %q, want %q", got, want)
	}
	if got, want := run(Logfmt, other), "d a=1\ni a=1\nw a=1\ne a=1\ntwo\nlines\n"; got != want {
		t.Errorf("a file has %q, want %q", got, want)
	}
	if got, want := run(JSON, journal), `<6>`; !regexp.MustCompile(`(?m)^` + want + `i"`).MatchString(got) {
		t.Errorf("the journal reads %q, want a line with %q", got, want)
	}
}
