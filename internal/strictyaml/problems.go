package strictyaml

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity is a problem's effect on the file.
type Severity int

// The severities.
const (
	// Invalid: the file cannot be used.
	Invalid Severity = iota
	// Incomplete: the file can be used, except for the part with the problem.
	Incomplete
	// Warning: the file is valid, but this is most likely a mistake.
	Warning
)

// A Problem is one thing wrong with a file.
type Problem struct {
	Severity Severity
	File     string
	Line     int // from 1; 0 for the whole file
	// Column counts from 1; it is set for a position inside a value.
	Column int
	Key    string // as in `endpoints[2].module`; empty for the whole file
	Text   string // the problem, and how to fix it

	key Key // of all files together; it may contain a secret
}

// Within reports whether the problem is in one of the blocks. Names in them may contain dots.
func (p Problem) Within(blocks map[Key]bool) bool {
	for i, r := range p.key {
		if r == '.' && blocks[p.key[:i]] {
			return true
		}
	}
	return false
}

// String formats the problem as `file:line: key: text` or, for a warning, `file:line:
// warning: key: text`. Editors can follow the line, and the column if set.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	if p.Column > 0 {
		fmt.Fprintf(&b, ":%d", p.Column)
	}
	b.WriteString(": ")
	if p.Severity == Warning {
		b.WriteString("warning: ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// Problems are the problems of one or several files, warnings included. Err returns them as
// an error, without the warnings.
type Problems []Problem

// Error lists every problem, one per line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// Of returns the problems of the given severities.
func (p Problems) Of(severities ...Severity) Problems {
	return slices.DeleteFunc(slices.Clone(p), func(problem Problem) bool { return !slices.Contains(severities, problem.Severity) })
}

// Sort sorts the problems by file, line and column. Those at one place are sorted by key,
// because the iteration order of maps varies.
func (p Problems) Sort() {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Key, b.Key))
	})
}

// Err returns all problems but the warnings if the files cannot be used, else nil.
func (p Problems) Err() error {
	if len(p.Of(Invalid)) == 0 {
		return nil
	}
	return p.Of(Invalid, Incomplete)
}
