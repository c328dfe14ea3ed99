package guard

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"maps"
	"slices"
	"sync"
	"time"

	"session_exporter/config"
	"session_exporter/secret"
)

// Registry holds the state of all accounts. It outlives reloads, and identifies
// accounts by username and secret, not by a credential's name in the configuration. It
// is safe for concurrent use.
type Registry struct {
	// key makes the hashes useless outside this process.
	key [sha256.Size]byte

	mu      sync.Mutex // guards the fields below and everything they refer to
	secrets map[digest]*secretRecord
	joined  map[string]*account // by `lockout_guard.account`
	pruneAt int
}

type digest [sha256.Size]byte

// NewRegistry returns an empty registry.
func NewRegistry() *Registry {
	r := &Registry{secrets: make(map[digest]*secretRecord), joined: make(map[string]*account)}
	_, _ = rand.Read(r.key[:]) // never fails
	return r
}

// NewGuard returns the guard of a credential. identity distinguishes accounts that
// happen to have the same secret. predecessor is the credential's guard before a
// reload, nil if it had none.
func (r *Registry) NewGuard(identity string, settings config.LockoutGuard, predecessor *Guard) *Guard {
	g := &Guard{registry: r, identity: identity, joined: settings.Account, settings: settings, account: &account{registry: r}, refusals: &tally{since: time.Now()}}
	if predecessor == nil {
		return g
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	g.refusals = predecessor.refusals
	if predecessor.identity == identity {
		g.account = predecessor.account
		if predecessor.joined == g.joined {
			g.secret, g.record = predecessor.secret, predecessor.record
		}
	}
	return g
}

// account is one account of a directory or an appliance: the budget that its secrets
// share. Guarded by Registry.mu.
type account struct {
	registry *Registry
	secrets  []*secretRecord
	refusals []refusal // within retry_after, of secrets not accepted since
	resumed  []time.Time
	into     *account // the account that it was merged into, if any
}

// root returns the account that this one was merged into, or the account itself.
func (a *account) root() *account {
	for a.into != nil {
		a = a.into
	}
	return a
}

type refusal struct {
	secret *secretRecord
	at     time.Time
}

// The limits on what is remembered. A secret that is forgotten starts anew, within the
// account's budget.
const (
	maxSecrets  = 32   // of an account
	minPruneAt  = 1000 // secrets of all accounts; fewer are not worth pruning
	rememberFor = 24 * time.Hour
)

// secretLocked returns the record of a secret of a guard's account.
func (r *Registry) secretLocked(g *Guard, text secret.Secret) *secretRecord {
	digests := []digest{r.digest("user", g.identity, text)}
	if g.joined != "" {
		digests = append(digests, r.digest("account", g.joined, text))
	}
	var s *secretRecord
	for _, d := range digests {
		if known := r.secrets[d]; known != nil && (s == nil || known.refusals > s.refusals) {
			s = known
		}
	}
	if s == nil {
		s = r.newSecretLocked(g.account.root())
	}
	for _, d := range digests {
		r.secrets[d] = s
	}
	s.usedAt = time.Now()
	s.account.mergeLocked(g.account.root())
	if g.joined != "" {
		if joined := r.joined[g.joined]; joined != nil {
			s.account.mergeLocked(joined.root())
		}
		r.joined[g.joined] = s.account
	}
	return s
}

func (r *Registry) newSecretLocked(a *account) *secretRecord {
	now := time.Now()
	if len(r.secrets) >= max(r.pruneAt, minPruneAt) {
		maps.DeleteFunc(r.secrets, func(_ digest, s *secretRecord) bool { return s.idleLocked(now) && now.Sub(s.usedAt) > rememberFor })
		r.pruneAt = 2 * len(r.secrets)
	}
	s := &secretRecord{account: a}
	a.secrets = append(a.secrets, s)
	a.evictLocked(now)
	return s
}

// digest hashes a secret together with its owner.
func (r *Registry) digest(kind, owner string, text secret.Secret) (d digest) {
	h := hmac.New(sha256.New, r.key[:])
	for _, part := range []string{kind, owner, text.Reveal()} {
		sum := sha256.Sum256([]byte(part)) // of a fixed length, so that adjacent parts cannot be confused
		_, _ = h.Write(sum[:])
	}
	h.Sum(d[:0])
	return d
}

// idleLocked reports whether no login and no suspension depends on the secret.
func (s *secretRecord) idleLocked(now time.Time) bool {
	return len(s.inFlight) == 0 && s.queue.empty() && !now.Before(s.until)
}

// evictLocked forgets the least recently used secret if there are too many. Secrets that a
// login or a suspension depends on are evicted last.
func (a *account) evictLocked(now time.Time) {
	if len(a.secrets) <= maxSecrets {
		return
	}
	oldest := slices.MinFunc(a.secrets[:len(a.secrets)-1], func(x, y *secretRecord) int {
		if xIdle := x.idleLocked(now); xIdle != y.idleLocked(now) {
			if xIdle {
				return -1
			}
			return 1
		}
		return x.usedAt.Compare(y.usedAt)
	})
	a.secrets = slices.DeleteFunc(a.secrets, func(s *secretRecord) bool { return s == oldest })
	maps.DeleteFunc(a.registry.secrets, func(_ digest, s *secretRecord) bool { return s == oldest })
}

// mergeLocked merges another account that turned out to be the same into a.
func (a *account) mergeLocked(other *account) {
	if a == other {
		return
	}
	for _, s := range other.secrets {
		s.account = a
	}
	a.secrets = append(a.secrets, other.secrets...)
	a.refusals = append(a.refusals, other.refusals...)
	slices.SortFunc(a.refusals, func(x, y refusal) int { return x.at.Compare(y.at) })
	a.resumed = append(a.resumed, other.resumed...)
	slices.SortFunc(a.resumed, time.Time.Compare)
	*other = account{registry: a.registry, into: a}
}

// spentUntilLocked returns when the account's budget of refusals is available again,
// zero if it is not spent.
func (a *account) spentUntilLocked(settings config.LockoutGuard, now time.Time) time.Time {
	a.refusals = slices.DeleteFunc(a.refusals, func(r refusal) bool { return now.Sub(r.at) >= settings.RetryAfter })
	if over := len(a.refusals) - accountBudget*settings.MaxRefusals; over >= 0 {
		return a.refusals[over].at.Add(settings.RetryAfter)
	}
	return time.Time{}
}

// hasRoomLocked reports whether one more login of an untrusted secret may be in flight: the
// budget must suffice even if all those in flight are refused.
func (a *account) hasRoomLocked(settings config.LockoutGuard) bool {
	inFlight := 0
	for _, s := range a.secrets {
		if !s.trusted {
			inFlight += len(s.inFlight)
		}
	}
	return len(a.refusals)+inFlight < accountBudget*settings.MaxRefusals
}

// resumeLocked counts a grant of Resume. If there were too many within the window, it returns
// the time of the next one, otherwise zero.
func (a *account) resumeLocked(now time.Time, window time.Duration) (next time.Time) {
	a.resumed = slices.DeleteFunc(a.resumed, func(at time.Time) bool { return now.Sub(at) >= window })
	if len(a.resumed) >= maxResumes {
		return a.resumed[0].Add(window)
	}
	a.resumed = append(a.resumed, now)
	return time.Time{}
}
