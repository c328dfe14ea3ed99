package probe

import (
	"fmt"
	"maps"
	"net"
	"reflect"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"session_exporter/config"
)

// Factory makes probers, which share what can be shared: a transport for each
// distinct block of connection settings, and one guard for each credential. It
// is safe for concurrent use.
type Factory struct {
	dial DialFunc
	open connections

	mu     sync.Mutex        // guards the fields below
	pauses map[string]*pause // by endpoint; each is its prober's, one after the other
	atWork *Batch            // the one that was committed last; at first an empty one
}

// NewFactory returns a factory without credentials: see Prepare.
func NewFactory() *Factory {
	return NewFactoryOver(new(net.Dialer).DialContext) // which clients bound
}

// NewFactoryOver returns a factory whose probers make their connections with
// dial: over pipes, for instance, where time is virtual.
func NewFactoryOver(dial DialFunc) *Factory {
	f := &Factory{atWork: new(Batch)}
	f.dial = f.open.counting(dial)
	return f
}

// Keep bounds how many connections are kept between probes. Endpoints beyond are
// probed on fresh ones.
func (f *Factory) Keep(connections int) { f.open.most.Store(int64(connections)) }

// Files returns how many files connections may come to take with so many probes under
// way: two for each of these, and those of connections that none of them has, which
// are kept between probes, log out, or await an answer that comes late.
func (f *Factory) Files(probes int) int { return f.open.files(probes) }

// Prepare makes the credentials of a configuration, as successors of those of
// the one before, and takes over the clients whose settings are the same. Nothing
// changes until its Commit.
func (f *Factory) Prepare(settings *config.Config) (*Batch, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := &Batch{
		factory:     f,
		modules:     settings.Modules,
		listed:      make(map[string]*config.Endpoint, len(settings.Endpoints)),
		credentials: make(map[string]*credential, len(settings.Credentials)),
		clients:     make(map[*config.HTTP]*client),
		longest:     make(map[*config.HTTP]time.Duration),
		taken:       make(map[*client]bool),
	}
	for _, endpoint := range settings.Endpoints {
		b.listed[pauseKey(endpoint)] = endpoint
		b.longest[endpoint.HTTP] = max(b.longest[endpoint.HTTP], endpoint.Timeout)
	}
	for _, module := range settings.Modules {
		b.longest[module.HTTP] = max(b.longest[module.HTTP], module.Timeout)
	}
	for name, next := range settings.Credentials {
		old, known := f.atWork.credentials[name]
		if known && reflect.DeepEqual(old.Credential, next) {
			b.credentials[name] = old
			continue
		}
		c, err := newCredential(next, f.dial)
		if err != nil {
			return nil, err
		}
		if known && sameAccount(old.Credential, next) {
			c.guard = old.guard
		}
		b.credentials[name] = c
	}
	b.takeOver(f.atWork)
	return b, nil
}

// sameAccount reports whether it is the same account that may be locked.
func sameAccount(a, b *config.Credential) bool {
	if a.OAuth2 == nil || b.OAuth2 == nil {
		return a.OAuth2 == b.OAuth2 && a.Username == b.Username
	}
	return a.OAuth2.ClientID == b.OAuth2.ClientID && a.OAuth2.TokenURL == b.OAuth2.TokenURL
}

// Credentials tells how the credentials at work stand, in no order.
func (f *Factory) Credentials() []CredentialStatus {
	var all []CredentialStatus
	for name, c := range f.current() {
		status := CredentialStatus{Name: name, Changed: c.lastRead().changed}
		status.Suspended, status.Refusals = c.guard.status()
		all = append(all, status)
	}
	return all
}

// current returns the credentials at work. The map is not written to any more.
func (f *Factory) current() map[string]*credential {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.atWork.credentials
}

// CredentialStatus is how a credential stands.
type CredentialStatus struct {
	Name      string
	Suspended bool // the guard withholds its secret everywhere
	Refusals  int  // of its secrets, ever
	// Changed is when its secret last changed, as far as its source tells; zero
	// when it was not used yet.
	Changed time.Time
}

// Refresh reads all secrets again and returns the names of the credentials
// whose secret has changed since Refresh last told.
func (f *Factory) Refresh() []string {
	var changed []string
	current := f.current()
	for _, name := range sortedKeys(current) {
		if current[name].refresh() {
			changed = append(changed, name)
		}
	}
	return changed
}

// Resume lets a credential's secret be tried again at once. It reports whether
// there is a credential of that name.
func (f *Factory) Resume(name string) bool {
	c, known := f.current()[name]
	if known {
		c.guard.resume()
	}
	return known
}

