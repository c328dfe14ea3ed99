// Package mask provides a Registry of secrets that were sent or received, and a Masker that
// removes them from shown texts. It never logs, never sends anything, and never returns
// a secret.
package mask

import (
	"sync"
	"time"
)

// maxSets limits the registry. It has room for 10,000 endpoints at as many origins, and
// for as many targets of /probe. The least recently used set is evicted.
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

// Set returns the secrets of a scope.
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

// sweepLocked makes room for a set. It removes expired sets once an hour.
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
