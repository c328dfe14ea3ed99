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

// maxWait is how long to wait for an expected event. It is generous, because a busy machine
// is slow.
const maxWait = time.Minute

// slack is how much later than promised the program may do something on a busy machine.
const slack = 5 * time.Second

// canary begins every password and token that a test passes to the program, so that a leak
// is found wherever it appears.
const canary = "canary-"

// process is one run of a program.
type process struct {
	cmd    *exec.Cmd
	stdout output
	stderr output
	ended  chan struct{} // closed when the process has exited
}

// output collects the output of a process.
type output struct {
	mu     sync.Mutex // guards the fields below
	text   bytes.Buffer
	closed bool
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return 0, io.ErrClosedPipe // closes the process's pipe
	}
	return o.text.Write(p)
}

// close stops reading. The process's next write still succeeds; the one after it fails with
// a broken pipe.
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

// launch starts a program. At the end of the test it must stop on request, in time and
// without errors, unless the test has already stopped it.
func launch(t *testing.T, program string, args ...string) *process {
	t.Helper()
	return launchWith(t, nil, program, args...)
}

// launchWith is launch with an input, nil for none.
func launchWith(t *testing.T, stdin io.Reader, program string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(program, args...), ended: make(chan struct{})}
	p.cmd.Stdin = stdin
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.cmd.WaitDelay = maxWait // the input of a killed process may stay open
	// At exit, the race detector waits a second for other goroutines to report races.
	p.cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir(), "GORACE=atexit_sleep_ms=0")
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // its result is in cmd.ProcessState too
		close(p.ended)
	}()
	t.Cleanup(func() {
		if !p.hasEnded() {
			if code := p.stop(t, syscall.SIGTERM); code != 0 {
				t.Errorf("%s exited with %d:\n%s", p.cmd.Path, code, &p.stderr)
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

// wait waits for the process to exit and returns its exit code.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(maxWait):
		t.Errorf("%v has not exited", p.cmd.Args)
		_ = p.cmd.Process.Kill() // it may exit meanwhile
		<-p.ended
	}
	return p.cmd.ProcessState.ExitCode()
}

// checkOutput checks the program's output for texts that it must never show.
func checkOutput(t *testing.T, where, text string) {
	t.Helper()
	for _, evil := range []string{canary, "DATA RACE", "panic:", "goroutine "} {
		if at := strings.Index(text, evil); at >= 0 {
			t.Errorf("%s shows %q: …%.2000s", where, evil, text[max(at-200, 0):])
		}
	}
}

// finished is the result of a program that has exited.
type finished struct {
	stdout, stderr string
	code           int
}

// run runs the program until it exits.
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
	text = text[:strings.LastIndex(text, "\n")+1] // the last line may be incomplete
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

// lastLines returns the end of the log, for failure messages.
func (p *process) lastLines() string {
	const most = 20
	lines := strings.SplitAfter(p.stderr.String(), "\n")
	return "The log ends with:\n" + strings.Join(lines[max(len(lines)-most, 0):], "")
}

// address waits until the process listens and returns its address.
func (p *process) address(t *testing.T) string {
	t.Helper()
	var address string
	eventually(t, func() error {
		if p.hasEnded() {
			t.Fatalf("%v exited with %d:\n%s", p.cmd.Args, p.cmd.ProcessState.ExitCode(), &p.stderr)
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

// eventually calls check until it returns nil.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), maxWait)
	defer cancel()
	for {
		start := time.Now()
		err := check()
		if err == nil {
			return
		}
		// A slow check is repeated less often, so that checking does not keep the machine
		// busy.
		again := time.NewTimer(min(max(80*time.Millisecond, 5*time.Since(start)), time.Second))
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			t.Fatalf("timed out after %s: %v", maxWait, err)
		}
	}
}
