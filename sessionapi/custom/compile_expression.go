package custom

import (
	"slices"
	"sync"

	"cel.dev/cel-go/cel"
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"

	"session_exporter/internal/strictyaml"
)

// maxExpression is the maximum length of an expression, in characters.
const maxExpression = 4000

// environment is what all expressions have in common. It is created once, because that takes
// longer than compiling all expressions of a file.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		cel.OptionalTypes(),
		ext.Strings(ext.StringsVersion(4)),
		cel.CrossTypeNumericComparisons(true), // numbers in JSON are floats
		cel.DefaultUTCTimeZone(true),
		cel.ExtendedValidations(),
		// Nested loops would take too long on a long list.
		cel.ASTValidators(cel.ValidateComprehensionNestingLimit(1), cel.ValidateRegexProgramSizeLimit(1000)),
		cel.ParserRecursionLimit(100),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.Variable("status", cel.IntType),
		cel.Variable("ok", cel.BoolType),
		cel.Variable("step", cel.StringType),
		cel.Variable("request", cel.IntType),
		cel.Variable("headers", cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable("now", cel.TimestampType),
	)
})

// prepareExpressions makes the environments of this definition's expressions.
func (c *compiler) prepareExpressions() error {
	shared, err := environment()
	if err != nil {
		return err
	}
	options := []cel.EnvOption{cel.Variable("body", cel.DynType)}
	if body := c.api.body; body != nil {
		body.collectObjects(c.objects)
		options = []cel.EnvOption{cel.CustomTypeProvider(provider{shared.CELTypeProvider(), c.objects}), cel.Variable("body", body.cel())}
	}
	if c.answerEnv, err = shared.Extend(options...); err != nil {
		return err
	}
	if c.ruleEnv, err = c.answerEnv.Extend(cel.Variable("error_code", cel.StringType), cel.Variable("username", cel.StringType)); err != nil {
		return err
	}
	c.keptEnv, err = c.answerEnv.Extend(cel.Variable("cookies", cel.MapType(cel.StringType, cel.StringType)))
	return err
}

// compileExpression compiles the expression at a key of the definition. want are the types
// that it may have. It returns nil if there is no expression or it does not compile.
func (c *compiler) compileExpression(env *cel.Env, name strictyaml.Key, text ExpressionText, want ...*cel.Type) *expression {
	if text.IsZero() {
		return nil
	}
	key := c.key.Field(string(name))
	reject := func(why string) *expression {
		c.AddPosition(key, text.at(c.lines, strictyaml.Position{Line: 1}), why)
		return nil
	}
	ast, issues := env.Compile(text.text)
	if issues.Err() != nil {
		for _, found := range issues.Errors() {
			at := strictyaml.Position{Line: found.Location.Line(), Column: found.Location.Column()}
			c.AddPosition(key, text.at(c.lines, at), translate(env, c.objects, found.Message, text.calls(at)))
		}
		return nil
	}
	if !fits(ast.OutputType(), want) {
		return reject("must return " + describeTypes(want) + ", but returns " + describeType(ast.OutputType()))
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	switch estimate, err := env.EstimateCost(ast, sizes{}); {
	case err == nil && estimate.Min > maxCost:
		return reject("takes too long on any response; simplify it")
	case err != nil || estimate.Max > maxCost:
		options = append(options, cel.CostLimit(maxCost)) // only here, because counting takes time
	}
	program, err := env.Program(ast, options...)
	if err != nil {
		return reject("cannot be evaluated")
	}
	loops := celast.MatchDescendants(celast.NavigateAST(ast.NativeRep()), celast.KindMatcher(celast.ComprehensionKind))
	return &expression{name: string(name), program: program, field: fieldOf(ast.NativeRep().Expr()), loops: len(loops) > 0}
}

// fieldOf returns the path of the field of the body that is the whole expression, nil if
// the expression is anything else.
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

// provider tells the type checker the fields of objects. The values are the maps that JSON
// is decoded into.
type provider struct {
	types.Provider
	objects map[string]*bodyType
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
