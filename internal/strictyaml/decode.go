// Package strictyaml decodes YAML strictly: an unknown key, a duplicate or a value of the
// wrong type is a problem with a file, a line and a key, and all problems of a file are
// reported together. They never quote a value, and a key only if it looks like one, since
// anything else may be a secret in the wrong place.
package strictyaml

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Decoder decodes YAML into structs, maps, slices, scalars and pointers to them, by the
// yaml tags of the structs.
//
// The YAML library's strict mode stops at the first error of a type that decodes
// itself, and its errors name Go types and no keys. So the decoder walks mappings and
// sequences itself, and the library decodes the scalars.
type Decoder struct {
	// Scalars are the types that decode themselves, or have a fixed set of values.
	Scalars map[reflect.Type]Scalar
	// Inspect is called with each decoded scalar; target points to it. It may be nil.
	Inspect func(key Key, node *yaml.Node, target any)
}

// Scalar describes a type that decodes itself, or has a fixed set of values.
type Scalar struct {
	// Words describe what a value must be, as in "a date such as 2027-01-31". Empty for
	// text.
	Words string
	// Schema describes the values to editors, nil for any text. It may be wider than what
	// decodes.
	Schema Schema
	// Valid reports whether a decoded value is within bounds; target points to it. It may
	// be nil.
	Valid func(target any) bool
}

// Decode reads the text of a file, one YAML document or none, into target, a pointer, and
// reports what does not fit. It returns false if the text is not YAML, has a second document,
// or repeats too much by aliases.
//
// Several files may be decoded into one target. Each adds to the maps and lists at the top of
// the target. Any other field, or a map's entry, that an earlier file has is a problem.
func (d *Decoder) Decode(file string, text []byte, target any, collector *Collector) bool {
	left := len(text) + maxAliased
	w := walker{d, collector, &left, int32(len(collector.files))}
	collector.files = append(collector.files, file)
	earlier := len(collector.problems)
	lines := &lineReader{rest: text}
	documents, err := documents(lines)
	switch {
	case err != nil:
		line, message := syntaxError(err, lines.begun)
		w.problem(line, "", "not valid YAML: %s", message)
		return false
	case len(documents) == 0:
		return true // empty, or only comments
	case len(documents) > 1:
		w.problem(documents[1].Line, "", "a second YAML document begins here; remove the `---` before it")
		return false
	}
	w.value("", documents[0].Content[0], reflect.ValueOf(target).Elem())
	if left < 0 {
		collector.problems = collector.problems[:earlier] // there is one for each alias
		w.problem(0, "", "its aliases (`*name`) repeat too much; write out what they stand for")
	}
	return left >= 0
}

// maxAliased is the number of values that a file may have in addition to its bytes. Without
// aliases, a text has fewer values than bytes. Blocks of aliases for blocks of aliases
// multiply without bound.
const maxAliased = 100_000

func documents(text io.Reader) (all []*yaml.Node, err error) {
	decoder := yaml.NewDecoder(text)
	for {
		var document yaml.Node
		switch err := decoder.Decode(&document); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, err
		}
		all = append(all, &document)
	}
}

type walker struct {
	*Decoder
	collector *Collector
	left      *int  // number of values that may still be read
	file      int32 // index in the collector's files
}

// problem reports an error at a line of the file, 0 for the file as a whole.
func (w walker) problem(line int, key Key, format string, args ...any) {
	w.collector.AddPosition(key, w.at(line), fmt.Sprintf(format, args...))
}

func (w walker) at(line int) Position { return Position{File: w.collector.files[w.file], Line: line} }

// begin records the position of a key, and reports whether to decode its value. A key that
// an earlier file has is a problem, unless joins is set: the values are then joined.
func (w walker) begin(at Key, p pair, joins bool) bool {
	empty := isNull(resolved(p.value))
	if w.file > 0 {
		if _, again := w.collector.places[at]; again {
			switch first := w.collector.Position(at); {
			case joins:
				w.collector.empty[at] = w.collector.empty[at] && empty
			case strings.Contains(string(at), "."):
				w.problem(p.key.Line, at, "duplicate key (first used %s)", first.SeenFrom(w.at(0)))
			default:
				w.problem(p.key.Line, at, "only one file may have this, and it is also %s; move its keys there", first.SeenFrom(w.at(0)))
			}
			return joins
		}
	}
	w.collector.places[at], w.collector.empty[at] = place{w.file, int32(p.key.Line)}, empty
	return true
}

// value decodes a node into target, recursively; key is its path.
func (w walker) value(key Key, node *yaml.Node, target reflect.Value) {
	node = resolved(node)
	if isNull(node) || *w.left < 0 {
		return // `key:` without a value sets nothing
	}
	if target.Kind() == reflect.Pointer {
		target.Set(reflect.New(target.Type().Elem()))
		target = target.Elem()
	}
	_, single := w.Scalars[target.Type()]
	single = single || target.Type() == reflect.TypeFor[Tree]()
	switch {
	case target.Kind() == reflect.Interface:
		// An interface takes anything.
	case node.Kind == yaml.MappingNode && target.Kind() == reflect.Struct && !single:
		w.fields(key, node, target)
	case node.Kind == yaml.MappingNode && target.Kind() == reflect.Map:
		w.entries(key, w.pairs(key, node), target)
	case node.Kind == yaml.SequenceNode && target.Kind() == reflect.Slice:
		w.items(key, node, target)
	default:
		w.scalar(key, node, target)
	}
}

