package probe

import (
	"fmt"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"session_exporter/config"
)

// credential is one account at work: its secret as it is now, its guard, and
// what exchanges it for bearer tokens. All endpoints of the account share it.
type credential struct {
	*config.Credential
	guard *guard       // outlives a reload that changes other settings
	oauth *tokenSource // nil without OAuth 2.0

	mu   sync.Mutex // guards read
	read secretRead
}

// secretRead is a secret as it was read, and when.
type secretRead struct {
	secret   config.Secret
	err      error
	at       time.Time
	changed  time.Time // when the secret last changed, as far as its source tells
	tokenEnd time.Time // when it ends by its own words, if it is a JWT
}

// readAgainAfter bounds how often a secret's file is read: once for all
// endpoints that are due together.
const readAgainAfter = time.Second

func newCredential(settings *config.Credential, dial DialFunc) (*credential, error) {
	c := &credential{Credential: settings, guard: &guard{settings: settings.Guard}}
	if settings.OAuth2 != nil {
		var err error
		if c.oauth, err = newTokenSource(settings.OAuth2, dial); err != nil {
			return nil, fmt.Errorf("credential %q: oauth2: %w", settings.Name, err)
		}
	}
	return c, nil
}

// load returns the secret as it is now.
func (c *credential) load() (config.Secret, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.read.at.IsZero() || time.Since(c.read.at) >= readAgainAfter {
		c.readAgain()
	}
	return c.read.secret, c.read.err
}

// refresh reads the secret again, however lately it was read, and reports
// whether it has changed since.
func (c *credential) refresh() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.read.at.IsZero() {
		return false // it was not even used yet
	}
	old := c.read.secret
	c.readAgain()
	return c.read.err == nil && !c.read.secret.Equal(old)
}

// readAgain reads the secret. The caller holds mu.
func (c *credential) readAgain() {
	secret, err := c.Secret.Read()
	if err == nil && c.Auth == config.AuthToken && !headerSafe(secret) {
		err = fmt.Errorf("the secret from %s has characters that no HTTP header can carry", c.Secret)
	}
	now := time.Now()
	if err == nil && (c.read.changed.IsZero() || !secret.Equal(c.read.secret)) {
		c.read.tokenEnd = jwtExpiry(secret)
		if c.read.changed = c.Secret.Changed(); c.read.changed.IsZero() {
			c.read.changed = now // the environment does not tell
		}
	}
	c.read.secret, c.read.err, c.read.at = secret, err, now
}

// expiries returns when the credential ends, by who says so.
func (c *credential) expiries() map[string]time.Time {
	ends := make(map[string]time.Time, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.Expires.IsZero():
		ends["config"] = c.Expires
	case c.MaxAge > 0 && c.Secret.File != "" && !c.read.changed.IsZero():
		ends["config"] = c.read.changed.Add(c.MaxAge)
	}
	if c.Auth == config.AuthToken && !c.read.tokenEnd.IsZero() {
		ends["jwt"] = c.read.tokenEnd
	}
	if c.oauth != nil {
		if end := c.oauth.expiry(); !end.IsZero() {
			ends["oauth2"] = end
		}
	}
	return ends
}

// jwtExpiry returns the `exp` claim (RFC 7519, 4.1.4) of a token that is a JWT,
// zero for any other. The signature is the appliance's to verify.
func jwtExpiry(token config.Secret) time.Time {
	var claims jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(token.Reveal(), &claims); err != nil || claims.ExpiresAt == nil {
		return time.Time{}
	}
	return unixMilli(float64(claims.ExpiresAt.Unix()) * 1000) // a float, for what no integer holds
}
