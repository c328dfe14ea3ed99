package config

import (
	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"go.yaml.in/yaml/v3"
)

// Type is what a JSON value must be.
type Type struct {
	kind   string           // a key of jsonKinds; empty for an object or a list
	list   *Type            // of what, if it is a list
	fields map[string]*Type // of an object; all are optional, and there may be more
	order  []string         // of the fields
	name   string           // of an object, to tell it from the others
}

// jsonKinds are the types of single values, with what expressions see.
var jsonKinds = map[string]*cel.Type{
	"text":   cel.StringType,
	"number": cel.DoubleType,
	"bool":   cel.BoolType,
	"any":    cel.DynType,
}

const bodyWords = "text, number, bool, any, a list such as [text], or a block of fields and their types"

// bodyType reads what `body` says, and reports what is wrong with it. An object
// is named for where it stands, and as no identifier is: an expression would take
// it for the type's name.
func (l *loader) bodyType(key, name string, t tree) *Type {
	own := &Type{name: name}
	switch {
	case t.kind == yaml.ScalarNode && jsonKinds[t.text] != nil:
		own.kind = t.text
	case t.kind == yaml.SequenceNode && len(t.items) == 1:
		own.list = l.bodyType(key, name, t.items[0])
	case t.kind == yaml.MappingNode:
		own.order = t.keys
		own.fields = make(map[string]*Type, len(t.keys))
		for i, field := range t.keys {
			own.fields[field] = l.bodyType(join(key, field), join(name, field), t.items[i])
		}
	default:
		l.addAt(t.line, key, "must be one of: "+bodyWords)
		own.kind = "any" // so that nothing more is found wrong with it
	}
	return own
}

// cel returns the type that expressions see.
func (t *Type) cel() *cel.Type {
	switch {
	case t.kind != "":
		return jsonKinds[t.kind]
	case t.list != nil:
		return cel.ListType(t.list.cel())
	default:
		return cel.ObjectType(t.name)
	}
}

// Misfit finds the first value, as encoding/json decodes it, that is not of its
// type. It names the field by its path, and what stands there instead.
func (t *Type) Misfit(value any) (path []string, instead string) {
	is := jsonKind(value)
	switch {
	case value == nil || t.kind == "any" || (t.kind != "" && is == kindsInJSON[t.kind]):
		return nil, ""
	case t.list != nil && is == "array":
		items, _ := value.([]any)
		for _, item := range items {
			if path, instead = t.list.Misfit(item); instead != "" {
				return path, instead
			}
		}
		return nil, ""
	case t.fields != nil && is == "object":
		object, _ := value.(map[string]any)
		for _, name := range t.order {
			if path, instead = t.fields[name].Misfit(object[name]); instead != "" {
				return append([]string{name}, path...), instead
			}
		}
		return nil, ""
	}
	return nil, is
}

// Words says what the type is.
func (t *Type) Words() string {
	switch {
	case t.kind != "":
		return kindsInJSON[t.kind]
	case t.list != nil:
		return "array"
	}
	return "object"
}

// kindsInJSON are the words of the JSON specification for single values.
var kindsInJSON = map[string]string{"text": "string", "number": "number", "bool": "bool"}

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

// objects lists a type and those inside it that are objects, by their names.
func (t *Type) objects(all map[string]*Type) {
	switch {
	case t.list != nil:
		t.list.objects(all)
	case t.fields != nil:
		all[t.name] = t
		for _, field := range t.fields {
			field.objects(all)
		}
	}
}

// provider tells the type checker the fields of objects. When an expression is
// evaluated they are the maps that JSON was decoded into.
type provider struct {
	types.Provider
	objects map[string]*Type
}

func (p provider) FindStructType(name string) (*types.Type, bool) {
	if _, ok := p.objects[name]; ok {
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return p.Provider.FindStructType(name)
}

func (p provider) FindStructFieldNames(name string) ([]string, bool) {
	if t, ok := p.objects[name]; ok {
		return t.order, true
	}
	return p.Provider.FindStructFieldNames(name)
}

func (p provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	t, ok := p.objects[name]
	if !ok {
		return p.Provider.FindStructFieldType(name, field)
	}
	if own, ok := t.fields[field]; ok {
		return &types.FieldType{Type: own.cel()}, true
	}
	return nil, false
}
