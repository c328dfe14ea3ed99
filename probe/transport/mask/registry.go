// Package mask provides a Registry of secrets that were sent or received, and a Masker that
// masks them in texts to be shown. It sends nothing and logs nothing, and a Registry never
// gives out its secrets.
package mask

import (
	"sync"
	"time"
)

// maxSets limits the registry. It has room for 10,000 endpoints and 10,000 targets of
// /probe, each at an origin of its own. The least recently used set is evicted.
const maxSets = 32 << 10

// Registry holds the secrets of the process, one set for each scope: a credential, or the
// origin that secrets were sent to or received from. An appliance can quote only what it
// has received or issued, so a text from it is masked with the sets of its origin and its
// credential. The registry outlives reloads. The zero Registry is empty. It is safe for
// concurrent use.
type Registry struct {
	mu    sync.Mutex // guards the fields below
	sets  map[string]*Secrets
	swept time.Time // when idle sets were last removed
}

// Set returns the secrets of a scope, an empty set if the scope is new. It counts as a use
// of the set.
func (r *Registry) Set(scope string) *Secrets {
	r.mu.Lock()
	defer r.mu.Unlock()
	if set, ok := r.sets[scope]; ok {
		set.touch()
		return set
	}
	if r.sets == nil {
		r.sets = make(map[string]*Secrets)
	}
	r.sweepLocked()
	set := new(Secrets)
	set.touch()
	r.sets[scope] = set
	return set
}

// sweepLocked makes room for another set. It removes the sets that were not used for a day,
// at most once an hour unless the registry is full. If it still is, it evicts the least
// recently used set.
func (r *Registry) sweepLocked() {
	now := time.Now()
	if len(r.sets) < maxSets && now.Sub(r.swept) < time.Hour {
		return
	}
	r.swept = now
	var oldest string
	var oldestUse time.Time
	for scope, set := range r.sets {
		used := set.lastUse()
		if now.Sub(used) > keep {
			delete(r.sets, scope)
			continue
		}
		if oldest == "" || used.Before(oldestUse) {
			oldest, oldestUse = scope, used
		}
	}
	if len(r.sets) >= maxSets {
		delete(r.sets, oldest)
	}
}
