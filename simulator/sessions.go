package simulator

import (
	"crypto/rand"
	"time"
)

// A session is what a login creates, until logout, expiry or EndSessions.
type session struct {
	username string
	created  time.Time
	used     time.Time         // last authenticated request
	remote   map[string]string // username at the other site, by pairing
}

// Issue creates a session as if somebody else had logged in, and returns its
// token. It counts as no login, and takes a slot even where none is left.
func (a *Appliance) Issue(username string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.open(username)
}

// EndSessions ends every live session, as a restart of the appliance does.
func (a *Appliance) EndSessions() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.sessions)
}

// open creates a session and returns its token. a.mu is held.
func (a *Appliance) open(username string) string {
	now := time.Now()
	token := rand.Text()
	a.sessions[token] = &session{username: username, created: now, used: now}
	return token
}

// resume finds the live session of a token and restarts its idle timer. a.mu is
// held.
func (a *Appliance) resume(token string) (username string, live bool) {
	now := time.Now()
	a.expire(now)
	s, live := a.sessions[token]
	if !live {
		return "", false
	}
	s.used = now
	return s.username, true
}

// expire drops the sessions that have ended by themselves. Nothing else looks at
// the clock: a session need not be dropped before somebody asks. a.mu is held.
func (a *Appliance) expire(now time.Time) {
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
