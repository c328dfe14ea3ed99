package strictyaml

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Position is a place in the file: a line from 1, and a column from 1, or 0 for the
// whole line.
type Position struct{ Line, Column int }

// Collector gathers the problems of a file. It knows the line of every key seen, so
// that a problem needs to name only its key.
type Collector struct {
	file     string
	named    []Key // blocks whose keys are names
	lines    map[Key]int
	empty    map[Key]bool // keys without a value
	invalid  map[Key]bool // keys with an error
	hidden   map[Key]int  // keys that may be secrets, with the length of the block's key
	problems Problems
}

// NewCollector returns a collector for a file. The keys of the named blocks are names
// that the user chooses.
func NewCollector(file string, named ...Key) *Collector {
	return &Collector{
		file: file, named: named, lines: make(map[Key]int), empty: make(map[Key]bool),
		invalid: make(map[Key]bool), hidden: make(map[Key]int),
	}
}

// Add reports an error at a key. If the file does not have the key (a missing one,
// say), the error gets the line of the block that should have it.
func (c *Collector) Add(key Key, format string, args ...any) {
	c.AddAt(c.Line(key), key, format, args...)
}

// AddAt reports an error with a key at a line, 0 for the file as a whole.
func (c *Collector) AddAt(line int, key Key, format string, args ...any) {
	c.AddPosition(key, Position{Line: line}, fmt.Sprintf(format, args...))
}

// AddPosition reports an error at a position inside a value.
func (c *Collector) AddPosition(key Key, at Position, text string) {
	c.invalid[key] = true
	c.Report(Invalid, key, at, text)
}

// AddProblem reports an error at a key, unless the text is empty.
func (c *Collector) AddProblem(key Key, problem string) {
	if problem != "" {
		c.Add(key, "%s", problem)
	}
}

// Warn reports a warning at a key.
func (c *Collector) Warn(key Key, format string, args ...any) {
	c.Report(Warning, key, Position{Line: c.Line(key)}, fmt.Sprintf(format, args...))
}

// Report reports a problem of any severity without marking its key invalid.
func (c *Collector) Report(severity Severity, key Key, at Position, text string) {
	c.problems = append(c.problems, Problem{Severity: severity, File: c.file, Line: at.Line, Column: at.Column, Key: c.shown(key), Text: text})
}

// Require reports that a block lacks a key, unless an error of the block or of the key
// has already been reported.
func (c *Collector) Require(block Key, name, format string, args ...any) {
	if at := block.Field(name); !c.invalid[block] && !c.invalid[at] {
		c.AddAt(c.Line(at), block, format, args...)
		c.invalid[block] = false // other keys may be missing too
	}
}

// Invalid reports whether a key has an error.
func (c *Collector) Invalid(key Key) bool { return c.invalid[key] }

// IsSet reports whether the file has a key with a value, even a zero value.
func (c *Collector) IsSet(key Key) bool { return c.lines[key] > 0 && !c.empty[key] }

// Line returns the line of a key or, if the file does not have it, of the innermost
// enclosing block.
func (c *Collector) Line(key Key) int {
	for key != "" {
		if line, ok := c.lines[key]; ok {
			return line
		}
		key = key[:max(strings.LastIndexAny(string(key), ".["), 0)]
	}
	return 1
}

// quotable reports whether errors may show a key of a block. valueless is set for a key
// without a value.
func (c *Collector) quotable(block Key, name string, valueless bool) bool {
	if slices.Contains(c.named, block) {
		return IsWord(name) || !valueless && isName(name)
	}
	return IsWord(name) && !valueless
}

// hiddenKey replaces a key that may be a secret. The line identifies it.
const hiddenKey = "*"

// Hide keeps a key of a block out of errors if it may be a secret. valueless is set for
// a key without a value.
func (c *Collector) Hide(block Key, name string, valueless bool) {
	if !c.quotable(block, name, valueless) {
		c.hidden[block.Field(name)] = len(block)
	}
}

// shown returns a key as errors show it.
func (c *Collector) shown(key Key) string {
	var b strings.Builder
	done := 0
	for end := 1; end <= len(key); end++ {
		if end < len(key) && key[end] != '.' && key[end] != '[' {
			continue
		}
		if block, hidden := c.hidden[key[:end]]; hidden {
			if done <= block {
				b.WriteString(string(key[done:block]))
				b.WriteString(strings.Repeat(".", min(block, 1)) + hiddenKey)
			}
			done = end
		}
	}
	return b.String() + string(key[done:])
}

// Shows reports whether errors may show a key of a named block.
func (c *Collector) Shows(block Key, name string) bool {
	_, hidden := c.hidden[block.Field(name)]
	return !hidden && isName(name)
}

// Visible returns the entries of a named block whose keys errors may show.
func Visible[V any](c *Collector, block Key, entries map[string]V) map[string]V {
	shown := maps.Clone(entries)
	maps.DeleteFunc(shown, func(name string, _ V) bool { return !c.Shows(block, name) })
	return shown
}

// File returns the name of the file.
func (c *Collector) File() string { return c.file }

// Problems returns the problems in the order of the file, without duplicates.
func (c *Collector) Problems() Problems {
	found := slices.Clone(c.problems)
	found.Sort()
	return slices.Compact(found)
}

// Failed reports whether there are errors.
func (c *Collector) Failed() bool { return len(c.problems.Of(Invalid)) > 0 }
