package strictyaml

import (
	"errors"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Tree is a value of any kind, in the order of the file, for blocks whose keys the user
// chooses.
type Tree struct {
	Line  int
	Kind  yaml.Kind // zero for no value; never an alias
	Tag   string
	Text  string   // of a scalar
	Keys  []string // of a mapping, in order
	Items []Tree   // of a mapping or a list
}

// The limits of a tree. Without them, reading an alias inside its own block would never end.
const (
	maxTreeValues = 1000
	maxTreeDepth  = 20
)

var errTree = errors.New("must be " + treeWords)

const treeWords = "at most 1000 values, at most 20 levels deep, with unique text as keys"

// UnmarshalYAML implements yaml.Unmarshaler. Its error never quotes a value.
func (t *Tree) UnmarshalYAML(node *yaml.Node) error {
	left := maxTreeValues
	return t.read(node, maxTreeDepth, &left)
}

func (t *Tree) read(node *yaml.Node, depth int, left *int) error {
	line := node.Line
	if node = resolved(node); depth == 0 || *left == 0 {
		return errTree
	}
	*left--
	*t = Tree{Line: line, Kind: node.Kind, Tag: node.ShortTag(), Text: node.Value}
	if node.Kind != yaml.MappingNode && node.Kind != yaml.SequenceNode {
		return nil
	}
	t.Text = ""
	for i, content := range node.Content {
		if node.Kind == yaml.MappingNode && i%2 == 0 {
			key := resolved(content)
			if key.Kind != yaml.ScalarNode || key.ShortTag() == "!!merge" || slices.Contains(t.Keys, key.Value) {
				return errTree
			}
			t.Keys = append(t.Keys, key.Value)
			continue
		}
		var item Tree
		if err := item.read(content, depth-1, left); err != nil {
			return err
		}
		t.Items = append(t.Items, item)
	}
	return nil
}

// TextTree returns the tree of a text.
func TextTree(text string) Tree { return Tree{Kind: yaml.ScalarNode, Tag: "!!str", Text: text} }

// Value returns the tree as maps, lists and scalars. A date is text, as in JSON.
func (t Tree) Value() (value any, err error) {
	fields, items := make(map[string]any), make([]any, len(t.Items))
	for i, item := range t.Items {
		if items[i], err = item.Value(); err != nil {
			return nil, err
		}
		if t.Kind == yaml.MappingNode {
			fields[t.Keys[i]] = items[i]
		}
	}
	switch {
	case t.Kind == yaml.MappingNode:
		return fields, nil
	case t.Kind == yaml.SequenceNode:
		return items, nil
	case t.Tag == "!!timestamp":
		return t.Text, nil
	}
	err = t.node().Decode(&value)
	return value, err
}

// MarshalYAML implements yaml.Marshaler.
func (t Tree) MarshalYAML() (any, error) { return t.node(), nil }

func (t Tree) node() *yaml.Node {
	node := &yaml.Node{Kind: t.Kind, Tag: t.Tag, Value: t.Text}
	for i, item := range t.Items {
		if t.Kind == yaml.MappingNode {
			key := new(yaml.Node)
			key.SetString(t.Keys[i])
			node.Content = append(node.Content, key)
		}
		node.Content = append(node.Content, item.node())
	}
	return node
}

// IsZero reports whether the tree is empty, for `omitempty`.
func (t Tree) IsZero() bool { return t.Kind == 0 }
