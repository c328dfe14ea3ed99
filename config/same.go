package config

import "reflect"

// ProbedLike reports whether both endpoints are probed in the same way, so that
// one's session is as good as the other's. Labels do not matter for that.
func (e *Endpoint) ProbedLike(other *Endpoint) bool {
	a, b := *e, *other
	a.Labels, b.Labels = nil, nil
	return reflect.DeepEqual(a, b)
}
