package custom

import (
	"cel.dev/cel-go/cel"
)

// bodyType is the type of a JSON value.
type bodyType struct {
	kind   string               // a key of jsonKinds; empty for an object or a list
	list   *bodyType            // type of the items, if it is a list
	fields map[string]*bodyType // of an object; all are optional, and there may be more
	order  []string             // of the fields
	name   string               // of an object, which distinguishes it
}

// jsonKinds are the types of single values.
var jsonKinds = map[string]struct {
	cel  *cel.Type // that expressions see
	json string    // the type of the JSON value, as encoding/json names it; empty for any
}{
	"text":   {cel.StringType, "string"},
	"number": {cel.DoubleType, "number"},
	"bool":   {cel.BoolType, "bool"},
	"any":    {cel.DynType, ""},
}

// cel returns the type that expressions see.
func (t *bodyType) cel() *cel.Type {
	switch {
	case t.kind != "":
		return jsonKinds[t.kind].cel
	case t.list != nil:
		return cel.ListType(t.list.cel())
	default:
		return cel.ObjectType(t.name)
	}
}

// findMismatch finds the first decoded JSON value that does not have its type. It returns
// the path of the field and the value's JSON type, which is empty if there is no mismatch.
func (t *bodyType) findMismatch(value any) (path []string, got string) {
	is := jsonKind(value)
	switch {
	case value == nil || t.kind == "any" || (t.kind != "" && is == jsonKinds[t.kind].json):
		return nil, ""
	case t.list != nil && is == "array":
		items, _ := value.([]any)
		for _, item := range items {
			if path, got = t.list.findMismatch(item); got != "" {
				return path, got
			}
		}
		return nil, ""
	case t.fields != nil && is == "object":
		object, _ := value.(map[string]any)
		for _, name := range t.order {
			if path, got = t.fields[name].findMismatch(object[name]); got != "" {
				return append([]string{name}, path...), got
			}
		}
		return nil, ""
	}
	return nil, is
}

// jsonName returns the type of the JSON value, with its article.
func (t *bodyType) jsonName() string {
	switch {
	case t.kind != "":
		return "a " + jsonKinds[t.kind].json
	case t.list != nil:
		return "an array"
	}
	return "an object"
}

func jsonKind(value any) string {
	switch value.(type) {
	case string:
		return "string"
	case float64:
		return "number"
	case bool:
		return "bool"
	case []any:
		return "array"
	}
	return "object"
}

// collectObjects adds the object types in t to all, by name: t itself and those inside it.
func (t *bodyType) collectObjects(all map[string]*bodyType) {
	switch {
	case t.list != nil:
		t.list.collectObjects(all)
	case t.fields != nil:
		all[t.name] = t
		for _, field := range t.fields {
			field.collectObjects(all)
		}
	}
}
