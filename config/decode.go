package config

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decode reads one YAML document into shape and reports what does not fit.
//
// The YAML library's own strict mode would stop at the first error of a type
// that decodes itself, and would name Go's types and no keys. So mappings and
// sequences are walked here, by the yaml tags of the shapes, and the library
// decodes the scalars.
func decode(text io.Reader, shape any, found *collected) {
	decoder := yaml.NewDecoder(text)
	var document yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return
	case err != nil:
		line, message := splitYAMLError(err)
		found.addAt(line, "", "not valid YAML: %s", message)
		return
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		found.addAt(0, "", "has more than one YAML document, remove the `---` between them")
		return
	}
	walker{found}.value("", document.Content[0], reflect.ValueOf(shape).Elem())
}

var yamlErrorLine = regexp.MustCompile(`^(?:yaml: )?(?:unmarshal errors:\n\s*)?(?:line (\d+): )?`)

// splitYAMLError takes the line out of the YAML library's message.
func splitYAMLError(err error) (line int, message string) {
	match := yamlErrorLine.FindStringSubmatch(err.Error())
	line, _ = strconv.Atoi(match[1])
	return line, err.Error()[len(match[0]):]
}

type walker struct{ found *collected }

// value decodes a node into target and recurses; key is the path so far.
func (w walker) value(key string, node *yaml.Node, target reflect.Value) {
	node = resolved(node)
	if isNull(node) {
		return // `key:` without a value says nothing
	}
	if target.Kind() == reflect.Pointer {
		target.Set(reflect.New(target.Type().Elem()))
		target = target.Elem()
	}
	switch {
	case node.Kind == yaml.MappingNode && target.Kind() == reflect.Struct:
		w.fields(key, node, target)
	case node.Kind == yaml.MappingNode && target.Kind() == reflect.Map:
		w.entries(key, pairs(node), target)
	case node.Kind == yaml.SequenceNode && target.Kind() == reflect.Slice:
		w.items(key, node, target)
	default:
		w.scalar(key, node, target)
	}
}

func (w walker) fields(key string, node *yaml.Node, target reflect.Value) {
	fields, rest := fieldsByKey(target)
	var others []pair
	for _, p := range w.unique(key, pairs(node)) {
		if field, ok := fields[p.key.Value]; ok {
			at := join(key, p.key.Value)
			w.found.lines[at] = p.key.Line
			w.value(at, p.value, field)
			continue
		}
		if rest.IsValid() {
			others = append(others, p)
			continue
		}
		w.found.addAt(p.key.Line, join(key, p.key.Value), "unknown key%s", suggest(p.key.Value, fields))
	}
	if len(others) > 0 {
		w.entries(key, others, rest)
	}
	w.validate(key, target)
}

// validate asks Prometheus' own blocks for what they check beyond their types.
func (w walker) validate(key string, target reflect.Value) {
	if v, ok := reflect.TypeAssert[interface{ Validate() error }](target.Addr()); ok {
		if err := v.Validate(); err != nil {
			w.found.add(key, "%v", err)
		}
	}
	for i := range target.NumField() {
		if _, option, _ := strings.Cut(target.Type().Field(i).Tag.Get("yaml"), ","); option == "inline" && target.Field(i).Kind() == reflect.Struct {
			w.validate(key, target.Field(i))
		}
	}
}

func (w walker) entries(key string, entries []pair, target reflect.Value) {
	if target.IsNil() {
		target.Set(reflect.MakeMap(target.Type()))
	}
	for _, p := range w.unique(key, entries) {
		at := join(key, p.key.Value)
		w.found.lines[at] = p.key.Line
		element := reflect.New(target.Type().Elem()).Elem()
		w.value(at, p.value, element)
		target.SetMapIndex(reflect.ValueOf(p.key.Value).Convert(target.Type().Key()), element)
	}
}

func (w walker) items(key string, node *yaml.Node, target reflect.Value) {
	items := reflect.MakeSlice(target.Type(), len(node.Content), len(node.Content))
	for i, item := range node.Content {
		at := fmt.Sprintf("%s[%d]", key, i)
		w.found.lines[at] = item.Line
		w.value(at, item, items.Index(i))
	}
	target.Set(items)
}

func (w walker) scalar(key string, node *yaml.Node, target reflect.Value) {
	err := node.Decode(target.Addr().Interface())
	if err == nil {
		return
	}
	text := "must be " + kindName(target)
	if typeErr := (*yaml.TypeError)(nil); !errors.As(err, &typeErr) {
		_, text = splitYAMLError(err) // the type's own words, such as a duration's
	}
	w.found.addAt(node.Line, key, "%s", text)
}

// kindName says in words what a key takes. The value that it got instead is
// not quoted: it may be a secret that slipped a line.
func kindName(target reflect.Value) string {
	switch target.Kind() {
	case reflect.Struct, reflect.Map:
		return "a block of `key: value` lines"
	case reflect.Slice:
		return "a list"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	default:
		return "text"
	}
}

type pair struct{ key, value *yaml.Node }

// pairs lists a mapping's entries, with those that merge keys (`<<: *base`)
// bring in behind its own, which win.
func pairs(node *yaml.Node) []pair {
	var own, merged []pair
	for _, p := range flatPairs(node) {
		if p.key.ShortTag() == "!!merge" {
			merged = append(merged, mergedPairs(p.value)...)
		} else {
			own = append(own, p)
		}
	}
	for _, m := range merged {
		if !slices.ContainsFunc(own, func(p pair) bool { return p.key.Value == m.key.Value }) {
			own = append(own, m)
		}
	}
	return own
}

// mergedPairs lists what a merge key's value has: a mapping, or a list of them.
func mergedPairs(node *yaml.Node) []pair {
	node = resolved(node)
	if node.Kind != yaml.SequenceNode {
		return flatPairs(node)
	}
	var all []pair
	for _, item := range node.Content {
		all = append(all, flatPairs(resolved(item))...)
	}
	return all
}

func flatPairs(node *yaml.Node) []pair {
	if node.Kind != yaml.MappingNode {
		return nil
	}
	var flat []pair
	for i := 0; i+1 < len(node.Content); i += 2 {
		flat = append(flat, pair{node.Content[i], node.Content[i+1]})
	}
	return flat
}

// resolved follows an alias. An alias of an alias cannot be written.
func resolved(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// unique drops the second of two entries with one key, and reports it.
func (w walker) unique(key string, entries []pair) []pair {
	first := make(map[string]int, len(entries))
	return slices.DeleteFunc(entries, func(p pair) bool {
		line, again := first[p.key.Value]
		if again {
			w.found.addAt(p.key.Line, join(key, p.key.Value), "stands here again, it is already at line %d", line)
			return true
		}
		first[p.key.Value] = p.key.Line
		return false
	})
}

// fieldsByKey returns a struct's fields by their YAML keys, those of inlined
// structs among them, and the inlined map that takes all other keys, if any.
func fieldsByKey(target reflect.Value) (fields map[string]reflect.Value, rest reflect.Value) {
	fields = make(map[string]reflect.Value)
	for i := range target.NumField() {
		name, option, _ := strings.Cut(target.Type().Field(i).Tag.Get("yaml"), ",")
		switch {
		case option == "inline" && target.Field(i).Kind() == reflect.Struct:
			inlined, _ := fieldsByKey(target.Field(i))
			maps.Copy(fields, inlined)
		case option == "inline":
			rest = target.Field(i)
		case name != "":
			fields[name] = target.Field(i)
		}
	}
	return fields, rest
}

func isNull(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null"
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
