package mask

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"session_exporter/secret"
)

const (
	// keep is how long a secret is remembered after its last use. A replaced password
	// or session may still be quoted.
	keep = 24 * time.Hour
	// maxSecrets limits a set. It has room for a day of a session that is renewed every
	// 90 s. The least recently used secret is evicted.
	maxSecrets = 1024
)

// Secrets are the secrets of one scope that were in use within the last day. The zero
// Secrets is empty. It is safe for concurrent use.
type Secrets struct {
	mu     sync.Mutex    // guards values
	values []knownSecret // least recently used first, also within a second

	used    atomic.Int64  // when the set was last used, in seconds since 1970
	version atomic.Uint64 // number of secrets ever added
}

// knownSecret is a secret of a set, and data derived from it. An endpoint that renews its
// session every 30 minutes has 50 of them.
type knownSecret struct {
	needle
	more []needle // parts that are secret by themselves
	used int64    // in seconds since 1970
	// mayBeInUUID is set if the secret or one of its parts may be in a UUID.
	mayBeInUUID bool
}

// Add adds secrets, or records that they are still in use. It does not allocate for known
// secrets. An index would save 5 µs a secret, but only in a full set, and would take as much
// memory as the secrets.
func (s *Secrets) Add(secrets ...secret.Secret) {
	now := time.Now().Unix()
	for _, one := range secrets {
		s.add(one.Reveal(), now, plainParts)
	}
}

// AddHeader adds header values and the parts that a server may quote alone: the text
// after the scheme, the values of cookies and parameters, and the password of a
// Basic pair.
func (s *Secrets) AddHeader(values ...secret.Secret) {
	now := time.Now().Unix()
	for _, one := range values {
		s.add(one.Reveal(), now, headerParts)
	}
}

func (s *Secrets) add(text string, now int64, parts func(string) []string) {
	if text == "" {
		return
	}
	s.used.Store(now)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.values {
		if known := s.values[i]; known.text == text {
			known.used = now
			s.values = append(slices.Delete(s.values, i, i+1), known)
			return
		}
	}
	s.values = slices.DeleteFunc(s.values, func(v knownSecret) bool { return v.used < oldestKept(now) })
	if len(s.values) >= maxSecrets {
		s.values = slices.Delete(s.values, 0, 1)
	}
	all := needles(parts(text))
	added := knownSecret{needle: all[0], more: slices.Clip(all[1:]), used: now}
	if len(all) == 1 {
		added.more = nil // frees the array
	}
	for _, part := range all {
		added.mayBeInUUID = added.mayBeInUUID || isUUIDText(part.text)
	}
	s.values = append(s.values, added)
	s.version.Add(1)
}

// oldestKept returns the earliest last use, in seconds since 1970, of a secret that is
// still remembered.
func oldestKept(now int64) int64 { return now - int64(keep/time.Second) }

// appendTo appends the needles to search for.
func (s *Secrets) appendTo(all []needle) []needle {
	s.mu.Lock()
	defer s.mu.Unlock()
	all = slices.Grow(all, len(s.values))
	oldest := oldestKept(time.Now().Unix())
	for i := range s.values {
		if s.values[i].used >= oldest {
			all = append(append(all, s.values[i].needle), s.values[i].more...)
		}
	}
	return all
}

// within reports whether a UUID contains a secret or a part of one, ignoring case.
func (s *Secrets) within(uuid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.values {
		v := &s.values[i]
		if v.mayBeInUUID && (foldedContains(uuid, v.text) ||
			slices.ContainsFunc(v.more, func(part needle) bool { return foldedContains(uuid, part.text) })) {
			return true
		}
	}
	return false
}

// foldedContains reports whether text contains part, ignoring case.
func foldedContains(text, part string) bool {
	for i := 0; i+len(part) <= len(text); i++ {
		if foldedPrefix(text[i:], part) {
			return true
		}
	}
	return false
}

// Version changes whenever a new secret is added.
func (s *Secrets) Version() uint64 { return s.version.Load() }

func (s *Secrets) touch() { s.used.Store(time.Now().Unix()) }

func (s *Secrets) lastUse() time.Time { return time.Unix(s.used.Load(), 0) }
