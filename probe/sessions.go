package probe

import (
	"crypto/tls"
	"strings"
	"sync"
	"time"
)

// maxSessions bounds the hosts whose TLS sessions are kept: /probe?target= may
// name ever new ones.
const maxSessions = 1 << 17

// tlsSessions are the TLS sessions of a client's hosts, to resume where an
// appliance closes connections that idle: a third of the handshake's work is
// then saved, and more of the appliance's own. In a resumed handshake no
// certificate is sent. So it is remembered when the host was last shown to have
// it, and who wants to see it again forgets the session before.
type tlsSessions struct {
	mu     sync.Mutex // guards byHost
	byHost map[string]tlsSession
}

type tlsSession struct {
	state *tls.ClientSessionState
	// verified is when the certificate was: a session that a resumed
	// connection gives descends from that handshake.
	verified time.Time
}

// Get implements tls.ClientSessionCache.
func (s *tlsSessions) Get(host string) (*tls.ClientSessionState, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.byHost[host]
	return known.state, ok
}

// Put implements tls.ClientSessionCache. It cannot tell whether the handshake
// was a full one where a session was known; older is safe.
func (s *tlsSessions) Put(host string, state *tls.ClientSessionState) {
	if strings.Contains(host, "xn--") {
		return // an endpoint may know it by another spelling, and could not forget it
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.byHost[host]
	switch {
	case state == nil:
		delete(s.byHost, host)
		return
	case !ok:
		known.verified = time.Now()
	}
	if s.byHost == nil || !ok && len(s.byHost) >= maxSessions {
		s.byHost = make(map[string]tlsSession)
	}
	s.byHost[host] = tlsSession{state, known.verified}
}

// forget makes the next connection to a host show its certificate.
func (s *tlsSessions) forget(host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byHost, host)
}

// verified returns when a host's certificate was last seen, zero when there is no
// session that one could resume.
func (s *tlsSessions) verified(host string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byHost[host].verified
}
