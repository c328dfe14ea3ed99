package probe

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"reflect"
	"slices"
	"sync"
	"time"

	"session_exporter/config"
	"session_exporter/probe/control"
	"session_exporter/probe/guard"
	"session_exporter/probe/rotation"
	"session_exporter/probe/transport"
	"session_exporter/probe/transport/mask"
)

// DialFunc makes a connection, as net.Dialer's DialContext does.
type DialFunc = transport.DialFunc

// Manager creates a Generation for each configuration, and holds what outlives a reload.
// The endpoints of a module share a transport, except those with connection settings of
// their own, and the endpoints of a credential share a guard. A Manager is safe for
// concurrent use.
type Manager struct {
	// Once is set before Prepare if the process ends after one probe of each endpoint.
	// The guard ends with the process, so results do not say until when it holds back
	// logins.
	Once bool

	dial        DialFunc
	connections transport.ConnCounter
	accounts    *guard.Registry
	controls    control.Slots
	// secrets outlive reloads: an appliance may quote a replaced one.
	secrets       mask.Registry
	refreshTokens rotation.Registry

	mu       sync.Mutex                  // guards the fields below
	backoffs map[string]*endpointBackoff // by backoffKey; each is used by one prober at a time
	active   *Generation                 // committed last; empty at first
	// unlisted has the guard keys of endpoints that earlier configurations listed and the
	// active one does not. The guard remembers these endpoints, in case they come back. The
	// map is never modified.
	unlisted map[string]bool
}

// NewManager returns a manager without credentials, see Prepare.
func NewManager() *Manager {
	return NewManagerWithDial(new(net.Dialer).DialContext) // clients set its timeout
}

// NewManagerWithDial returns a manager whose probers make their connections with dial:
// over pipes, for instance, in virtual time.
func NewManagerWithDial(dial DialFunc) *Manager {
	m := &Manager{accounts: guard.NewRegistry(), controls: control.NewSlots(), backoffs: make(map[string]*endpointBackoff), active: new(Generation)}
	m.dial = m.connections.Track(dial)
	return m
}

// SetMaxKept limits the number of connections that are kept between probes. Further
// endpoints are probed on fresh ones.
func (m *Manager) SetMaxKept(connections int) { m.connections.SetMaxKept(connections) }

// Prepare creates the generation of a configuration. Its credentials succeed those of the
// active one, and clients with the same settings are taken over. Nothing changes until
// Commit.
func (m *Manager) Prepare(settings *config.Config) (*Generation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	g := &Generation{
		manager:        m,
		modules:        settings.Modules,
		listed:         make(map[string]*config.Endpoint, len(settings.Endpoints)),
		guardKeys:      make(map[string]bool, len(settings.Endpoints)),
		credentials:    make(map[string]*credential, len(settings.Credentials)),
		clients:        make(map[*config.HTTP]*transport.Client),
		longestTimeout: make(map[*config.HTTP]time.Duration),
		takenOver:      make(map[*transport.Client]bool),
	}
	for _, endpoint := range settings.Endpoints {
		g.listed[backoffKey(endpoint)] = endpoint
		g.guardKeys[guardKey(endpoint)] = true
		if endpoint.Pairing != nil {
			g.guardKeys[guardKey(endpoint.Pairing.LocalEndpoint(endpoint))] = true
		}
		g.longestTimeout[endpoint.HTTP] = max(g.longestTimeout[endpoint.HTTP], endpoint.Timeout)
	}
	for _, module := range settings.Modules {
		g.longestTimeout[module.HTTP] = max(g.longestTimeout[module.HTTP], module.Timeout)
	}
	for name, next := range settings.Credentials {
		old, known := m.active.credentials[name]
		if known && reflect.DeepEqual(old.Credential, next) {
			g.credentials[name] = old
			continue
		}
		if !known {
			old = new(credential)
		}
		c, err := m.newCredential(next, old)
		if err != nil {
			return nil, err
		}
		g.credentials[name] = c
	}
	g.takeOverClients(m.active)
	return g, nil
}

