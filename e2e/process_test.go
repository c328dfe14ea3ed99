package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-logfmt/logfmt"
)

// patience is how long to wait for what should come; a busy machine is slow.
const patience = time.Minute

// canary begins every password and token that a test hands to the program, so
// that one that gets out is found wherever it turns up.
const canary = "canary-"

// process is one run of a program.
type process struct {
	cmd    *exec.Cmd
	stdout output
	stderr output
	ended  chan struct{} // closed when it has ended
}

// output is what a process has written so far.
type output struct {
	mu     sync.Mutex // guards the fields below
	text   bytes.Buffer
	closed bool
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return 0, io.ErrClosedPipe // which closes the process's pipe
	}
	return o.text.Write(p)
}

// close reads no more of it: at the second write from now, the process finds that
// its pipe is broken.
func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// launch starts a program. When the test ends it is asked to end too, which it
// must do in time and without complaint, unless the test has seen to its end.
func launch(t *testing.T, program string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(program, args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	// The race detector waits a second at exit for others to report theirs.
	p.cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir(), "GORACE=atexit_sleep_ms=0")
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // what it says is in cmd.ProcessState too
		close(p.ended)
	}()
	t.Cleanup(func() {
		if !p.hasEnded() {
			if code := p.stop(t, syscall.SIGTERM); code != 0 {
				t.Errorf("%s ended with exit code %d:\n%s", p.cmd.Path, code, &p.stderr)
			}
		}
		checkOutput(t, "stdout", p.stdout.String())
		checkOutput(t, "stderr", p.stderr.String())
	})
	return p
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// stop sends a signal and returns the exit code.
func (p *process) stop(t *testing.T, signal os.Signal) int {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	return p.wait(t)
}

// wait waits for the process to end and returns its exit code.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Errorf("%v has not ended", p.cmd.Args)
		_ = p.cmd.Process.Kill() // it may end meanwhile
		<-p.ended
	}
	return p.cmd.ProcessState.ExitCode()
}

// checkOutput holds whatever the program shows to what it must never show.
func checkOutput(t *testing.T, where, text string) {
	t.Helper()
	for _, evil := range []string{canary, "DATA RACE", "panic:", "goroutine "} {
		if at := strings.Index(text, evil); at >= 0 {
			t.Errorf("%s shows %q: …%.2000s", where, evil, text[max(at-200, 0):])
		}
	}
}

// finished is what a program that has ended leaves.
type finished struct {
	stdout, stderr string
	code           int
}

// run runs the program to its end.
func run(t *testing.T, args ...string) finished {
	t.Helper()
	p := launch(t, binary, args...)
	code := p.wait(t)
	return finished{p.stdout.String(), p.stderr.String(), code}
}

// logLines returns the lines logged so far.
func (p *process) logLines(t *testing.T) []map[string]string {
	t.Helper()
	text := p.stderr.String()
	text = text[:strings.LastIndex(text, "\n")+1] // the last line may be half written
	var lines []map[string]string
	decoder := logfmt.NewDecoder(strings.NewReader(text))
	for decoder.ScanRecord() {
		line := map[string]string{}
		for decoder.ScanKeyval() {
			line[string(decoder.Key())] = string(decoder.Value())
		}
		lines = append(lines, line)
	}
	if err := decoder.Err(); err != nil {
		t.Fatalf("the log is not logfmt: %v\n%s", err, text)
	}
	return lines
}

// lastLines returns the end of the log, for messages about failures.
func (p *process) lastLines() string {
	const most = 20
	lines := strings.SplitAfter(p.stderr.String(), "\n")
	return "The log ends with:\n" + strings.Join(lines[max(len(lines)-most, 0):], "")
}

// address waits until the process listens and returns where.
func (p *process) address(t *testing.T) string {
	t.Helper()
	var address string
	eventually(t, func() error {
		if p.hasEnded() {
			t.Fatalf("%v ended with exit code %d:\n%s", p.cmd.Args, p.cmd.ProcessState.ExitCode(), &p.stderr)
		}
		for _, line := range p.logLines(t) {
			if line["msg"] == "Listening on" {
				address = line["address"]
				return nil
			}
		}
		return fmt.Errorf("%v does not listen yet:\n%s", p.cmd.Args, &p.stderr)
	})
	return address
}

// eventually asks until it is told nil.
func eventually(t *testing.T, ask func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		asked := time.Now()
		err := ask()
		if err == nil {
			return
		}
		// What is dear to ask is asked less often: asking must not be what keeps
		// the machine busy.
		again := time.NewTimer(min(max(80*time.Millisecond, 5*time.Since(asked)), time.Second))
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			t.Fatalf("still not so after %s: %v", patience, err)
		}
	}
}