func (w walker) fields(key Key, node *yaml.Node, target reflect.Value) {
	fields, rest := fieldsByKey(target)
	var unowned []pair
	for _, p := range w.pairs(key, node) {
		name := p.key.Value
		field, known := fields[name]
		switch {
		case known:
			joins := key == "" && (field.Kind() == reflect.Map || field.Kind() == reflect.Slice)
			if at := key.Field(name); w.begin(at, p, joins) {
				w.value(at, p.value, field)
			}
		case rest.IsValid():
			unowned = append(unowned, p)
		default:
			w.unknown(key, p, fields)
		}
	}
	if len(unowned) > 0 {
		w.entries(key, unowned, rest)
	}
}

// unknown reports an unknown key of a block.
func (w walker) unknown(block Key, p pair, fields map[string]reflect.Value) {
	name := p.key.Value
	switch {
	case w.collector.quotable(block, name, isNull(resolved(p.value))):
		w.problem(p.key.Line, block.Field(name), "unknown key%s", Suggest(name, fields))
	case IsWord(name):
		w.problem(p.key.Line, block, "unknown key without a value%s", Suggest(name, fields))
	default:
		w.problem(p.key.Line, block, "invalid key (is a space missing after a colon?)%s", oneOf(fields))
	}
}

// pairs returns a mapping's entries, and counts them as read.
func (w walker) pairs(key Key, node *yaml.Node) []pair {
	m := merged{walker: w, key: key, has: make(map[string]bool), seen: make(map[*yaml.Node]bool)}
	m.add(node)
	*w.left -= len(m.pairs)
	return m.pairs
}

func (w walker) entries(key Key, entries []pair, target reflect.Value) {
	if target.IsNil() {
		target.Set(reflect.MakeMap(target.Type()))
	}
	for _, p := range entries {
		if BadName(p.key.Value) {
			w.problem(p.key.Line, key, "has a key that is empty, contains control characters, or starts or ends with a space")
			continue
		}
		at := key.Field(p.key.Value)
		if !w.begin(at, p, false) {
			continue
		}
		w.collector.Hide(key, p.key.Value, w.collector.empty[at])
		element := reflect.New(target.Type().Elem()).Elem()
		w.value(at, p.value, element)
		target.SetMapIndex(reflect.ValueOf(p.key.Value).Convert(target.Type().Key()), element)
	}
}

func (w walker) items(key Key, node *yaml.Node, target reflect.Value) {
	*w.left -= len(node.Content)
	if target.IsNil() {
		target.Set(reflect.MakeSlice(target.Type(), 0, len(node.Content)))
	}
	first := target.Len() // of an earlier file
	if first > 0 {
		w.collector.firsts[listPart{w.collector.files[w.file], key}] = first
	}
	target.Grow(len(node.Content))
	target.SetLen(first + len(node.Content))
	for i, item := range node.Content {
		at := key.Item(first + i)
		w.collector.places[at] = place{w.file, int32(item.Line)}
		if isNull(resolved(item)) {
			w.collector.Add(at, "has no value; give it one, or remove the line")
			continue
		}
		w.value(at, item, target.Index(first+i))
	}
}

// scalar decodes a value, and reports one that does not fit. It does not show the
// library's error, which quotes the value: that may be a secret on the wrong line.
func (w walker) scalar(key Key, node *yaml.Node, target reflect.Value) {
	pointer := target.Addr().Interface()
	err := node.Decode(pointer)
	truncated := target.Kind() == reflect.Int && node.ShortTag() != "!!int" // 2.7 would become 2
	valid := w.Scalars[target.Type()].Valid
	if err != nil || truncated || valid != nil && !valid(pointer) {
		w.problem(node.Line, key, "must be %s", w.words(target))
		return
	}
	if w.Inspect != nil {
		w.Inspect(key, node, pointer)
	}
}

const boolWords = "true or false"

// words describes the values that a key takes.
func (w walker) words(target reflect.Value) string {
	if words := w.Scalars[target.Type()].Words; words != "" {
		return words
	}
	if target.Type() == reflect.TypeFor[Tree]() {
		return treeWords
	}
	switch target.Kind() {
	case reflect.Struct, reflect.Map:
		return "a block of `key: value` lines"
	case reflect.Slice:
		return "a list"
	case reflect.Bool:
		return boolWords
	case reflect.Int:
		return "a whole number"
	default:
		return "text"
	}
}

// fieldsByKey returns a struct's fields by their YAML keys, including those of inlined
// structs, and the inlined map that takes all other keys, if any.
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
