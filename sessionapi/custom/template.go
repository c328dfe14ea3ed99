package custom

import (
	"bytes"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"

	"session_exporter/internal/strictyaml"
)

// template is text with variables in it: `$name`, and `$$` for a dollar sign.
type template []segment

// segment is a variable or, if that is empty, literal text.
type segment struct{ text, variable string }

// lookup returns the value of a variable, and whether it has one.
type lookup func(variable string) (value string, known bool)

// fill replaces the variables with their values. complete is false if one has none.
func (t template) fill(values lookup) (text string, complete bool) {
	var b strings.Builder
	for _, s := range t {
		if s.variable == "" {
			b.WriteString(s.text)
			continue
		}
		text, known := values(s.variable)
		if !known {
			return "", false
		}
		b.WriteString(text)
	}
	return b.String(), true
}

// uses reports whether the template has a variable.
func (t template) uses(variable string) bool {
	return slices.ContainsFunc(t, func(s segment) bool { return s.variable == variable })
}

var variables = regexp.MustCompile(`\$(\$|[A-Za-z_][A-Za-z0-9_]*)?`)

// parseTemplate parses a template. It fails on a `$` without a known variable.
func parseTemplate(text string, known []string) (template, error) {
	var t template
	end := 0
	for _, at := range variables.FindAllStringIndex(text, -1) {
		if at[0] > end {
			t = append(t, segment{text: text[end:at[0]]})
		}
		name := text[at[0]+1 : at[1]]
		switch end = at[1]; {
		case name == "$":
			t = append(t, segment{text: "$"})
		case slices.Contains(known, name):
			t = append(t, segment{variable: name})
		default:
			shown := slices.DeleteFunc(slices.Clone(known), func(name string) bool { return !strictyaml.IsWord(name) })
			return nil, fmt.Errorf("has a `$` without a known variable; use one of %s, or `$$` for a dollar sign", "$"+strings.Join(shown, ", $"))
		}
	}
	if end < len(text) {
		t = append(t, segment{text: text[end:]})
	}
	return t, nil
}

// value is a JSON value with variables in its texts.
type value struct {
	text   template
	raw    string // as in JSON: a number, true, false or null
	fields []string
	items  []value // of a list, or of the fields
	kind   yaml.Kind
}

// json encodes the value as JSON, without the fields whose variables have no values.
func (v *value) json(values lookup) []byte {
	var b bytes.Buffer
	v.encode(&b, values)
	return b.Bytes()
}

// isKnown reports whether all variables of the text have values.
func (v *value) isKnown(values lookup) bool {
	_, complete := v.text.fill(values) // only text has variables
	return complete
}

func (v *value) encode(b *bytes.Buffer, values lookup) {
	switch {
	case v.kind == yaml.ScalarNode && v.raw != "":
		b.WriteString(v.raw)
	case v.kind == yaml.ScalarNode:
		text, _ := v.text.fill(values)
		b.Write(quoted(text))
	default:
		brackets := "[]"
		if v.kind == yaml.MappingNode {
			brackets = "{}"
		}
		b.WriteByte(brackets[0])
		first := true
		for i := range v.items {
			if !v.items[i].isKnown(values) {
				continue
			}
			if !first {
				b.WriteByte(',')
			}
			first = false
			if v.kind == yaml.MappingNode {
				b.Write(append(quoted(v.fields[i]), ':'))
			}
			v.items[i].encode(b, values)
		}
		b.WriteByte(brackets[1])
	}
}

// quoted returns text as a JSON string. Unlike encoding/json it escapes nothing that
// JSON does not require, because some servers compare bytes.
func quoted(text string) []byte {
	encoded, _ := jsontext.AppendQuote(nil, text) // its error is about invalid UTF-8, which it replaces
	return encoded
}

// form encodes the fields as application/x-www-form-urlencoded, without those whose
// variables have no values.
func (v *value) form(values lookup) []byte {
	var b strings.Builder
	for i, field := range v.fields {
		text, complete := v.items[i].text.fill(values)
		if !complete {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(field) + "=" + url.QueryEscape(text))
	}
	return []byte(b.String())
}

func (v *value) uses(variable string) bool {
	return v.text.uses(variable) || slices.ContainsFunc(v.items, func(item value) bool { return item.uses(variable) })
}
