package config

import (
	"errors"
	"slices"

	"go.yaml.in/yaml/v3"
)

// tree is a value of any kind, in the order of the file, for blocks whose keys
// are the user's own.
type tree struct {
	line  int
	kind  yaml.Kind // zero for nothing; never an alias
	tag   string
	text  string   // of a scalar
	keys  []string // of a mapping, in order
	items []tree   // of a mapping or a list
}

// The most that a tree may have. Aliases of aliases could exceed any bound.
const (
	maxTreeValues = 1000
	maxTreeDepth  = 20
)

var errTree = errors.New("must be " + treeWords)

const treeWords = "values with no more than 1000 values inside, 20 deep, and text as keys, each once"

// UnmarshalYAML implements yaml.Unmarshaler. Its error never quotes a value.
func (t *tree) UnmarshalYAML(node *yaml.Node) error {
	left := maxTreeValues
	return t.read(node, maxTreeDepth, &left)
}

func (t *tree) read(node *yaml.Node, depth int, left *int) error {
	line := node.Line
	if node = resolved(node); depth == 0 || *left == 0 {
		return errTree
	}
	*left--
	*t = tree{line: line, kind: node.Kind, tag: node.ShortTag(), text: node.Value}
	if node.Kind != yaml.MappingNode && node.Kind != yaml.SequenceNode {
		return nil
	}
	t.text = ""
	for i, content := range node.Content {
		if node.Kind == yaml.MappingNode && i%2 == 0 {
			key := resolved(content)
			if key.Kind != yaml.ScalarNode || key.ShortTag() == "!!merge" || slices.Contains(t.keys, key.Value) {
				return errTree
			}
			t.keys = append(t.keys, key.Value)
			continue
		}
		var item tree
		if err := item.read(content, depth-1, left); err != nil {
			return err
		}
		t.items = append(t.items, item)
	}
	return nil
}

// MarshalYAML implements yaml.Marshaler.
func (t tree) MarshalYAML() (any, error) { return t.node(), nil }

func (t tree) node() *yaml.Node {
	node := &yaml.Node{Kind: t.kind, Tag: t.tag, Value: t.text}
	for i, item := range t.items {
		if t.kind == yaml.MappingNode {
			key := new(yaml.Node)
			key.SetString(t.keys[i])
			node.Content = append(node.Content, key)
		}
		node.Content = append(node.Content, item.node())
	}
	return node
}

// IsZero tells `omitempty` that there is nothing.
func (t tree) IsZero() bool { return t.kind == 0 }
