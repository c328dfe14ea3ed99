package strictyaml

import (
	"go.yaml.in/yaml/v3"
)

type pair struct{ key, value *yaml.Node }

// merged collects a mapping's entries without duplicates. Those from merge keys (`<<: *base`)
// follow its own, which take precedence.
type merged struct {
	walker
	key   Key
	pairs []pair
	has   map[string]bool     // the keys of pairs
	seen  map[*yaml.Node]bool // stops a mapping that merges itself
}

func (m *merged) add(node *yaml.Node) {
	if m.seen[node] {
		return
	}
	m.seen[node] = true
	var bases []*yaml.Node
	lines := make(map[string]int, len(node.Content)/2)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := resolved(node.Content[i]), node.Content[i+1]
		line, again := lines[key.Value]
		lines[key.Value] = node.Content[i].Line
		switch {
		case key.Kind != yaml.ScalarNode:
			m.problem(key.Line, m.key, "has a list or a block where a key should be; put quotes around a key with { or [")
		case again:
			at := m.key
			if name := key.Value; name == "<<" || m.collector.quotable(m.key, name, false) {
				at = at.Field(name)
			}
			m.problem(node.Content[i].Line, at, "duplicate key (first used on line %d)", line)
		case key.ShortTag() == "!!merge":
			bases = append(bases, value)
		case !m.has[key.Value]:
			m.has[key.Value] = true
			m.pairs = append(m.pairs, pair{key, value})
		}
	}
	for _, base := range bases {
		m.merge(base)
	}
}

// merge adds the entries of a merge key's value: a mapping, or a list of mappings.
func (m *merged) merge(base *yaml.Node) {
	line, list := base.Line, []*yaml.Node{base}
	if base = resolved(base); base.Kind == yaml.SequenceNode {
		list = base.Content
	}
	for _, item := range list {
		if item = resolved(item); item.Kind == yaml.MappingNode {
			m.add(item)
		} else {
			m.collector.invalid[m.key] = true // a missing key may be in there
			m.problem(line, m.key.Field("<<"), "must be `*name` for a block marked `&name` elsewhere, or a list of these")
		}
	}
}

// resolved returns the node that an alias stands for, which is never an alias itself, or any
// other node as it is.
func resolved(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

func isNull(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null"
}
