package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/term"
)

// streams are the input and the outputs of a command.
type streams struct {
	out, err io.Writer
	in       *os.File
	// closed is closed when the reader has closed out; nil if that cannot be detected.
	closed <-chan struct{}
}

// newStreams returns the streams of the process, with a stdout that may be closed early.
func newStreams(stdout, stderr io.Writer) streams {
	s := streams{out: stdout, err: stderr, in: os.Stdin}
	if file, ok := stdout.(*os.File); ok && !term.IsTerminal(int(file.Fd())) { // package report detects a terminal by its *os.File
		quiet := &quietPipe{Writer: stdout, closed: make(chan struct{})}
		s.out, s.closed = quiet, quiet.closed
	}
	return s
}

// quietPipe is a stdout whose reader may close it early, as head does. The rest of the output
// is then discarded without an error, because the reader does not want it, and the command
// exits as usual, after logging out.
type quietPipe struct {
	io.Writer
	closed chan struct{}
	once   sync.Once
}

// Write implements io.Writer.
func (p *quietPipe) Write(text []byte) (int, error) {
	n, err := p.Writer.Write(text)
	if errors.Is(err, syscall.EPIPE) {
		p.once.Do(func() { close(p.closed) })
		return len(text), nil
	}
	return n, err
}

// await returns the result of read, which reads from a terminal or a pipe. When ctx is done,
// await returns an error immediately. read cannot be interrupted, and continues.
func await(ctx context.Context, read func() ([]byte, error)) ([]byte, error) {
	var text []byte
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		text, err = read()
	}()
	select {
	case <-done:
		return text, err
	case <-ctx.Done():
		return nil, fmt.Errorf("interrupted: %w", ctx.Err())
	}
}
