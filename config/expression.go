package config

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/decls"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
	"go.yaml.in/yaml/v3"
)

// Expression is one that was compiled and type-checked (Common Expression
// Language, cel.dev).
type Expression struct {
	Name    string // where it stands in its API, as in `answer.username`
	program cel.Program
	field   []string // of the body, where the expression is no more than that
	loops   bool
}

// maxExpression bounds the text of an expression.
const maxExpression = 4000

var (
	// ErrAbsent is what evaluating an expression gives that refers to a field or
	// a header that the answer lacks.
	ErrAbsent = errors.New("the answer does not say it")
	// ErrCost is what one gives that costs too much.
	ErrCost = errors.New("takes too long on this answer")
	errEval = errors.New("cannot be evaluated on this answer")
)

// Variables are what expressions may refer to. Vars gives each a value when it
// is asked for.
type Variables interface {
	Variable(name string) (value any, known bool)
}

// activation is the variables as the library wants them.
type activation struct{ Variables }

// ResolveName implements cel.Activation.
func (a activation) ResolveName(name string) (any, bool) { return a.Variable(name) }

// Parent implements cel.Activation.
func (activation) Parent() cel.Activation { return nil }

// Eval evaluates the expression. Its error never quotes a value.
func (e *Expression) Eval(variables Variables) (ref.Val, error) {
	if e.field != nil {
		return e.find(variables)
	}
	value, _, err := e.program.Eval(activation{variables})
	switch {
	case err == nil:
		return value, nil
	case strings.Contains(err.Error(), "cost limit exceeded"):
		return nil, ErrCost
	// In a loop, it is an element that lacks something, and what the others say
	// would be lost.
	case !e.loops && strings.HasPrefix(err.Error(), "no such key"):
		return nil, ErrAbsent
	default:
		return nil, errEval
	}
}

// find looks up a field without the library: most expressions are no more than a
// field, and most answers lack most fields, which is an error that costs as much
// as all the rest.
func (e *Expression) find(variables Variables) (ref.Val, error) {
	value, _ := variables.Variable("body")
	for _, name := range e.field {
		switch object := value.(type) {
		case map[string]any:
			inner, ok := object[name]
			if !ok {
				return nil, ErrAbsent
			}
			value = inner
		case []any:
			return nil, errEval
		default:
			return nil, ErrAbsent
		}
	}
	return types.DefaultTypeAdapter.NativeToValue(value), nil
}

// fieldOf returns which field of the body an expression stands for, nil when it
// is more than one.
func fieldOf(e celast.Expr) []string {
	var path []string
	for e.Kind() == celast.SelectKind && !e.AsSelect().IsTestOnly() {
		path = append(path, e.AsSelect().FieldName())
		e = e.AsSelect().Operand()
	}
	if e.Kind() != celast.IdentKind || e.AsIdent() != "body" || len(path) == 0 {
		return nil
	}
	slices.Reverse(path)
	return path
}

// environment is what all expressions have in common. It is made once, for it
// costs more than all else here.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		cel.OptionalTypes(),
		ext.Strings(ext.StringsVersion(4)),
		cel.CrossTypeNumericComparisons(true), // numbers in JSON are floats
		cel.DefaultUTCTimeZone(true),
		cel.ExtendedValidations(),
		// A loop in a loop takes for ever on a long list.
		cel.ASTValidators(cel.ValidateComprehensionNestingLimit(1), cel.ValidateRegexProgramSizeLimit(1000)),
		cel.ParserRecursionLimit(100),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.Variable("status", cel.IntType),
		cel.Variable("ok", cel.BoolType),
		cel.Variable("step", cel.StringType),
		cel.Variable("headers", cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable("now", cel.TimestampType),
	)
})

// compiler compiles the expressions of one API.
type compiler struct {
	*loader
	api     string // key of the API
	answer  *cel.Env
	rules   *cel.Env // rules also know what was read from the answer
	objects map[string]*Type
}

