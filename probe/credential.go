package probe

import (
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"session_exporter/config"
)

// credential is one account at work: its secret as it is now, its guard, and
// what exchanges it for bearer tokens. All endpoints of the account share it.
type credential struct {
	*config.Credential
	guard *guard       // outlives a reload that changes other settings
	oauth *tokenSource // nil without OAuth 2.0

	reading sync.Mutex // held while the secret is read, which may take long
	changed bool       // since refresh last told; guarded by reading

	mu   sync.Mutex // guards read
	read secretRead
}

// secretRead is a secret as it was read, and when.
type secretRead struct {
	secret   config.Secret
	pair     config.Secret // of username and secret, as HTTP Basic has it; zero without a username
	err      error
	at       time.Time
	changed  time.Time // when the secret last changed, as far as its source tells
	tokenEnd time.Time // when it ends by its own words, if it is a JWT
}

// readAgainAfter bounds how often a secret's file is read: once for all
// endpoints that are due together.
const readAgainAfter = time.Second

func newCredential(settings *config.Credential, dial DialFunc) (*credential, error) {
	c := &credential{Credential: settings, guard: newGuard(settings.Guard)}
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
	c.reading.Lock()
	defer c.reading.Unlock()
	last := c.lastRead()
	if last.at.IsZero() || time.Since(last.at) >= readAgainAfter {
		last = c.readAgain(last)
	}
	return last.secret, last.err
}

// lastRead returns the secret as it was last read. It waits for no file.
func (c *credential) lastRead() secretRead {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read
}

// refresh reads the secret again, however lately it was read, and reports
// whether it has changed since refresh last told: a probe may have been the first
// to read the change.
func (c *credential) refresh() bool {
	c.reading.Lock()
	defer c.reading.Unlock()
	last := c.lastRead()
	if last.at.IsZero() {
		return false // it was not even used yet
	}
	if now := c.readAgain(last); now.err != nil {
		return false // and told when it can be read
	}
	changed := c.changed
	c.changed = false
	return changed
}

// readAgain reads the secret. The caller holds reading.
func (c *credential) readAgain(last secretRead) secretRead {
	now := secretRead{at: time.Now(), pair: last.pair, changed: last.changed, tokenEnd: last.tokenEnd}
	now.secret, now.err = c.Secret.Read()
	switch {
	case now.err != nil:
	case !utf8.ValidString(now.secret.Reveal()):
		now.err = fmt.Errorf("the secret from %s is not UTF-8", c.Secret)
	case strings.Contains(now.secret.Reveal(), "\x00"):
		now.err = fmt.Errorf("the secret from %s has a NUL character in it", c.Secret)
	case c.Auth == config.AuthToken && !headerSafe(now.secret):
		now.err = fmt.Errorf("the secret from %s has characters that no HTTP header can carry", c.Secret)
	}
	if now.err == nil && !now.secret.Equal(last.secret) {
		c.changed = !last.at.IsZero() // else it is the first
		if c.Username != "" {
			now.pair = basicPair(c.Username, now.secret.Reveal())
		}
		now.tokenEnd = jwtExpiry(now.secret)
		if now.changed = c.Secret.Changed(); now.changed.IsZero() {
			now.changed = now.at // the environment does not tell
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = now
	return now
}
