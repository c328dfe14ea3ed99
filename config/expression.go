package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
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
	errCost   = errors.New("takes too long on this answer")
	errEval   = errors.New("cannot be evaluated on this answer")
)

// Variables are what expressions may refer to.
type Variables interface {
	// Variable returns the value of one, and whether there is one of that name.
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
		return nil, errCost
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
	refused := func(why string) *Expression {
		c.addPosition(key, text.at(c.text, position{1, 0}), why)
		return nil
	}
	ast, issues := env.Compile(text.text)
	if issues.Err() != nil {
		for _, found := range issues.Errors() {
			at := position{found.Location.Line(), found.Location.Column()}
			c.addPosition(key, text.at(c.text, at), c.inOurWords(env, found.Message, text.calls(at)))
		}
		return nil
	}
	if !fits(ast.OutputType(), want) {
		return refused("must give " + typesInWords(want) + ", and gives " + typeInWords(ast.OutputType()))
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	switch least, most := costOf(env, ast); {
	case least > maxCost:
		return refused("takes too long on any answer; make it simpler")
	case most > maxCost:
		options = append(options, cel.CostLimit(maxCost)) // counting costs, too
	}
	program, err := env.Program(ast, options...)
	if err != nil {
		return refused("cannot be evaluated")
	}
	loops := celast.MatchDescendants(celast.NavigateAST(ast.NativeRep()), celast.KindMatcher(celast.ComprehensionKind))
	return &Expression{Name: name, program: program, field: fieldOf(ast.NativeRep().Expr()), loops: len(loops) > 0}
}
