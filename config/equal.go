package config

import (
	"maps"
	"reflect"

	"session_exporter/sessionapi"
	"session_exporter/sessionapi/custom"
)

// SameProbe reports whether e and other, which must be from the same Loader, are
// probed in the same way, so that they can share a session. Labels do not matter.
func (e *Endpoint) SameProbe(other *Endpoint) bool {
	a, b := *e, *other
	a.Labels, b.Labels = nil, nil
	if !sameAPI(a.SessionAPI, b.SessionAPI) {
		return false
	}
	a.SessionAPI, b.SessionAPI = nil, nil // compiled expressions cannot be compared
	return reflect.DeepEqual(a, b)
}

// SameAccount reports whether e and other log in to the same place with the same
// account, so that a session of one is also valid for the other, even if further settings
// differ.
func (e *Endpoint) SameAccount(other *Endpoint) bool {
	return e.Auth == sessionapi.AuthLogin && other.Auth == sessionapi.AuthLogin &&
		e.API == other.API && sameAPI(e.SessionAPI, other.SessionAPI) &&
		e.URL.String() == other.URL.String() &&
		e.Credential.Username == other.Credential.Username &&
		e.Pairing.equal(other.Pairing) &&
		maps.Equal(e.Login, other.Login)
}

// sameAPI reports whether a and b are the same API. Those that a file defines are compared
// by their definitions.
func sameAPI(a, b sessionapi.API) bool {
	definedA, isA := a.(*custom.API)
	definedB, isB := b.(*custom.API)
	if isA && isB {
		return definedA.Equal(definedB)
	}
	return reflect.DeepEqual(a, b)
}

// equal reports whether p and other are the same pairing with the same local account.
func (p *Pairing) equal(other *Pairing) bool {
	if p == nil || other == nil {
		return p == other
	}
	return p.ID == other.ID && p.Local.Username == other.Local.Username
}
