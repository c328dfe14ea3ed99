package config

import (
	"maps"
	"reflect"
)

// ProbedLike reports whether both endpoints are probed in the same way, so that
// one's session is as good as the other's. Labels do not matter for that.
func (e *Endpoint) ProbedLike(other *Endpoint) bool {
	a, b := *e, *other
	a.Labels, b.Labels = nil, nil
	if !a.Custom.Equal(b.Custom) {
		return false
	}
	a.Custom, b.Custom = nil, nil // compiled expressions cannot be compared
	return reflect.DeepEqual(a, b)
}

// SameAccount reports whether both endpoints log in to the same place as the
// same account, so that one's session is the other's too, however else they
// differ.
func (e *Endpoint) SameAccount(other *Endpoint) bool {
	return e.Auth == AuthLogin && other.Auth == AuthLogin &&
		e.API == other.API && e.Custom.Equal(other.Custom) &&
		e.URL.String() == other.URL.String() &&
		e.Credential.Username == other.Credential.Username &&
		e.Pairing.equal(other.Pairing) &&
		maps.Equal(e.Login, other.Login)
}
