package sessionapi

import (
	"net/http"
	"net/url"

	"session_exporter/secret"
)

// drRemote is the session at the other site of a pairing, inside a session of a
// disaster-recovery gateway: {base}/pairings/{id}/remote-session. It has no token of its
// own, and is closed with the local session.
type drRemote struct {
	dr
	pairing string
}

// Remote returns the API of the session at the other site of a pairing.
func Remote(pairing string) API { return drRemote{pairing: pairing} }

// RemoteLogin returns the authorization of a login at the other site: the account, and
// the local session that it extends.
func RemoteLogin(username string, password, session secret.Secret) Authorization {
	a := Basic(username, password)
	a.Headers = append(a.Headers, AuthHeader{drTokenHeader, session})
	a.Secrets = append(a.Secrets, session)
	return a
}

// remoteLogin is a Login that returns no token.
const remoteLogin Step = "remote login"

func (d drRemote) Request(step Step, _ Account) Request {
	if step == Logout {
		return Request{}
	}
	path := "/pairings/" + url.PathEscape(d.pairing) + "/remote-session"
	return Request{Method: resourceMethod(step), Path: path, Basic: step == Login}
}

func (d drRemote) Interpret(step Step, response Response) Interpretation {
	if step == Login {
		step = remoteLogin
	}
	in := d.dr.Interpret(step, response)
	if response.Status == http.StatusNotFound && in.Why == "" {
		in.Why = "the pairing may not exist on this gateway"
	}
	return in
}
