package logging

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/coreos/go-systemd/v22/journal"
)

// WithPriority returns a writer whose lines have a level's priority in systemd's journal.
// It returns w unless w is the standard error and the journal reads it.
func WithPriority(w io.Writer, level slog.Level) io.Writer {
	if !isJournal(w) {
		return w
	}
	return priorityWriter{w, priority(level)}
}

func isJournal(w io.Writer) bool {
	if w != io.Writer(os.Stderr) {
		return false
	}
	read, err := journal.StderrIsJournalStream()
	return read && err == nil
}

// priorities are all values that priority returns.
var priorities = []journal.Priority{journal.PriDebug, journal.PriInfo, journal.PriWarning, journal.PriErr}

func priority(level slog.Level) journal.Priority {
	switch {
	case level < slog.LevelInfo:
		return journal.PriDebug
	case level < slog.LevelWarn:
		return journal.PriInfo
	case level < slog.LevelError:
		return journal.PriWarning
	}
	return journal.PriErr
}

// priorityWriter writes each line after a prefix with the priority, which the journal
// removes.
type priorityWriter struct {
	w        io.Writer
	priority journal.Priority
}

// Write implements io.Writer.
func (p priorityWriter) Write(text []byte) (int, error) {
	var marked []byte
	for line := range bytes.Lines(text) {
		marked = fmt.Appendf(marked, "<%d>%s", p.priority, line)
	}
	_, err := p.w.Write(marked)
	return len(text), err
}
