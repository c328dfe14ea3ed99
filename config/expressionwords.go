package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/decls"
	"cel.dev/cel-go/common/types"
)

var (
	undeclared = regexp.MustCompile(`^undeclared reference to '(\w{1,40})'`)
	noField    = regexp.MustCompile(`^undefined field '(\w{1,40})'`)
	noOverload = regexp.MustCompile(`^found no matching overload for '([^']{1,40})' applied to '(.{1,200})'$`)
)

// inOurWords retells the library's messages, without what they quote: it may be
// a secret in the wrong place, and the column points at it.
func (c *compiler) inOurWords(env *cel.Env, message string, call bool) string {
	match := undeclared.FindStringSubmatch(message)
	switch {
	case match != nil && call:
		return "there is no such function for this type"
	case match != nil:
		return "there is no such variable here" + suggest(match[1], known(env))
	}
	if match := noField.FindStringSubmatch(message); match != nil {
		return "the API's `body` lists no such field" + suggest(match[1], c.fields())
	}
	if match := noOverload.FindStringSubmatch(message); match != nil {
		return "`" + strings.Trim(match[1], "_") + "` cannot be used with " + match[2]
	}
	switch {
	case strings.Contains(message, "nesting limit"):
		return "has a loop inside of a loop or behind one, which takes for ever on a long list; use one, such as map(x, condition, value)"
	case strings.HasPrefix(message, "Syntax error: token recognition"):
		return "has a character that no expression has, or a quote that is not closed"
	case strings.HasPrefix(message, "Syntax error: mismatched input '<EOF>'"):
		return "ends too early"
	case strings.HasPrefix(message, "Syntax error"):
		return "does not continue like an expression here"
	case strings.Contains(message, "size exceeds"), strings.Contains(message, "recursion"), strings.Contains(message, "max depth"):
		return "is too long, or has too many parentheses"
	case strings.HasPrefix(message, "invalid "): // invalid timestamp argument
		return "has an " + message
	case strings.HasPrefix(message, "expected type "):
		return "has a value of the wrong type: " + message
	}
	return "does not compile"
}

// known are the variables that an expression may have.
func known(env *cel.Env) map[string]bool {
	all := make(map[string]bool)
	for _, name := range []string{"status", "ok", "step", "headers", "now", "body", "error_code", "username"} {
		all[name] = slices.ContainsFunc(env.Variables(), func(v *decls.VariableDecl) bool { return v.Name() == name })
	}
	maps.DeleteFunc(all, func(_ string, has bool) bool { return !has })
	return all
}

func (c *compiler) fields() map[string]bool {
	all := make(map[string]bool)
	for _, object := range c.objects {
		for field := range object.fields {
			all[field] = true
		}
	}
	return all
}

// fits reports whether a type is one of those wanted. What is only known when
// an answer is there fits, and is checked then; so does what may be absent.
func fits(is *cel.Type, want []*cel.Type) bool {
	if is.Kind() == types.OpaqueKind && is.TypeName() == "optional_type" {
		is = is.Parameters()[0]
	}
	if is.IsExactType(cel.DynType) {
		return true
	}
	unknownList := is.Kind() == types.ListKind && is.Parameters()[0].IsExactType(cel.DynType)
	return slices.ContainsFunc(want, func(t *cel.Type) bool {
		return t.IsAssignableType(is) || (unknownList && t.Kind() == types.ListKind)
	})
}

var typeWords = map[string]string{
	"string": "text", "bool": "true or false", "int": "a whole number", "uint": "a whole number", "double": "a number",
	"google.protobuf.Timestamp": "a timestamp", "timestamp": "a timestamp", "duration": "a duration",
	"list(string)": "a list of text", "null_type": "null",
}

func typeInWords(t *cel.Type) string {
	if words, ok := typeWords[t.String()]; ok {
		return words
	}
	return "something else"
}

func typesInWords(all []*cel.Type) string {
	words := make([]string, 0, len(all))
	for _, t := range all {
		words = append(words, typeInWords(t))
	}
	return strings.Join(words, " or ")
}
