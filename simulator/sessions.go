package simulator

import (
	"crypto/rand"
	"time"
)

// A session exists from a login to a logout, its expiry or EndSessions.
type session struct {
	username string
	created  time.Time
	used     time.Time         // last authenticated request
	remote   map[string]string // username at the other site, by pairing
}

// Issue creates a session as if another client had logged in, and returns its token. The
// session does not count as a login, and exists even if no slot is free.
func (a *Appliance) Issue(username string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.openSessionLocked(username)
}

// EndSessions ends all sessions, as a restart of the appliance does.
func (a *Appliance) EndSessions() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.sessions)
}

// openSessionLocked creates a session and returns its token.
func (a *Appliance) openSessionLocked(username string) string {
	now := time.Now()
	token := rand.Text()
	a.sessions[token] = &session{username: username, created: now, used: now}
	return token
}

// useSessionLocked finds the live session of a token and restarts its idle timeout.
func (a *Appliance) useSessionLocked(token string) (username string, live bool) {
	now := time.Now()
	a.expireLocked(now)
	s, live := a.sessions[token]
	if !live {
		return "", false
	}
	s.used = now
	return s.username, true
}

// expireLocked deletes the expired sessions. It is called before sessions are read, so
// that no timers are needed.
func (a *Appliance) expireLocked(now time.Time) {
	idle, lifetime := a.settings.IdleTimeout, a.settings.MaxLifetime
	for token, s := range a.sessions {
		_, exists := a.settings.Accounts[s.username]
		if !exists ||
			idle > 0 && now.Sub(s.used) >= idle ||
			lifetime > 0 && now.Sub(s.created) >= lifetime {
			delete(a.sessions, token)
		}
	}
}
