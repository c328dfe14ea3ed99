package simulator

import (
	"net/http"
	"strings"
)

// A Pairing connects a dr gateway with another site, to which a local session can log in as
// another user.
type Pairing struct {
	Accounts map[string]string // of the other site: password by username
}

// pairingOf returns the pairing of a path {base}/pairings/{id}/remote-session.
func (a *Appliance) pairingOf(path string) (id string, ok bool) {
	if _, isDR := a.dialect.(dr); !isDR {
		return "", false
	}
	rest, ok := strings.CutPrefix(path, a.base+"/pairings/")
	if !ok {
		return "", false
	}
	id, ok = strings.CutSuffix(rest, "/remote-session")
	return id, ok && id != "" && !strings.Contains(id, "/")
}

// EndRemoteSessions ends all sessions at the other sites, as a restart of the sites does.
func (a *Appliance) EndRemoteSessions() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.sessions {
		s.remote = nil
	}
}

// remoteCheckLocked returns the user of a session at the other site.
func (a *Appliance) remoteCheckLocked(c credentials) outcome {
	if _, live := a.useSessionLocked(c.token); !live {
		return outcome{verdict: noSession}
	}
	if _, known := a.settings.Pairings[c.pairing]; !known {
		return outcome{verdict: unknown}
	}
	username := a.sessions[c.token].remote[c.pairing]
	if username == "" {
		return outcome{verdict: noSession}
	}
	return outcome{username: username}
}

// remoteLoginLocked logs a local session in to the other site.
func (a *Appliance) remoteLoginLocked(c credentials) outcome {
	if _, live := a.useSessionLocked(c.token); !live {
		return outcome{verdict: noSession}
	}
	pairing, known := a.settings.Pairings[c.pairing]
	if !known {
		return outcome{verdict: unknown}
	}
	if password := pairing.Accounts[c.username]; password == "" || password != c.password {
		a.stats.RemoteRefusals++
		return outcome{verdict: refused}
	}
	a.stats.RemoteLogins++
	s := a.sessions[c.token]
	if s.remote == nil {
		s.remote = map[string]string{}
	}
	s.remote[c.pairing] = c.username
	return outcome{}
}

// remoteCredentials returns the credentials of a request for the other site: the token
// of the local session and, for a login, the remote username and password.
func remoteCredentials(r *http.Request) credentials {
	username, password, _ := r.BasicAuth()
	return credentials{token: r.Header.Get(drToken), username: username, password: password}
}
