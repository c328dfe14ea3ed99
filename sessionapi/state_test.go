package sessionapi

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"
)

// Every constant of type State has exactly one row in the table of states, with a meaning and a kind.
func TestStates(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "state.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var constants []State
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "State" {
			name, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			constants = append(constants, State(name))
		}
		return true
	})
	rows := States()
	slices.Sort(rows)
	slices.Sort(constants)
	if !slices.Equal(rows, constants) || len(slices.Compact(rows)) != len(constants) {
		t.Errorf("the table has\n%v, want\n%v", rows, constants)
	}
	kinds := []Kind{KindOK, KindDenied, KindRefused, KindHeld, KindTrouble, KindUnknown}
	for _, state := range States() {
		info := state.Info()
		if info.State != state || info.Meaning == "" || !slices.Contains(kinds, info.Kind) {
			t.Errorf("the row of %s is incomplete: %+v", state, info)
		}
	}
}

// Rules and error codes of described APIs can name only failures.
func TestResponseStates(t *testing.T) {
	for _, state := range ResponseStates() {
		if !slices.Contains(States(), state) || state == Valid || state == Unexpected || state == Unknown {
			t.Errorf("%q is not the state of a failure", state)
		}
	}
}
