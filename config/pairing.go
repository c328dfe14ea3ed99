package config

import (
	"regexp"
	"strings"

	"session_exporter/internal/strictyaml"
	"session_exporter/sessionapi"
)

// pairingID is usually a UUID. It becomes part of a path.
var pairingID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_:.-]*$`)

// pair turns an endpoint with a `pairing` into the endpoint of the session at the other site.
func (r *resolver) pair(key strictyaml.Key, e *Endpoint, raw rawEndpoint) {
	at, remote := key.Field("pairing"), key.Field("remote_credential")
	switch {
	case raw.Pairing == "" && raw.RemoteCredential != "" && !r.Invalid(at):
		r.Add(remote, "requires a `pairing`")
	case raw.Pairing == "":
	case !pairingID.MatchString(raw.Pairing):
		r.Add(at, "must be the ID of a pairing: letters, digits, `-`, `_`, `:` and `.`, beginning with a letter or digit")
	case e.SessionAPI != nil && !r.specs[e.API].Pairings:
		r.Add(at, "%s has no pairings; remove it", r.apiName(e.API))
	case raw.RemoteCredential == "" && !r.Invalid(remote):
		r.Require(key, "remote_credential", "has a `pairing` but no `remote_credential` for the login to the other site")
	default:
		c := r.credential(remote, raw.RemoteCredential)
		switch {
		case e.Auth != "" && e.Auth != sessionapi.AuthLogin:
			r.Add(at, "requires auth: login, because the login to the other site is sent within a local session")
		case c.Auth != "" && c.Auth != sessionapi.AuthLogin:
			r.Add(remote, "%s has %s, but the other site requires a password", r.credentialName(c), secretKind(c))
		case strings.Contains(c.Username, ":"):
			r.Add(remote, "the username of %s has a colon, which HTTP Basic cannot carry (RFC 7617)", r.credentialName(c))
		}
		e.Pairing = &Pairing{ID: raw.Pairing, Local: e.Credential, LocalAPI: e.SessionAPI}
		e.Credential, e.SessionAPI = c, sessionapi.Remote(raw.Pairing)
	}
}
