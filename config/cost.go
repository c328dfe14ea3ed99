package config

import (
	"math"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
)

// maxCost bounds what it may cost to evaluate an expression once. A list of ten
// thousand roles is within, and takes some milliseconds.
const maxCost = 500_000

// MaxName is how long the variables `error_code` and `username` may get.
const MaxName = 256

// maxText is how long anything else in an answer may get, in bytes or items: a
// body is not read further.
const maxText = 1 << 20

// costOf estimates the least and the most that evaluating an expression may cost.
func costOf(env *cel.Env, ast *cel.Ast) (least, most uint64) {
	estimate, err := env.EstimateCost(ast, sizes{})
	if err != nil {
		return 0, math.MaxUint64
	}
	return estimate.Min, estimate.Max
}

// sizes estimates how long values are.
type sizes struct{}

// EstimateSize implements cost.Estimator.
func (sizes) EstimateSize(node cost.AstNode) *cost.SizeEstimate {
	path := node.Path()
	switch {
	case len(path) == 0:
		return nil
	case path[0] == "error_code", path[0] == "username", path[0] == "step":
		return &cost.SizeEstimate{Max: MaxName}
	default:
		return &cost.SizeEstimate{Max: maxText}
	}
}

// EstimateCallCost implements cost.Estimator.
//
//nolint:gocritic // the interface has it so
func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}
