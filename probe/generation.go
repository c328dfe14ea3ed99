package probe

import (
	"fmt"
	"maps"
	"reflect"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"session_exporter/config"
	"session_exporter/probe/control"
	"session_exporter/probe/transport"
	"session_exporter/probe/transport/mask"
	"session_exporter/sessionapi"
)

// Generation creates the probers of one configuration. It is safe for concurrent use.
type Generation struct {
	manager        *Manager
	modules        map[string]config.Settings  // of the configuration
	listed         map[string]*config.Endpoint // of the configuration, by backoffKey
	guardKeys      map[string]bool             // of the listed endpoints, by guardKey
	credentials    map[string]*credential
	longestTimeout map[*config.HTTP]time.Duration // of the endpoints that share a client
	takenOver      map[*transport.Client]bool     // from the generation before

	mu      sync.Mutex // guards clients
	clients map[*config.HTTP]*transport.Client
}

// NewProber returns the prober of an endpoint, or of a target that the configuration
// does not list.
func (g *Generation) NewProber(endpoint *config.Endpoint) (*Prober, error) {
	client, err := g.clientOf(endpoint.HTTP)
	if err != nil {
		return nil, fmt.Errorf("endpoint %q: %w", endpoint.Name, err)
	}
	age := max(endpoint.ConnectionMaxAge, 1)
	s := &sender{
		target:  g.targetOf(endpoint, client),
		backoff: g.backoffOf(endpoint),
		connection: &transport.Connection{
			Client: client, Counter: &g.manager.connections,
			Interval: endpoint.Interval, MaxAge: endpoint.ConnectionMaxAge,
			Offset: time.Duration(xxhash.Sum64String(endpoint.Name) % uint64(age)),
		},
	}
	p := &Prober{sender: s, sessions: &sessionFlow{sender: g.localOf(s)}, control: g.controlOf(s)}
	p.flow = p.newFlow()
	return p, nil
}

// controlOf returns the negative controls of a sender's endpoint, nil without any. A process
// that ends after one probe makes none, because the next process would not know when the last
// one was made.
func (g *Generation) controlOf(s *sender) *control.Control {
	if s.endpoint.NegativeControl == 0 || g.manager.Once {
		return nil
	}
	g.manager.mu.Lock()
	defer g.manager.mu.Unlock()
	if s.backoff.control == nil {
		s.backoff.control = control.New(g.manager.controls)
	}
	return s.backoff.control
}

// localOf returns the sender of the local session of a pairing, which shares the connection
// and the back-off, or the sender itself without a pairing.
func (g *Generation) localOf(remote *sender) *sender {
	if remote.endpoint.Pairing == nil {
		return remote
	}
	endpoint := remote.endpoint.Pairing.LocalEndpoint(remote.endpoint)
	// The local session has its own guard key, even if both sites use the same credential.
	return &sender{target: g.targetOf(endpoint, remote.client), backoff: remote.backoff, connection: remote.connection}
}

func (g *Generation) targetOf(endpoint *config.Endpoint, client *transport.Client) target {
	var sessionHeader string
	if headers := endpoint.SessionAPI.Spec().SessionHeaders; len(headers) > 0 {
		sessionHeader = headers[0]
	}
	sequencer, _ := endpoint.SessionAPI.(sessionapi.Sequencer)
	credential := g.manager.secrets.Set("credential " + endpoint.Credential.Name)
	origin := g.manager.secrets.Set("origin " + endpoint.URL.Scheme + "://" + endpoint.URL.Host) // shared by its endpoints
	return target{
		endpoint:      endpoint,
		api:           endpoint.SessionAPI,
		sequencer:     sequencer,
		sessionHeader: sessionHeader,
		client:        client,
		credential:    g.credentials[endpoint.Credential.Name],
		guardKey:      guardKey(endpoint),
		secrets:       secretSets{credential, origin, mask.NewMasker(credential, origin).Named(endpoint.Credential.Username)},
		oneShot:       g.manager.Once,
	}
}

// clientOf returns the client that all endpoints with these settings share.
func (g *Generation) clientOf(settings *config.HTTP) (*transport.Client, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if known, ok := g.clients[settings]; ok {
		return known, nil
	}
	c, err := transport.NewClient(settings, g.manager.dial, g.longestTimeout[settings])
	if err != nil {
		return nil, err
	}
	g.clients[settings] = c
	return c, nil
}

// takeOverClients takes over the clients of the active generation that have the same
// settings: a prober that is replaced for another reason keeps its idle connection, instead
// of adding a second one. Settings are matched by the name of their module or endpoint,
// because each endpoint may have its own.
func (g *Generation) takeOverClients(old *Generation) {
	old.mu.Lock()
	defer old.mu.Unlock()
	takeOver := func(from, to *config.HTTP) {
		c, used := old.clients[from]
		if g.clients[to] == nil && used && old.longestTimeout[from] == g.longestTimeout[to] && reflect.DeepEqual(from, to) {
			g.clients[to], g.takenOver[c] = c, true
		}
	}
	for name, module := range g.modules {
		takeOver(old.modules[name].HTTP, module.HTTP)
	}
	for key, endpoint := range g.listed {
		if before := old.listed[key]; before != nil {
			takeOver(before.HTTP, endpoint.HTTP)
		}
	}
}

// closeUnused closes the connections of the clients that the next generation did not take
// over. It waits for twice the timeout: once for a probe in flight, and once for the logout
// that follows it. A prober that still uses such a client makes another connection.
func (g *Generation) closeUnused(next *Generation) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for settings, c := range g.clients {
		if !next.takenOver[c] {
			time.AfterFunc(2*g.longestTimeout[settings], c.Transport.CloseIdleConnections)
		}
	}
}

// backoffOf returns the back-off of an endpoint. The back-off of a listed endpoint outlives
// its prober, because a Retry-After applies to the next prober too.
func (g *Generation) backoffOf(endpoint *config.Endpoint) *endpointBackoff {
	key := backoffKey(endpoint)
	if g.listed[key] != endpoint { // a target may have the address of a listed endpoint
		return new(endpointBackoff)
	}
	g.manager.mu.Lock()
	defer g.manager.mu.Unlock()
	b, known := g.manager.backoffs[key]
	if !known {
		b = new(endpointBackoff)
		g.manager.backoffs[key] = b
	}
	return b
}

func backoffKey(endpoint *config.Endpoint) string {
	return endpoint.API + " " + endpoint.Name + " " + endpoint.URL.String()
}

// unlisted returns the guard keys of endpoints that were listed before but are not in this
// generation.
func (g *Generation) unlisted(before map[string]bool) map[string]bool {
	now := make(map[string]bool)
	maps.Copy(now, before)
	maps.Copy(now, g.manager.active.guardKeys)
	maps.DeleteFunc(now, func(key string, _ bool) bool { return g.guardKeys[key] })
	return now
}

// Commit makes the generation the active one.
func (g *Generation) Commit() {
	g.manager.mu.Lock()
	defer g.manager.mu.Unlock()
	g.manager.unlisted = g.unlisted(g.manager.unlisted)
	g.manager.active.closeUnused(g)
	g.manager.active = g
	maps.DeleteFunc(g.manager.backoffs, func(key string, _ *endpointBackoff) bool { return g.listed[key] == nil })
}
