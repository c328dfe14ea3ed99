package custom

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"session_exporter/internal/strictyaml"
)

var (
	unknownName  = regexp.MustCompile(`^undeclared reference to '(\w{1,40})'`)
	unknownField = regexp.MustCompile(`^undefined field '(\w{1,40})'`)
	quotedPart   = regexp.MustCompile(`'[^']*'`)
	// plainTypes matches a quoted type, or a quoted list of argument types.
	plainTypes = regexp.MustCompile(`^'\(?((string|int|uint|double|bool|bytes|list|map|dyn|null|type|object|optional_type|google\.protobuf\.(Timestamp|Duration))[(), ]*)+'$`)
)

// translate returns the library's message with a suggestion for an unknown name, and
// without what it quotes of the expression. The quotation may be a secret in the wrong
// place; the column shows where it is.
func translate(env *cel.Env, objects map[string]*bodyType, message string, isCall bool) string {
	name, field := unknownName.FindStringSubmatch(message), unknownField.FindStringSubmatch(message)
	switch {
	case field != nil:
		return "undefined field of `body`" + strictyaml.Suggest(field[1], strictyaml.Words(fieldNames(objects)))
	case name == nil:
		return withoutQuotes(env, objects, message)
	case isCall:
		return "undeclared reference to a function" + strictyaml.Suggest(name[1], functionNames(env))
	}
	return "undeclared reference" + strictyaml.Suggest(name[1], variableNames(env))
}

// withoutQuotes returns the library's message without what it quotes, except for
// functions, operators and types.
func withoutQuotes(env *cel.Env, objects map[string]*bodyType, message string) string {
	message, _, _ = strings.Cut(message, " at: ")        // text follows that may contain quotes
	message, _, _ = strings.Cut(message, " expecting {") // all tokens of the language follow
	// The names of objects have fields of `body` in them, which may contain quotes.
	for _, name := range slices.SortedFunc(maps.Keys(objects), func(a, b string) int { return len(b) - len(a) }) {
		message = strings.ReplaceAll(message, name, "object")
	}
	if strings.Count(message, "'")%2 == 1 {
		message, _, _ = strings.Cut(message, "'")
	}
	return quotedPart.ReplaceAllStringFunc(message, func(part string) string {
		if part == "'<EOF>'" || plainTypes.MatchString(part) || env.HasFunction(strings.Trim(part, "'")) {
			return part
		}
		return "'…'"
	})
}

func fieldNames(objects map[string]*bodyType) map[string]bool {
	all := make(map[string]bool)
	for _, object := range objects {
		for field := range object.fields {
			all[field] = true
		}
	}
	return all
}

// functionNames returns the functions that an expression may call, without operators.
func functionNames(env *cel.Env) map[string]bool {
	all := make(map[string]bool)
	for name := range env.Functions() {
		if strictyaml.IsWord(name) && name[0] != '_' {
			all[name] = true
		}
	}
	for _, macro := range env.Macros() {
		all[macro.Function()] = true
	}
	return all
}

// variableNames returns the variables that an expression may have. The library also lists the
// names of types.
func variableNames(env *cel.Env) map[string]bool {
	all := make(map[string]bool)
	for _, v := range env.Variables() {
		if v.Type().Kind() != types.TypeKind {
			all[v.Name()] = true
		}
	}
	return all
}

// fits reports whether a type is one of those wanted. A type that is known only once there
// is a response fits too, and is checked then. Optional values fit if their type does.
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

var typeNames = map[string]string{
	"string": "text", "bool": "true or false", "int": "a whole number", "uint": "a whole number", "double": "a number",
	"google.protobuf.Timestamp": "a timestamp", "timestamp": "a timestamp", "duration": "a duration",
	"list(string)": "a list of text", "list(int)": "a list of whole numbers", "list(double)": "a list of numbers",
	"list(google.protobuf.Timestamp)": "a list of timestamps", "list(timestamp)": "a list of timestamps", "null_type": "null",
}

func describeType(t *cel.Type) string {
	if words, ok := typeNames[t.String()]; ok {
		return words
	}
	return "something else"
}

func describeTypes(all []*cel.Type) string {
	words := make([]string, 0, len(all))
	for _, t := range all {
		words = append(words, describeType(t))
	}
	return strings.Join(words, " or ")
}
