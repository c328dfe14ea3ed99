package probe

import (
	"crypto/tls"
	"net"
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
//
// Hosts are those of URLs, ports included: what is at another port may take the
// same sessions and have another certificate.
type tlsSessions struct {
	mu     sync.Mutex // guards byHost
	byHost map[string]*tlsSession
}

// tlsSession is what the next connection to a host resumes.
type tlsSession struct {
	mu    sync.Mutex              // guards the fields below
	state *tls.ClientSessionState // nil when there is none
	// certified is when the certificate was shown in the handshake that the session
	// descends from, or since when it is to be shown again.
	certified time.Time
}

// cacheOf has a connection to a host resume its session and leave the next one.
func (s *tlsSessions) cacheOf(host string, dialled net.Conn) tls.ClientSessionCache {
	aged, ok := dialled.(*agedConn)
	if !ok {
		return nil // nobody would know how old its session is
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if aged.session = s.byHost[host]; aged.session != nil {
		return aged
	}
	if s.byHost == nil || len(s.byHost) >= maxSessions {
		s.byHost = make(map[string]*tlsSession)
	}
	aged.session = new(tlsSession)
	s.byHost[host] = aged.session
	return aged
}

// forget makes the next connection to a host show its certificate.
func (s *tlsSessions) forget(host string) {
	s.mu.Lock()
	known := s.byHost[host]
	s.mu.Unlock()
	if known != nil {
		known.replace(nil, time.Now())
	}
}

// replace keeps a newer session. One that comes from before the handshake that is
// known, or from before it was forgotten, is given up: another connection may have
// resumed it, and be told of the next one only now.
func (s *tlsSession) replace(state *tls.ClientSessionState, certified time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !certified.Before(s.certified) {
		s.state, s.certified = state, certified
	}
}

// Get implements tls.ClientSessionCache, with the one session that is for the
// connection. The handshake may still turn out to be a full one; older is safe.
func (c *agedConn) Get(string) (*tls.ClientSessionState, bool) {
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	if c.session.state == nil {
		return nil, false
	}
	c.certified = c.session.certified
	return c.session.state, true
}

// Put implements tls.ClientSessionCache.
func (c *agedConn) Put(_ string, state *tls.ClientSessionState) {
	c.session.replace(state, c.certified)
}
