package simulator

import "time"

// lock is the lockout state of an account.
type lock struct {
	refusals int       // consecutive refusals since the last acceptance or lock
	until    time.Time // zero: not locked
}

// decideLocked performs an operation if the credentials permit it, and returns its outcome.
func (a *Appliance) decideLocked(op Operation, c credentials) outcome {
	if c.malformed != "" {
		return outcome{verdict: malformed, detail: c.malformed}
	}
	switch op {
	case Login:
		return a.loginLocked(c)
	case Logout:
		return a.logoutLocked(c)
	case RemoteCheck:
		return a.remoteCheckLocked(c)
	case RemoteLogin:
		return a.remoteLoginLocked(c)
	}
	return a.checkLocked(c)
}

func (a *Appliance) checkLocked(c credentials) outcome {
	username, known := "", false
	switch {
	case c.token != "":
		username, known = a.useSessionLocked(c.token)
	case c.basic:
		if !a.authenticateLocked(c.username, c.password) {
			return outcome{verdict: refused}
		}
		username, known = c.username, true
	case c.bearer != "":
		username, known = a.settings.Bearers[c.bearer]
	}
	account, exists := a.settings.Accounts[username]
	switch {
	case !known || !exists:
		return outcome{verdict: noSession}
	case account.Forbidden:
		return outcome{verdict: forbidden}
	}
	return outcome{username: username, account: account}
}

func (a *Appliance) loginLocked(c credentials) outcome {
	// Credentials are checked before session slots, so that an appliance without a free slot
	// reports a wrong password as one.
	if !a.authenticateLocked(c.username, c.password) {
		return outcome{verdict: refused}
	}
	a.expireLocked(time.Now())
	if limit := a.settings.MaxSessions; limit > 0 && len(a.sessions) >= limit {
		return outcome{verdict: full}
	}
	a.stats.Logins++
	return outcome{
		username: c.username,
		account:  a.settings.Accounts[c.username],
		token:    a.openSessionLocked(c.username),
	}
}

func (a *Appliance) logoutLocked(c credentials) outcome {
	if _, live := a.useSessionLocked(c.token); !live {
		return outcome{verdict: noSession}
	}
	delete(a.sessions, c.token)
	a.stats.Logouts++
	return outcome{}
}

// authenticateLocked reports whether a username and password are accepted, and counts
// the refusals that lock an account.
func (a *Appliance) authenticateLocked(username, password string) bool {
	now := time.Now()
	account, known := a.settings.Accounts[username]
	l := a.locks[username]
	if known && !now.Before(l.until) {
		if account.Password != "" && account.Password == password {
			delete(a.locks, username)
			return true
		}
		l.refusals++
		if a.settings.LockAfter > 0 && l.refusals >= a.settings.LockAfter {
			l = lock{until: now.Add(a.settings.LockFor)}
		}
		a.locks[username] = l
	}
	a.stats.Refusals++
	return false
}
