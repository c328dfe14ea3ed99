package config

import (
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

type pair struct{ key, value *yaml.Node }

// pairs lists a mapping's entries, each key once, with those that merge keys
// (`<<: *base`) bring in behind its own, which win.
func (w walker) pairs(key string, node *yaml.Node) []pair {
	m := merged{walker: w, key: key, has: make(map[string]bool), seen: make(map[*yaml.Node]bool)}
	m.add(node)
	*w.left -= len(m.pairs)
	return m.pairs
}

type merged struct {
	walker
	key   string
	pairs []pair
	has   map[string]bool     // the keys of pairs
	seen  map[*yaml.Node]bool // so that a mapping which merges itself comes to an end
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
			m.found.addAt(key.Line, m.key, "has a list or a block where a key should be; put quotes around a key with { or [")
		case again:
			m.again(node.Content[i], line)
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

func (m *merged) again(key *yaml.Node, line int) {
	at := m.key
	if name := resolved(key).Value; name == "<<" || word.MatchString(name) {
		at = join(at, resolved(key).Value)
	}
	m.found.addAt(key.Line, at, "stands here again, it is already at line %d; keep one of them", line)
}

// merge adds what a merge key's value has: a mapping, or a list of them.
func (m *merged) merge(base *yaml.Node) {
	line, list := base.Line, []*yaml.Node{base}
	if base = resolved(base); base.Kind == yaml.SequenceNode {
		list = base.Content
	}
	for _, item := range list {
		if item = resolved(item); item.Kind == yaml.MappingNode {
			m.add(item)
		} else {
			m.found.wrong[m.key] = true // what it lacks may be there
			m.found.addAt(line, join(m.key, "<<"), "must be a block, or a list of blocks, that stands elsewhere as `&name` and here as `*name`")
		}
	}
}

// resolved follows an alias. An alias of an alias cannot be written.
func resolved(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

func isNull(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null"
}

// badName reports whether text cannot name anything: it would be mistaken for
// another name, or break a line of a log.
func badName(text string) bool {
	return text == "" || strings.ContainsFunc(text, unicode.IsControl) || strings.TrimSpace(text) != text
}