func (l *loader) compiler(api string, body *Type) (*compiler, error) {
	c := &compiler{loader: l, api: api, objects: make(map[string]*Type)}
	shared, err := environment()
	if err != nil {
		return nil, fmt.Errorf("preparing to read expressions: %w", err)
	}
	options := []cel.EnvOption{cel.Variable("body", cel.DynType)}
	if body != nil {
		body.objects(c.objects)
		options = []cel.EnvOption{cel.CustomTypeProvider(provider{shared.CELTypeProvider(), c.objects}), cel.Variable("body", body.cel())}
	}
	if c.answer, err = shared.Extend(options...); err == nil {
		c.rules, err = c.answer.Extend(cel.Variable("error_code", cel.StringType), cel.Variable("username", cel.StringType))
	}
	if err != nil {
		return nil, fmt.Errorf("preparing to read expressions: %w", err)
	}
	return c, nil
}

// compile compiles what stands at a key of the API. want are the types that it
// may have. It returns nil where there is nothing, or what does not compile.
func (c *compiler) compile(env *cel.Env, name string, text expressionText, want ...*cel.Type) *Expression {
	if text.IsZero() {
		return nil
	}
	key := join(c.api, name)
	ast, issues := env.Compile(text.text)
	if issues.Err() != nil {
		for _, found := range issues.Errors() {
			at := position{found.Location.Line(), found.Location.Column()}
			c.addPosition(key, text.at(c.text, at), c.inOurWords(env, found.Message, text.calls(at)))
		}
		return nil
	}
	if !fits(ast.OutputType(), want) {
		c.addPosition(key, text.at(c.text, position{1, 0}), "must give "+typesInWords(want)+", and gives "+typeInWords(ast.OutputType()))
		return nil
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	switch least, most := costOf(env, ast); {
	case least > maxCost:
		c.addPosition(key, text.at(c.text, position{1, 0}), "takes too long on any answer; make it simpler")
		return nil
	case most > maxCost:
		options = append(options, cel.CostLimit(maxCost)) // counting costs, too
	}
	program, err := env.Program(ast, options...)
	if err != nil {
		c.addPosition(key, text.at(c.text, position{1, 0}), "cannot be evaluated")
		return nil
	}
	loops := celast.MatchDescendants(celast.NavigateAST(ast.NativeRep()), celast.KindMatcher(celast.ComprehensionKind))
	return &Expression{Name: name, program: program, field: fieldOf(ast.NativeRep().Expr()), loops: len(loops) > 0}
}

func (l *loader) addPosition(key string, at position, text string) {
	l.wrong[key] = true
	l.problems = append(l.problems, Problem{File: l.file, Line: at.line, Column: at.column, Key: key, Text: text})
}

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

// expressionText is an expression as it stands in the file.
type expressionText struct {
	text   string
	begin  position
	quoted bool
	block  bool // begins on the line below, indented
}

// position is a place in a text: a line from 1, and a column from 0 in an
// expression, from 1 in the file.
type position struct{ line, column int }

// UnmarshalYAML implements yaml.Unmarshaler. Its error never quotes the value.
func (e *expressionText) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode {
		return errors.New("must be an expression")
	}
	*e = expressionText{
		text: node.Value, begin: position{node.Line, node.Column},
		quoted: node.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0,
		block:  node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0,
	}
	return nil
}

// MarshalYAML implements yaml.Marshaler.
func (e expressionText) MarshalYAML() (any, error) { return e.text, nil }

// IsZero tells `omitempty` that there is none.
func (e expressionText) IsZero() bool { return e.text == "" }

// calls reports whether a function is called at a place.
func (e expressionText) calls(at position) bool {
	lines := strings.Split(e.text, "\n")
	if at.line < 1 || at.line > len(lines) {
		return false
	}
	rest := []rune(lines[at.line-1])
	return at.column < len(rest) && rest[at.column] == '('
}

// at returns where in the file a place of the expression is. Where YAML has
// folded lines or undone escapes, that is no more than the expression's beginning.
func (e expressionText) at(file string, in position) position {
	lines := strings.Split(file, "\n")
	own := strings.Split(e.text, "\n")
	line, column := e.begin.line, e.begin.column+in.column
	if e.quoted {
		column++
	}
	if e.block {
		line += in.line
	}
	if in.line > len(own) || line > len(lines) {
		return e.begin
	}
	begins := strings.Index(lines[line-1], own[in.line-1])
	switch {
	case begins < 0 || (!e.block && in.line > 1):
		return e.begin
	case e.block:
		column = begins + in.column + 1
	}
	return position{line, column}
}
