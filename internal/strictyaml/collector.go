package strictyaml

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Position is a place in a file: a line from 1, or 0 for the whole file, and a column from
// 1, or 0 for the whole line.
type Position struct {
	File         string
	Line, Column int
}

// SeenFrom describes the position for a problem at another position: "on line 3", or "at
// other.yml:3" if it is in another file.
func (p Position) SeenFrom(other Position) string {
	if p.File == other.File {
		return fmt.Sprintf("on line %d", p.Line)
	}
	return fmt.Sprintf("at %s:%d", p.File, p.Line)
}

// Collector gathers the problems of one or several files that are decoded into one value.
// It knows the position of every key seen, so that a problem needs to name only its key.
type Collector struct {
	name     string // of all files together
	named    []Key  // blocks whose keys are names
	files    []string
	places   map[Key]place
	firsts   map[listPart]int // the index of the part's first item, if not 0
	empty    map[Key]bool     // keys without a value
	invalid  map[Key]bool     // keys with an error
	hidden   map[Key]int      // keys that may be secrets, with the length of the block's key
	problems Problems
}

// place is the position of a key. It is small, because there is one for each key.
type place struct{ file, line int32 }

// listPart is the part of a list that one file has.
type listPart struct {
	file string
	list Key
}

// NewCollector returns a collector. A problem without a position has name as its file. The
// keys of the named blocks are names that the user chooses.
func NewCollector(name string, named ...Key) *Collector {
	return &Collector{
		name: name, named: named, places: make(map[Key]place), firsts: make(map[listPart]int), empty: make(map[Key]bool),
		invalid: make(map[Key]bool), hidden: make(map[Key]int),
	}
}

// Add reports an error at a key. If no file has the key, the error gets the position of the
// innermost enclosing block.
func (c *Collector) Add(key Key, format string, args ...any) {
	c.AddPosition(key, c.Position(key), fmt.Sprintf(format, args...))
}

// AddAt reports an error with a key at a line of the key's file, 0 for the file as a whole.
func (c *Collector) AddAt(line int, key Key, format string, args ...any) {
	c.AddPosition(key, Position{Line: line}, fmt.Sprintf(format, args...))
}

// AddPosition reports an error at a key, with a position of its own: inside the value, for
// instance.
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
	c.Report(Warning, key, c.Position(key), fmt.Sprintf(format, args...))
}

// Report reports a problem of any severity without marking its key invalid. A position
// without a file is in the key's file.
func (c *Collector) Report(severity Severity, key Key, at Position, text string) {
	if at.File == "" {
		at.File = c.Position(key).File
	}
	c.problems = append(c.problems, Problem{
		Severity: severity, File: at.File, Line: at.Line, Column: at.Column,
		Key: c.inFile(at.File, c.shown(key)), Text: text,
		key: Key(strings.Clone(string(key))), // most keys have no problem, and stay on the stack
	})
}

// Require reports that a block lacks a key, unless an error of the block or of the key
// has already been reported.
func (c *Collector) Require(block Key, name, format string, args ...any) {
	if at := block.Field(name); !c.invalid[block] && !c.invalid[at] {
		c.AddPosition(block, c.Position(at), fmt.Sprintf(format, args...))
		c.invalid[block] = false // other keys may be missing too
	}
}

// Invalid reports whether a key has an error.
func (c *Collector) Invalid(key Key) bool { return c.invalid[key] }

// IsSet reports whether a file has a key with a value, even a zero value.
func (c *Collector) IsSet(key Key) bool { return c.places[key].line > 0 && !c.empty[key] }

// Position returns the position of a key or, if no file has it, of the innermost enclosing
// block.
func (c *Collector) Position(key Key) Position {
	for key != "" {
		if at, ok := c.places[key]; ok {
			return Position{File: c.files[at.file], Line: int(at.line)}
		}
		key = key[:max(strings.LastIndexAny(string(key), ".["), 0)]
	}
	return Position{File: c.name}
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

// inFile returns a key with the index that a list's item has in its own file.
func (c *Collector) inFile(file, key string) string {
	list, item, _ := strings.Cut(key, "[")
	first := c.firsts[listPart{file, Key(list)}]
	if first == 0 {
		return key
	}
	index, rest, _ := strings.Cut(item, "]")
	n, _ := strconv.Atoi(index) // made by Key.Item
	return string(Key(list).Item(n-first)) + rest
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

// Problems returns the problems, sorted, without duplicates.
func (c *Collector) Problems() Problems {
	found := slices.Clone(c.problems)
	found.Sort()
	return slices.Compact(found)
}

// Failed reports whether there are errors.
func (c *Collector) Failed() bool { return len(c.problems.Of(Invalid)) > 0 }
