package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Problem is one thing wrong with a configuration file.
type Problem struct {
	File string
	Line int // 1 for the first; 0 when the file as a whole is meant
	// Column is set where a place inside of a value is meant, from 1.
	Column int
	Key    string // as in `endpoints[2].module`, empty when the file as a whole is meant
	Text   string // what is wrong, and what to write instead
}

// String renders the problem as `file:line: key: text`, or with a column behind
// the line, which editors follow.
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
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// Problems is the error of a configuration that cannot be used: everything
// that is wrong with it, in the order of the file.
type Problems []Problem

// Error lists every problem, a line each.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// collected gathers problems while a file is read, and knows the line of every
// key seen, so that a finding about a key needs to name only the key.
type collected struct {
	file     string
	lines    map[string]int
	empty    map[string]bool // the keys that have no value, which says nothing
	wrong    map[string]bool // the keys that have a problem
	problems Problems
}

func newCollected(file string) *collected {
	return &collected{file: file, lines: make(map[string]int), empty: make(map[string]bool), wrong: make(map[string]bool)}
}

// add reports a problem at a key. A key that the file does not have (a missing
// one, say) is placed at the line of the block that should have had it.
func (c *collected) add(key, format string, args ...any) {
	c.addAt(c.line(key), key, format, args...)
}

func (c *collected) addAt(line int, key, format string, args ...any) {
	c.addPosition(key, position{line: line}, fmt.Sprintf(format, args...))
}

// addPosition reports a problem at a place inside of a value.
func (c *collected) addPosition(key string, at position, text string) {
	c.wrong[key] = true
	c.problems = append(c.problems, Problem{File: c.file, Line: at.line, Column: at.column, Key: key, Text: text})
}

// needs reports that a block lacks a key, unless the block or what it has at
// the key was found wrong already.
func (c *collected) needs(block, key, format string, args ...any) {
	if at := join(block, key); !c.wrong[block] && !c.wrong[at] {
		c.addAt(c.line(at), block, format, args...)
		c.wrong[block] = false // it may lack more
	}
}

// said reports whether the file has a key with a value, be it a zero one.
func (c *collected) said(key string) bool { return c.lines[key] > 0 && !c.empty[key] }

func (c *collected) line(key string) int {
	for key != "" {
		if line, ok := c.lines[key]; ok {
			return line
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return 1
}

// err returns the problems in the order of the file, or nil.
func (c *collected) err() error {
	if len(c.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(c.problems, func(a, b Problem) int {
		// The shapes' maps have no order; by key, the order is the same each time.
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Key, b.Key))
	})
	return slices.Compact(c.problems)
}
