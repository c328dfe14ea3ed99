package custom

import "cel.dev/cel-go/common/cost"

// maxCost bounds what it may cost to evaluate an expression once. A list of ten
// thousand roles stays within it, and takes a few milliseconds.
const maxCost = 500_000

// maxRuleText is how many bytes of `error_code` and `username` rules see: more than any header
// has, and few enough for matching to be cheap.
const maxRuleText = 64 << 10

// maxText is the maximum length of any other part of a response, in bytes or items: no more
// of a body is read.
const maxText = 1 << 20

// sizes estimates how long values are.
type sizes struct{}

// EstimateSize implements cost.Estimator.
func (sizes) EstimateSize(node cost.AstNode) *cost.SizeEstimate {
	path := node.Path()
	switch {
	case len(path) == 0:
		return nil
	case path[0] == "error_code", path[0] == "username", path[0] == "step":
		return &cost.SizeEstimate{Max: maxRuleText}
	default:
		return &cost.SizeEstimate{Max: maxText}
	}
}

// EstimateCallCost implements cost.Estimator.
//
//nolint:gocritic // required by the interface
func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}
