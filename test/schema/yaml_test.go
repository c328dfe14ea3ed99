package schema

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// instance returns the value of a document as editors read it: with YAML 1.2, which has no
// dates, and with aliases and merge keys resolved.
func instance(t *testing.T, text string) any {
	t.Helper()
	var document yaml.Node
	must(t, yaml.Unmarshal([]byte(text), &document))
	return value(t, document.Content[0])
}

func value(t *testing.T, node *yaml.Node) any {
	t.Helper()
	switch {
	case node.Kind == yaml.AliasNode:
		return value(t, node.Alias)
	case node.Kind == yaml.SequenceNode:
		items := make([]any, len(node.Content))
		for i, item := range node.Content {
			items[i] = value(t, item)
		}
		return items
	case node.Kind == yaml.MappingNode:
		return object(t, node)
	case node.ShortTag() == "!!str" || node.ShortTag() == "!!timestamp":
		return node.Value
	}
	var single any
	must(t, node.Decode(&single))
	return single
}

func object(t *testing.T, node *yaml.Node) map[string]any {
	t.Helper()
	fields := make(map[string]any)
	add := func(name string, field any) {
		if _, has := fields[name]; !has {
			fields[name] = field
		}
	}
	var merged []any
	for pair := range slices.Chunk(node.Content, 2) {
		if pair[0].ShortTag() != "!!merge" {
			add(pair[0].Value, value(t, pair[1]))
		} else if base := value(t, pair[1]); pair[1].Kind == yaml.SequenceNode {
			merged = append(merged, base.([]any)...)
		} else {
			merged = append(merged, base)
		}
	}
	for _, base := range merged {
		for name, field := range base.(map[string]any) {
			add(name, field)
		}
	}
	return fields
}

// replacements are values of every type, valid for some keys and invalid for others.
var replacements = []string{
	"zzz", `""`, "~", "0", "30", "2.7", "yes", `"yes"`, "1h30m", "2027-01-31", "[]", "[zzz]", "[~]", "[[zzz]]", "{}", "{zzz: [zzz]}",
}

// mutate calls check with copies of a document that have one change each: a value replaced, an
// unknown key added, or a key removed. A key that several entries have is changed in the first
// of them only.
func mutate(t *testing.T, text []byte, check func(changed []byte)) {
	t.Helper()
	var document yaml.Node
	must(t, yaml.Unmarshal(text, &document))
	seen := make(map[string]bool)
	var change func(node *yaml.Node, block string, depth int)
	checkWith := func(node *yaml.Node, other yaml.Node) {
		original := *node
		*node = other
		changed, err := yaml.Marshal(&document)
		must(t, err)
		check(changed)
		*node = original
	}
	change = func(node *yaml.Node, block string, depth int) {
		for _, text := range replacements {
			var other yaml.Node
			must(t, yaml.Unmarshal([]byte(text), &other))
			checkWith(node, *other.Content[0])
		}
		changed := *node
		if node.Kind == yaml.MappingNode {
			changed.Content = append(slices.Clone(node.Content), &yaml.Node{Kind: yaml.ScalarNode, Value: "zzz"}, &yaml.Node{Kind: yaml.ScalarNode, Value: "1"})
			checkWith(node, changed)
		}
		for i, inner := range node.Content {
			name := "[]"
			if node.Kind == yaml.MappingNode {
				if i%2 == 0 {
					continue
				}
				name = node.Content[i-1].Value
			}
			if depth == 0 {
				block = name
			}
			at := fmt.Sprint(block, depth, name)
			if seen[at] {
				continue
			}
			seen[at] = true
			if node.Kind == yaml.MappingNode {
				changed.Content = slices.Delete(slices.Clone(node.Content), i-1, i+1)
				checkWith(node, changed)
			}
			change(inner, block, depth+1)
		}
	}
	change(document.Content[0], "", 0)
}

// firstDifference describes the first line in which two documents differ. after has the format
// of yaml.Marshal.
func firstDifference(before, after []byte) string {
	var normal yaml.Node
	_ = yaml.Unmarshal(before, &normal)
	formatted, _ := yaml.Marshal(&normal)
	old, changed := bytes.Split(formatted, []byte("\n")), bytes.Split(after, []byte("\n"))
	var b strings.Builder
	from := 0
	for from < min(len(old), len(changed)) && bytes.Equal(old[from], changed[from]) {
		from++
	}
	fmt.Fprintf(&b, "line %d: %q instead of %q", from+1, changed[min(from, len(changed)-1)], old[min(from, len(old)-1)])
	return b.String()
}
