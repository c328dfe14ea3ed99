package config

import (
	"regexp"
	"strings"
)

// Pairing is the session that an endpoint's own session has at another site.
type Pairing struct {
	ID string
	// Local is who logs in to the endpoint itself. The endpoint's Credential is
	// that of the other site: that session is what the endpoint is about.
	Local *Credential
}

// Of returns the endpoint without the pairing: the session within which the other
// site is logged in to.
func (p *Pairing) Of(e *Endpoint) *Endpoint {
	local := *e
	local.Pairing, local.Credential, local.Expect = nil, p.Local, Expect{}
	return &local
}

// Uses reports whether the endpoint is asked with a credential of this name.
func (e *Endpoint) Uses(credential string) bool {
	return e.Credential.Name == credential || e.Pairing != nil && e.Pairing.Local.Name == credential
}

// equal reports whether both are the same pairing, logged in to locally as the
// same account.
func (p *Pairing) equal(other *Pairing) bool {
	if p == nil || other == nil {
		return p == other
	}
	return p.ID == other.ID && p.Local.Username == other.Local.Username
}

// pairingID is a UUID in practice. It goes into a path.
var pairingID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_:.-]*$`)

// pair makes an endpoint with a `pairing` one of the session at the other site.
func (l *loader) pair(key string, e *Endpoint, shape endpointShape) {
	at, remote := join(key, "pairing"), join(key, "remote_credential")
	switch {
	case shape.Pairing == "" && shape.RemoteCredential != "" && !l.wrong[at]:
		l.add(remote, "goes with `pairing`, and there is none")
	case shape.Pairing == "":
	case !pairingID.MatchString(shape.Pairing):
		l.add(at, "must be the ID of a pairing: letters, digits, and `-`, `_`, `:` or `.` in between")
	case l.apis[e.API].Auth != nil && !l.apis[e.API].Pairings:
		l.add(at, "api %s has no pairings; remove it", e.API)
	case shape.RemoteCredential == "" && !l.wrong[remote]:
		l.needs(key, "remote_credential", "has a `pairing` and no `remote_credential`, who logs in to the other site")
	default:
		c := l.credential(remote, shape.RemoteCredential)
		switch {
		case e.Auth != "" && e.Auth != AuthLogin:
			l.add(at, "needs auth: login, since the other site is logged in to within a session of ours")
		case c.Auth != "" && c.Auth != AuthLogin:
			l.add(remote, "credential %q has %s, and the other site wants a password", c.Name, secretKind(c))
		case strings.Contains(c.Username, ":"):
			l.add(remote, "the username of credential %q has a colon, which HTTP Basic cannot carry (RFC 7617)", c.Name)
		}
		e.Pairing, e.Credential = &Pairing{shape.Pairing, e.Credential}, c
	}
}
