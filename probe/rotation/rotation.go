// Package rotation remembers what replaced a refresh token (RFC 6749, 6). It sends nothing,
// and writes no file: a restart forgets the replacements.
package rotation

import (
	"crypto/sha256"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"session_exporter/secret"
)

// maxTokens limits a registry. The least recently used token is evicted.
const maxTokens = 10_000

// Registry holds the configured refresh tokens, by client and value: a replaced token is
// recognized if it is configured again, or in another file or entry. It outlives reloads.
// The zero Registry is empty. It is safe for concurrent use.
type Registry struct {
	mu     sync.Mutex // guards tokens
	tokens map[digest]*Token
}

type digest [sha256.Size]byte

// Token is a configured refresh token and what replaced it. It is safe for concurrent use.
type Token struct {
	// Presenting has capacity 1: if a token is presented twice, a server may revoke it.
	Presenting chan struct{}

	usedAt time.Time // guarded by Registry.mu

	mu          sync.Mutex // guards the fields below
	replacement secret.Secret
	replacedAt  time.Time
}

// Token returns the record of a client's configured token. It adds one if there is none.
func (r *Registry) Token(clientID, tokenURL string, configured secret.Secret) *Token {
	key := sha256.Sum256([]byte(strings.Join([]string{clientID, tokenURL, configured.Reveal()}, "\x00")))
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.tokens[key]
	if t == nil {
		if r.tokens == nil {
			r.tokens = make(map[digest]*Token)
		}
		if len(r.tokens) >= maxTokens {
			delete(r.tokens, r.oldestLocked())
		}
		t = &Token{Presenting: make(chan struct{}, 1)}
		r.tokens[key] = t
	}
	t.usedAt = time.Now()
	return t
}

func (r *Registry) oldestLocked() digest {
	return slices.MinFunc(slices.Collect(maps.Keys(r.tokens)), func(a, b digest) int {
		return r.tokens[a].usedAt.Compare(r.tokens[b].usedAt)
	})
}

// Latest returns what replaced the token and when, zero if nothing has.
func (t *Token) Latest() (secret.Secret, time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.replacement, t.replacedAt
}

// Replace records a replacement.
func (t *Token) Replace(by secret.Secret) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.replacement, t.replacedAt = by, time.Now()
}