// newCredential returns a credential that succeeds another one, which is empty if the
// credential is new.
func (m *Manager) newCredential(settings *config.Credential, old *credential) (*credential, error) {
	c := &credential{
		Credential: settings,
		guard:      m.accounts.NewGuard(accountIdentity(settings), settings.Guard, old.guard),
		renewing:   make(chan struct{}, settings.Guard.MaxRefusals),
		last:       secretReading{client: old.lastRead().client},
	}
	switch {
	case settings.OAuth2 == nil:
	case old.oauth != nil && old.oauth.serves(settings):
		c.oauth = old.oauth
	default:
		var err error
		if c.oauth, err = newTokenSource(settings, m.dial, &m.refreshTokens); err != nil {
			return nil, fmt.Errorf("credential %q: oauth2: %w", settings.Name, err)
		}
	}
	return c, nil
}

// accountIdentity identifies an account, together with its secret. With the password grant,
// the account is the user's, and not the client's.
func accountIdentity(c *config.Credential) string {
	if c.OAuth2 != nil && !c.OAuth2.GrantType.TakesPassword() {
		return c.OAuth2.ClientID + " at " + c.OAuth2.TokenURL
	}
	return c.Username
}

// guardKey is the guard's name for an endpoint. It contains the URL, because another URL is
// another appliance.
func guardKey(e *config.Endpoint) string {
	key := e.Name + " " + e.URL.String()
	if e.Pairing != nil {
		key += " pairing " + e.Pairing.ID
	}
	return key
}

// Credentials returns the status of the active credentials, in no particular order.
func (m *Manager) Credentials() []CredentialStatus {
	var all []CredentialStatus
	m.mu.Lock()
	current, unlisted := m.active.credentials, m.unlisted
	m.mu.Unlock()
	watched := func(key string) bool { return !unlisted[key] }
	for name, c := range current {
		status := CredentialStatus{Name: name, Since: c.guard.Since(), Changed: c.lastRead().changedAt}
		status.Suspended, status.Refusals = c.guard.Status(watched)
		all = append(all, status)
	}
	return all
}

// credentials returns the active credentials. The map is never modified.
func (m *Manager) credentials() map[string]*credential {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.active.credentials
}

// CredentialStatus is the status of a credential.
type CredentialStatus struct {
	Name      string
	Suspended bool // the guard holds back its secret from at least one endpoint
	Refusals  int  // of its secrets
	// Since is when Refusals started at 0: the credential was added then.
	Since time.Time
	// Changed is when its secret last changed, as far as its source knows; zero
	// if it has not been read yet.
	Changed time.Time
}

// Refresh reads all secrets again and returns the names of the credentials whose secret
// has changed since the last Refresh.
func (m *Manager) Refresh() []string {
	var changed []string
	current := m.credentials()
	for _, name := range slices.Sorted(maps.Keys(current)) {
		if current[name].refresh() {
			changed = append(changed, name)
		}
	}
	return changed
}

// ErrNoCredential is the error of Resume for an unknown credential.
var ErrNoCredential = errors.New("the configuration has no such credential")

// ResumeLimitError is the error of Resume when logins were resumed too often.
type ResumeLimitError struct{ Next time.Time }

func (e *ResumeLimitError) Error() string {
	return fmt.Sprintf("logins of this credential were resumed too often; the next grant is possible at %s. Change the secret instead: that also lifts the suspension", e.Next.UTC().Format(time.RFC3339))
}

// Resume grants one login of a credential that is held back. It fails with
// ErrNoCredential or with a *ResumeLimitError.
func (m *Manager) Resume(name string) error {
	c, known := m.credentials()[name]
	if !known {
		return ErrNoCredential
	}
	if next, granted := c.guard.Resume(); !granted {
		return &ResumeLimitError{next}
	}
	return nil
}
