package simulator

import (
	"net/http"
	"strings"
)

// A Pairing is what a dr gateway knows of another site: a local session may be
// logged in there too, as another user.
type Pairing struct {
	Accounts map[string]string // of the other site: password by username
}

// pairingOf returns the pairing that a path is about, {base}/pairings/{id}/remote-session.
func (a *Appliance) pairingOf(path string) (id string, ok bool) {
	base, isDR := strings.CutSuffix(a.path, "/session")
	if _, dr := a.dialect.(dr); !isDR || !dr {
		return "", false
	}
	rest, ok := strings.CutPrefix(path, base+"/pairings/")
	if !ok {
		return "", false
	}
	id, ok = strings.CutSuffix(rest, "/remote-session")
	return id, ok && id != "" && !strings.Contains(id, "/")
}

// EndRemoteSessions ends what sessions have at other sites, as a restart there
// does.
func (a *Appliance) EndRemoteSessions() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.sessions {
		s.remote = nil
	}
}

// remoteCheck says who a session is at the other site. a.mu is held.
func (a *Appliance) remoteCheck(c claim) outcome {
	if _, live := a.resume(c.token); !live {
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

// remoteLogin logs a session in at the other site. a.mu is held.
func (a *Appliance) remoteLogin(c claim) outcome {
	if _, live := a.resume(c.token); !live {
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

// remoteClaim reads a request about the other site, which has the local session
// and, to log in, who we are there.
func remoteClaim(r *http.Request) claim {
	username, password, _ := r.BasicAuth()
	return claim{token: r.Header.Get(drToken), username: username, password: password}
}