// Batch makes the probers of one configuration. It is safe for concurrent use.
type Batch struct {
	factory     *Factory
	modules     map[string]config.Settings  // of the configuration
	listed      map[string]*config.Endpoint // by pauseKey, of the configuration
	credentials map[string]*credential
	longest     map[*config.HTTP]time.Duration // timeout of who shares a client
	taken       map[*client]bool               // from the batch before

	mu      sync.Mutex // guards clients
	clients map[*config.HTTP]*client
}

// New returns the prober of an endpoint, or of a target that the configuration
// does not list.
func (b *Batch) New(endpoint *config.Endpoint) (*Prober, error) {
	api, ok := apiOf(endpoint)
	if !ok {
		return nil, fmt.Errorf("endpoint %q: there is no API %q", endpoint.Name, endpoint.API)
	}
	client, err := b.clientOf(endpoint.HTTP)
	if err != nil {
		return nil, fmt.Errorf("endpoint %q: %w", endpoint.Name, err)
	}
	credential := b.credentials[endpoint.Credential.Name]
	age := max(endpoint.ConnectionMaxAge, 1)
	p := &Prober{
		endpoint:      endpoint,
		api:           api,
		sessionHeader: api.Spec().SessionHeader,
		client:        client,
		credential:    credential,
		patience:      credential.guard.patienceOf(endpoint.Name),
		pause:         b.pauseOf(endpoint),
		open:          &b.factory.open,
		phase:         int64(xxhash.Sum64String(endpoint.Name) % uint64(age)),
	}
	p.local = b.localOf(p)
	return p, nil
}

// clientOf returns the client that all endpoints with these settings share.
func (b *Batch) clientOf(settings *config.HTTP) (*client, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if known, ok := b.clients[settings]; ok {
		return known, nil
	}
	c, err := newClient(settings, b.factory.dial, b.longest[settings])
	if err != nil {
		return nil, err
	}
	b.clients[settings] = c
	return c, nil
}

// takeOver takes over the clients of the batch at work that have the same settings:
// for probers that a reload replaces for another reason, which would else all connect
// anew, beside connections that idle. Settings are compared by the name of who has
// them, for there may be a block for each endpoint.
func (b *Batch) takeOver(old *Batch) {
	old.mu.Lock()
	defer old.mu.Unlock()
	take := func(from, to *config.HTTP) {
		c, used := old.clients[from]
		if b.clients[to] == nil && used && old.longest[from] == b.longest[to] && reflect.DeepEqual(from, to) {
			b.clients[to], b.taken[c] = c, true
		}
	}
	for name, module := range b.modules {
		take(old.modules[name].HTTP, module.HTTP)
	}
	for key, endpoint := range b.listed {
		if before := old.listed[key]; before != nil {
			take(before.HTTP, endpoint.HTTP)
		}
	}
}

// retire closes the connections of the clients that the next batch did not take over,
// when it is time: a probe that is under way may last for its timeout, and a logout
// behind it as long again. Who goes on with such a client, because another's timeout
// is all that changed, connects once more.
func (b *Batch) retire(next *Batch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for settings, c := range b.clients {
		if !next.taken[c] {
			time.AfterFunc(2*b.longest[settings], c.transport.CloseIdleConnections)
		}
	}
}

// pauseOf returns the pause of an endpoint. That of one that is listed outlives
// its prober: what an appliance asked for holds for the next one too.
func (b *Batch) pauseOf(endpoint *config.Endpoint) *pause {
	key := pauseKey(endpoint)
	if b.listed[key] != endpoint { // a target may be at the address of one that is listed
		return new(pause)
	}
	b.factory.mu.Lock()
	defer b.factory.mu.Unlock()
	own, known := b.factory.pauses[key]
	if !known {
		own = new(pause)
		if b.factory.pauses == nil {
			b.factory.pauses = make(map[string]*pause)
		}
		b.factory.pauses[key] = own
	}
	return own
}

func pauseKey(endpoint *config.Endpoint) string {
	return endpoint.API + " " + endpoint.Name + " " + endpoint.URL.String()
}

// Commit puts the credentials and the clients to work.
func (b *Batch) Commit() {
	b.factory.mu.Lock()
	defer b.factory.mu.Unlock()
	for name, c := range b.credentials {
		c.guard.configure(c.Guard)
		if old, known := b.factory.atWork.credentials[name]; known && old.guard != c.guard {
			c.guard.goOn(old.guard) // it is counted by the credential's name
		}
	}
	b.factory.atWork.retire(b)
	b.factory.atWork = b
	maps.DeleteFunc(b.factory.pauses, func(key string, _ *pause) bool { return b.listed[key] == nil })
}
