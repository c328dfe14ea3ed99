package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Template is text with variables in it: `$name`, and `$$` for a dollar sign.
type Template []segment

// segment is text as it is or, where that is not empty, a variable.
type segment struct{ text, variable string }

// Lookup gives the value of a variable, and whether it has one.
type Lookup func(variable string) (value string, known bool)

// Fill puts values in, and reports whether all of them are known.
func (t Template) Fill(value Lookup) (text string, complete bool) {
	var b strings.Builder
	for _, s := range t {
		if s.variable == "" {
			b.WriteString(s.text)
			continue
		}
		text, known := value(s.variable)
		if !known {
			return "", false
		}
		b.WriteString(text)
	}
	return b.String(), true
}

// uses reports whether a variable is in it.
func (t Template) uses(variable string) bool {
	return slices.ContainsFunc(t, func(s segment) bool { return s.variable == variable })
}

var variables = regexp.MustCompile(`\$(\$|[A-Za-z_][A-Za-z0-9_]*)?`)

// parseTemplate reads a template. Where a `$` stands for none of the known
// variables, it says so.
func parseTemplate(text string, known []string) (Template, error) {
	var t Template
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
			return nil, fmt.Errorf("has a `$` that starts no variable there is here; write one of %s, or `$$` for a dollar sign", "$"+strings.Join(known, ", $"))
		}
	}
	if end < len(text) {
		t = append(t, segment{text: text[end:]})
	}
	return t, nil
}

// Value is a JSON value with variables in its texts.
type Value struct {
	text   Template
	raw    string // as JSON has it: a number, true, false or null
	fields []string
	items  []Value // of a list, or of the fields
	kind   yaml.Kind
}

// JSON encodes the value. A field whose variable has no value is left out.
func (v *Value) JSON(value Lookup) []byte {
	var b bytes.Buffer
	v.encode(&b, value)
	return b.Bytes()
}

// known reports whether the value can be said.
func (v *Value) known(value Lookup) bool {
	if v.kind != yaml.ScalarNode || v.raw != "" {
		return true
	}
	_, complete := v.text.Fill(value)
	return complete
}

func (v *Value) encode(b *bytes.Buffer, value Lookup) {
	switch {
	case v.kind == yaml.ScalarNode && v.raw != "":
		b.WriteString(v.raw)
	case v.kind == yaml.ScalarNode:
		text, _ := v.text.Fill(value)
		quoted, _ := json.Marshal(text) // a string can always be encoded
		b.Write(quoted)
	default:
		brackets := "[]"
		if v.kind == yaml.MappingNode {
			brackets = "{}"
		}
		b.WriteByte(brackets[0])
		first := true
		for i := range v.items {
			if !v.items[i].known(value) {
				continue
			}
			if !first {
				b.WriteByte(',')
			}
			first = false
			if v.kind == yaml.MappingNode {
				name, _ := json.Marshal(v.fields[i])
				b.Write(append(name, ':'))
			}
			v.items[i].encode(b, value)
		}
		b.WriteByte(brackets[1])
	}
}

// Form encodes the fields as a form does.
func (v *Value) Form(value Lookup) []byte {
	var b strings.Builder
	for i, field := range v.fields {
		text, complete := v.items[i].text.Fill(value)
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

func (v *Value) uses(variable string) bool {
	return v.text.uses(variable) || slices.ContainsFunc(v.items, func(item Value) bool { return item.uses(variable) })
}

// value turns what a body says into a value, and reports what is wrong with it.
func (l *loader) value(key string, t tree, send Send, known []string) *Value {
	v := &Value{kind: t.kind, fields: t.keys}
	var err error
	switch {
	case t.kind == yaml.ScalarNode && (t.tag == "!!str" || t.tag == "!!timestamp" || send == SendForm): // JSON has no dates
		v.text, err = parseTemplate(t.text, known)
	case t.kind == yaml.ScalarNode && t.tag == "!!null":
		v.raw = "null"
	case t.kind == yaml.ScalarNode:
		// As it stands there: decoded, a long number would lose digits, and 0123 be 83.
		if v.raw = strings.ToLower(t.text); !json.Valid([]byte(v.raw)) {
			err = errors.New("is not written as JSON has it; put quotes around it, or write a plain number, true or false")
		}
	}
	if err != nil {
		l.addAt(t.line, key, "%v", err)
	}
	for _, item := range t.items {
		if send == SendForm && item.kind != yaml.ScalarNode {
			l.addAt(item.line, key, "has a block or a list inside, which no form can carry; give each field text")
			continue
		}
		v.items = append(v.items, *l.value(key, item, send, known))
	}
	return v
}
