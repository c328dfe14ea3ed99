package probe

import (
	"fmt"
	"sync"
	"time"

	"session_exporter/config"
	"session_exporter/probe/guard"
	"session_exporter/secret"
	"session_exporter/sessionapi"
)

// credential is an entry of `credentials` that is in use: its current secret, the guard of its
// account, and the source of its bearer tokens. All endpoints of the entry share it.
type credential struct {
	*config.Credential
	guard *guard.Guard
	oauth *tokenSource // nil without OAuth 2.0

	// renewing limits how many endpoints replace a valid session at a time to the number
	// of refusals allowed. Otherwise a changed password would cost every endpoint its
	// session.
	renewing chan struct{}

	readMu              sync.Mutex // held while the secret is read, which may take long
	changedSinceRefresh bool       // since the last refresh; guarded by readMu

	mu   sync.Mutex // guards last
	last secretReading
}

// secretReading is a secret, and when it was read.
type secretReading struct {
	secret    secret.Secret
	client    secret.Secret // the secret of an OAuth 2.0 client, if that is another one
	err       error
	at        time.Time
	changedAt time.Time // when the secret last changed, as far as its source knows
	jwtExpiry time.Time // its `exp`, zero if it is not a JWT or has none
}

// rereadAfter bounds how often a secret's file is read: once for all
// endpoints that are due together.
const rereadAfter = time.Second

// read returns the current secret.
func (c *credential) read() (secret.Secret, error) {
	c.readMu.Lock()
	defer c.readMu.Unlock()
	last := c.lastRead()
	if last.at.IsZero() || time.Since(last.at) >= rereadAfter {
		last = c.readLocked(last)
	}
	return last.secret, last.err
}

// lastRead returns the secret as it was last read. It never waits for a file.
func (c *credential) lastRead() secretReading {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// refresh reads the secret again, however recently it was read. It reports whether the
// secret has changed or become readable since the last refresh, even if a probe has read
// the change before.
func (c *credential) refresh() bool {
	c.readMu.Lock()
	defer c.readMu.Unlock()
	last := c.lastRead()
	if last.at.IsZero() {
		return false // it has not been used yet
	}
	if now := c.readLocked(last); now.err != nil {
		return false // reported once it can be read
	}
	changed := c.changedSinceRefresh
	c.changedSinceRefresh = false
	return changed
}

// readLocked reads the secret, and that of an OAuth 2.0 client.
func (c *credential) readLocked(last secretReading) secretReading {
	now := secretReading{at: time.Now(), client: last.client, changedAt: last.changedAt, jwtExpiry: last.jwtExpiry}
	now.secret, now.err = c.Secret.Read()
	changed := now.err == nil && !now.secret.Equal(last.secret)
	switch {
	case now.err != nil:
	case c.Auth == sessionapi.AuthToken && !sessionapi.HeaderSafe(now.secret):
		now.err = fmt.Errorf("the secret from %s has characters that no HTTP header can carry", c.Secret)
	case changed && c.OAuth2 != nil && c.OAuth2.GrantType == config.GrantJWTBearer:
		if _, err := c.oauth.assertion(now.secret); err != nil {
			now.secret, now.err = secret.Secret{}, fmt.Errorf("the secret from %s %w", c.Secret, err)
		}
	}
	if now.err == nil && changed {
		c.changedSinceRefresh = !last.at.IsZero() // else it is the first
		now.jwtExpiry = sessionapi.JWTExpiry(now.secret)
		if now.changedAt = c.Secret.ModTime(); now.changedAt.IsZero() {
			now.changedAt = now.at // only a file has a modification time
		}
	}
	if now.err == nil && c.OAuth2 != nil && c.OAuth2.ClientSecret != (secret.Source{}) {
		c.readClientLocked(&now, last)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = now
	return now
}

// readClientLocked reads the secret of an OAuth 2.0 client that exchanges another secret.
func (c *credential) readClientLocked(now *secretReading, last secretReading) {
	client, err := c.OAuth2.ClientSecret.Read()
	if err != nil {
		now.secret, now.err = secret.Secret{}, err
		return
	}
	now.client = client
	if last.client.IsZero() || client.Equal(last.client) {
		return
	}
	c.changedSinceRefresh = !last.at.IsZero()
	// The other secret may have been refused because of the client's. Resume is limited, so
	// this is not a new budget.
	c.guard.Resume()
}

// expiries returns when the credential expires, by source.
func (c *credential) expiries() map[string]time.Time {
	expiries := make(map[string]time.Time, 1)
	last := c.lastRead()
	switch {
	case !c.Expires.IsZero():
		expiries["config"] = c.Expires
	case c.MaxAge > 0 && c.Secret.File != "" && !last.changedAt.IsZero():
		expiries["config"] = last.changedAt.Add(c.MaxAge)
	}
	if (c.Auth == sessionapi.AuthToken || c.exchangesConfigured(last.secret)) && !last.jwtExpiry.IsZero() {
		expiries["jwt"] = last.jwtExpiry
	}
	if c.oauth != nil {
		if end := c.oauth.expiry(); !end.IsZero() {
			expiries["oauth2"] = end
		}
	}
	return expiries
}

// exchangesConfigured reports whether the configured token itself is exchanged for bearer
// tokens, so that its expiry is a deadline. Once the server has replaced it, its expiry does
// not matter.
func (c *credential) exchangesConfigured(current secret.Secret) bool {
	if c.OAuth2 == nil || !c.OAuth2.GrantType.TakesToken() {
		return false
	}
	_, replacedAt := c.oauth.latest(current)
	return replacedAt.IsZero()
}
