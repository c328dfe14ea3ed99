package strictyaml

import (
	"maps"
	"reflect"
	"slices"
)

// Schema is a JSON Schema (draft 7), or a part of one. A key without a value sets
// nothing, so every schema but that of a list's item allows null.
type Schema map[string]any

// Documentation is what editors show about a key.
type Documentation struct {
	Text     string
	Required bool
}

// Text is the schema of text, which needs no quotes: 007 is text, too.
func Text() Schema { return Schema{"type": []string{"string", "number", "boolean", "null"}} }

// Pattern is the schema of a text that a regular expression matches, in the syntax that
// Go and JavaScript share. The words describe the text. The language servers for YAML and
// JSON show them in their errors.
func Pattern(words, expression string) Schema {
	must := "must be " + words
	return Schema{"type": []string{"string", "null"}, "pattern": expression, "patternErrorMessage": must, "errorMessage": must}
}

// OneOf is the schema of a text that has one of the values, or is empty.
func OneOf[S ~string](values ...S) Schema {
	return Schema{"anyOf": []Schema{{"enum": values}, {"type": []string{"string", "null"}, "maxLength": 0}}}
}

// Suggested is the schema of any text, with values that editors suggest.
func Suggested(values ...string) Schema {
	return Schema{"anyOf": []Schema{{"enum": values}, Text()}}
}

// Schema returns the schema of the documents that Decode accepts for a type. The schema
// accepts all of them, and rejects documents with an unknown key or a value of the wrong kind.
//
// document documents a key of a block. It returns false for a key to leave out, because
// it is always an error to set it. In the block's path, NAME stands for a key that the
// user chooses, and [] for each item of a list.
func (d *Decoder) Schema(t reflect.Type, document func(block Key, name string) (Documentation, bool)) Schema {
	s := describer{d, document}.value("", t)
	s["$schema"] = "http://json-schema.org/draft-07/schema#"
	return s
}

type describer struct {
	*Decoder
	document func(block Key, name string) (Documentation, bool)
}

// value describes the values of a type, as walker.value decodes them.
func (d describer) value(key Key, t reflect.Type) Schema {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if scalar, ok := d.Scalars[t]; ok {
		if scalar.Schema == nil {
			return Text()
		}
		return maps.Clone(scalar.Schema)
	}
	switch kind := t.Kind(); {
	case t == reflect.TypeFor[Tree]() || kind == reflect.Interface:
		return Schema{}
	case kind == reflect.Struct:
		return d.block(key, t)
	case kind == reflect.Map:
		return Schema{"type": []string{"object", "null"}, "additionalProperties": d.value(key.Field("NAME"), t.Elem())}
	case kind == reflect.Slice:
		item := d.value(key+"[]", t.Elem())
		item["not"] = Schema{"type": "null"}
		return Schema{"type": []string{"array", "null"}, "items": item}
	case kind == reflect.Bool: // also in the words of YAML 1.1, which editors take for text
		s := Pattern(boolWords, "^([yY]|yes|Yes|YES|[nN]|no|No|NO|on|On|ON|off|Off|OFF)$")
		s["type"] = []string{"boolean", "string", "null"}
		return s
	case kind == reflect.Int:
		return Schema{"type": []string{"integer", "null"}}
	default:
		return Text()
	}
}

// block describes a struct by its yaml tags.
func (d describer) block(key Key, t reflect.Type) Schema {
	fields, rest := fieldsByKey(reflect.New(t).Elem())
	properties, required := make(map[string]Schema, len(fields)), []string{}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		documented, ok := d.document(key, name)
		if !ok {
			continue
		}
		properties[name] = d.value(key.Field(name), fields[name].Type())
		properties[name]["description"] = documented.Text
		if documented.Required {
			required = append(required, name)
		}
	}
	s := Schema{"type": []string{"object", "null"}, "properties": properties, "required": required, "additionalProperties": false}
	if rest.IsValid() {
		s["additionalProperties"] = d.value(key.Field("NAME"), rest.Type().Elem())
	}
	return s
}
