package config

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"strings"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// decode reads one YAML document into shape and reports what does not fit. It
// returns false when the text is no single YAML document, so that nothing more
// can be said about it.
//
// The YAML library's own strict mode would stop at the first error of a type
// that decodes itself, and would name Go's types and no keys. So mappings and
// sequences are walked here, by the yaml tags of the shapes, and the library
// decodes the scalars.
func decode(text []byte, shape any, found *collected) bool {
	lines := &lineReader{rest: text}
	documents, err := documents(lines)
	switch {
	case err != nil:
		line, advice := syntaxError(err, text, lines.begun)
		found.addAt(line, "", "not valid YAML: %s", advice)
		return false
	case len(documents) == 0:
		return true // only comments, or nothing
	case len(documents) > 1:
		found.addAt(documents[1].Line, "", "a second YAML document; remove the `---` between them")
		return false
	}
	// What is written out has fewer values than bytes. Only aliases of aliases
	// can exceed that, and grow without bound.
	left := len(text) + 100_000
	walker{found, &left}.value("", documents[0].Content[0], reflect.ValueOf(shape).Elem())
	if left < 0 {
		found.problems = nil // as many as there are aliases
		found.addAt(0, "", "its aliases (`*name`) repeat too much; write out what they stand for")
	}
	return left >= 0
}

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
	found *collected
	left  *int // how many more values may be read
}

// value decodes a node into target and recurses; key is the path so far.
func (w walker) value(key string, node *yaml.Node, target reflect.Value) {
	node = resolved(node)
	if isNull(node) || *w.left < 0 {
		return // `key:` without a value says nothing
	}
	if target.Kind() == reflect.Pointer {
		target.Set(reflect.New(target.Type().Elem()))
		target = target.Elem()
	}
	_, single := scalars[target.Type()]
	switch {
	case target.Kind() == reflect.Interface:
		// Takes anything, and means nothing here: see checkGrant.
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

// word is what a key looks like. Anything else in its place is not quoted: it
// may be a secret that lost its key.
var word = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,39}$`)

func (w walker) fields(key string, node *yaml.Node, target reflect.Value) {
	fields, rest := fieldsByKey(target)
	var others []pair
	for _, p := range w.pairs(key, node) {
		name := p.key.Value
		field, known := fields[name]
		switch {
		case known:
			at := join(key, name)
			w.found.lines[at], w.found.empty[at] = p.key.Line, isNull(resolved(p.value))
			w.value(at, p.value, field)
		case rest.IsValid():
			others = append(others, p)
		case word.MatchString(name):
			w.found.addAt(p.key.Line, join(key, name), "unknown key%s", suggest(name, fields))
		default:
			w.found.addAt(p.key.Line, key, "has what is no key (is there no space behind the colon?)%s", oneOf(fields))
		}
	}
	if len(others) > 0 {
		w.entries(key, others, rest)
	}
}

func (w walker) entries(key string, entries []pair, target reflect.Value) {
	if target.IsNil() {
		target.Set(reflect.MakeMap(target.Type()))
	}
	for _, p := range entries {
		if badName(p.key.Value) {
			w.found.addAt(p.key.Line, key, "has a key that is empty, or has control characters, or spaces at its ends")
			continue
		}
		at := join(key, p.key.Value)
		w.found.lines[at] = p.key.Line
		element := reflect.New(target.Type().Elem()).Elem()
		w.value(at, p.value, element)
		target.SetMapIndex(reflect.ValueOf(p.key.Value).Convert(target.Type().Key()), element)
	}
}

func (w walker) items(key string, node *yaml.Node, target reflect.Value) {
	*w.left -= len(node.Content)
	items := reflect.MakeSlice(target.Type(), len(node.Content), len(node.Content))
	for i, item := range node.Content {
		at := index(key, i)
		w.found.lines[at] = item.Line
		if isNull(resolved(item)) {
			w.found.add(at, "has no value; give it one, or remove the line")
			continue
		}
		w.value(at, item, items.Index(i))
	}
	target.Set(items)
}

// scalar decodes a value, and reports one that does not fit in our own words:
// the library's would quote it, and it may be a secret that slipped a line.
func (w walker) scalar(key string, node *yaml.Node, target reflect.Value) {
	err := node.Decode(target.Addr().Interface())
	cut := target.Kind() == reflect.Int && node.ShortTag() != "!!int" // 2.7 would become 2
	long := target.Type() == reflect.TypeFor[model.Duration]() && target.Int() > int64(maxDuration)
	if err != nil || cut || long {
		w.found.addAt(node.Line, key, "must be %s", kindName(target))
	}
}

// scalars are the types that decode themselves from a single value, and what
// they take in words.
var scalars = map[reflect.Type]string{
	reflect.TypeFor[Secret]():                "text",
	reflect.TypeFor[model.Duration]():        "a duration such as 30s, 5m or 90d, 100y at most",
	reflect.TypeFor[date]():                  "a date such as 2027-01-31 or 2027-01-31T12:00:00Z",
	reflect.TypeFor[promconfig.TLSVersion](): "one of: TLS10, TLS11, TLS12, TLS13",
	reflect.TypeFor[promconfig.URL]():        proxyWords,
	reflect.TypeFor[expressionText]():        "an expression",
	reflect.TypeFor[tree]():                  treeWords,
}

// kindName says in words what a key takes.
func kindName(target reflect.Value) string {
	if words, ok := scalars[target.Type()]; ok {
		return words
	}
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

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func index(key string, i int) string { return fmt.Sprintf("%s[%d]", key, i) }
