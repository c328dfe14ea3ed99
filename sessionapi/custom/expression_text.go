package custom

import (
	"errors"
	"strings"

	"go.yaml.in/yaml/v3"

	"session_exporter/internal/strictyaml"
)

// ExpressionText is an expression as it is written in the file.
type ExpressionText struct {
	text   string
	begin  strictyaml.Position // in the file
	quoted bool
	block  bool // begins on the line below, indented
}

// UnmarshalYAML implements yaml.Unmarshaler. Its error never quotes the value.
func (e *ExpressionText) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode {
		return errors.New("must be an expression")
	}
	*e = ExpressionText{
		text: node.Value, begin: strictyaml.Position{Line: node.Line, Column: node.Column},
		quoted: node.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0,
		block:  node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0,
	}
	return nil
}

// MarshalYAML implements yaml.Marshaler.
func (e ExpressionText) MarshalYAML() (any, error) { return e.text, nil }

// IsZero makes `omitempty` omit an expression that is not set.
func (e ExpressionText) IsZero() bool { return e.text == "" }

// calls reports whether a function is called at a place in the expression, whose column
// counts from 0.
func (e ExpressionText) calls(at strictyaml.Position) bool {
	lines := strings.Split(e.text, "\n")
	if at.Line < 1 || at.Line > len(lines) {
		return false
	}
	rest := []rune(lines[at.Line-1])
	return at.Column < len(rest) && rest[at.Column] == '('
}

// at converts a position in the expression, whose column counts from 0, to one in the file.
// If YAML has folded its lines or decoded escapes, it returns the expression's beginning.
func (e ExpressionText) at(lines []string, in strictyaml.Position) strictyaml.Position {
	own := strings.Split(e.text, "\n")
	line, column := e.begin.Line, e.begin.Column+in.Column
	if e.quoted {
		column++
	}
	if e.block {
		line += in.Line
	}
	if in.Line > len(own) || line > len(lines) {
		return e.begin
	}
	begins := strings.Index(lines[line-1], own[in.Line-1])
	switch {
	case begins < 0 || (!e.block && in.Line > 1):
		return e.begin
	case e.block:
		column = begins + in.Column + 1
	}
	return strictyaml.Position{Line: line, Column: column}
}
