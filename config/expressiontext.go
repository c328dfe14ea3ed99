package config

import (
	"errors"
	"strings"

	"go.yaml.in/yaml/v3"
)

// expressionText is an expression as it stands in the file.
type expressionText struct {
	text   string
	begin  position
	quoted bool
	block  bool // begins on the line below, indented
}

// position is a place in a text: a line from 1, and a column from 0 in an
// expression, from 1 in the file.
type position struct{ line, column int }

// UnmarshalYAML implements yaml.Unmarshaler. Its error never quotes the value.
func (e *expressionText) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode {
		return errors.New("must be an expression")
	}
	*e = expressionText{
		text: node.Value, begin: position{node.Line, node.Column},
		quoted: node.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0,
		block:  node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0,
	}
	return nil
}

// MarshalYAML implements yaml.Marshaler.
func (e expressionText) MarshalYAML() (any, error) { return e.text, nil }

// IsZero tells `omitempty` that there is none.
func (e expressionText) IsZero() bool { return e.text == "" }

// calls reports whether a function is called at a place.
func (e expressionText) calls(at position) bool {
	lines := strings.Split(e.text, "\n")
	if at.line < 1 || at.line > len(lines) {
		return false
	}
	rest := []rune(lines[at.line-1])
	return at.column < len(rest) && rest[at.column] == '('
}

// at returns where in the file a place of the expression is. Where YAML has
// folded lines or undone escapes, that is no more than the expression's beginning.
func (e expressionText) at(file string, in position) position {
	lines := strings.Split(file, "\n")
	own := strings.Split(e.text, "\n")
	line, column := e.begin.line, e.begin.column+in.column
	if e.quoted {
		column++
	}
	if e.block {
		line += in.line
	}
	if in.line > len(own) || line > len(lines) {
		return e.begin
	}
	begins := strings.Index(lines[line-1], own[in.line-1])
	switch {
	case begins < 0 || (!e.block && in.line > 1):
		return e.begin
	case e.block:
		column = begins + in.column + 1
	}
	return position{line, column}
}
