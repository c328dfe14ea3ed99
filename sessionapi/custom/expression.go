package custom

import (
	"errors"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// expression is a compiled and type-checked expression.
type expression struct {
	name    string // its key in the definition, as in `answer.username`
	program cel.Program
	field   []string // of the body, if that is the whole expression
	loops   bool
}

var (
	// errAbsent is the error of an expression that refers to a field or a header that
	// the response lacks.
	errAbsent = errors.New("the response does not have it")
	errCost   = errors.New("takes too long on this response")
	errEval   = errors.New("cannot be evaluated on this response")
)

// eval evaluates the expression. Its error never quotes a value.
func (e *expression) eval(s *scope) (ref.Val, error) {
	if e.field != nil {
		return e.find(s.body)
	}
	value, _, err := e.program.Eval(s)
	switch {
	case err == nil:
		return value, nil
	case strings.Contains(err.Error(), "cost limit exceeded"):
		return nil, errCost
	// In a loop, a field that one element lacks would hide the other elements.
	case !e.loops && strings.HasPrefix(err.Error(), "no such key"):
		return nil, errAbsent
	default:
		return nil, errEval
	}
}

// find looks up a field without the library: most expressions are a field, and most
// responses lack most fields. The library's error about that costs as much as all other work.
func (e *expression) find(body any) (ref.Val, error) {
	for _, name := range e.field {
		switch object := body.(type) {
		case map[string]any:
			inner, ok := object[name]
			if !ok {
				return nil, errAbsent
			}
			body = inner
		case []any:
			return nil, errEval
		default:
			return nil, errAbsent
		}
	}
	return types.DefaultTypeAdapter.NativeToValue(body), nil
}
