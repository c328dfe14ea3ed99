package simulator

import "time"

// A lock is how near an account is to being locked, or until when it is.
type lock struct {
	refusals int       // consecutive ones since the last acceptance or lock
	until    time.Time // zero: not locked
}

// decide does what an operation asks for, if its sender may. a.mu is held.
func (a *Appliance) decide(op Operation, c claim) outcome {
	if c.malformed != "" {
		return outcome{verdict: malformed, detail: c.malformed}
	}
	switch op {
	case Login:
		return a.login(c)
	case Logout:
		return a.logout(c)
	case RemoteCheck:
		return a.remoteCheck(c)
	case RemoteLogin:
		return a.remoteLogin(c)
	}
	return a.check(c)
}

func (a *Appliance) check(c claim) outcome {
	username, known := "", false
	switch {
	case c.token != "":
		username, known = a.resume(c.token)
	case c.basic:
		if !a.authenticate(c.username, c.password) {
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

func (a *Appliance) login(c claim) outcome {
	// Credentials come before slots, so that a full appliance still says that
	// a password is wrong, and only that.
	if !a.authenticate(c.username, c.password) {
		return outcome{verdict: refused}
	}
	a.expire(time.Now())
	if limit := a.settings.MaxSessions; limit > 0 && len(a.sessions) >= limit {
		return outcome{verdict: full}
	}
	a.stats.Logins++
	return outcome{
		username: c.username,
		account:  a.settings.Accounts[c.username],
		token:    a.open(c.username),
	}
}

func (a *Appliance) logout(c claim) outcome {
	if _, live := a.resume(c.token); !live {
		return outcome{verdict: noSession}
	}
	delete(a.sessions, c.token)
	a.stats.Logouts++
	return outcome{}
}

// authenticate says whether a username and password are good now, and keeps
// the count of refusals that locks an account. a.mu is held.
func (a *Appliance) authenticate(username, password string) bool {
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
