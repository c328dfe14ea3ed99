package probe

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"session_exporter/probe/transport"
	"session_exporter/secret"
	"session_exporter/sessionapi"

	"session_exporter/config"
	"session_exporter/probe/transport/http1"
	"session_exporter/simulator/pipenet"
)

// The secrets that all tests use. No Result may show them.
const (
	canaryPassword = "canary-passw0rd"
	canaryToken    = "canary-t0ken"
	canaryClient   = "canary-client-s3cret"
)

var builtIn = sessionapi.BuiltIn()

// credentialFor returns a credential for a way to authenticate, with a lockout guard that
// allows two refusals.
func credentialFor(auth sessionapi.Auth) *config.Credential {
	c := &config.Credential{
		Name:  "monitor",
		Auth:  sessionapi.AuthToken,
		Guard: config.LockoutGuard{MaxRefusals: 2, RetryAfter: 20 * time.Minute, MaxRetryAfter: 4 * time.Hour},
	}
	c.Secret.Inline = secret.New(canaryToken)
	if auth == sessionapi.AuthLogin || auth == sessionapi.AuthBasic {
		c.Auth, c.Username = sessionapi.AuthLogin, "alice"
		c.Secret.Inline = secret.New(canaryPassword)
	}
	return c
}

// endpointFor returns an endpoint with the default settings.
func endpointFor(api string, auth sessionapi.Auth) *config.Endpoint {
	as := builtIn[api]
	if described && as != nil {
		as = definition(api)
	}
	return &config.Endpoint{
		Name: "site-a",
		URL:  &url.URL{Scheme: "http", Host: "appliance.test"},
		Settings: config.Settings{
			API: api, SessionAPI: as, Auth: auth, Credential: credentialFor(auth),
			Interval: time.Minute, Timeout: 10 * time.Second,
			SessionMaxAge: 30 * time.Minute, ConnectionMaxAge: 10 * time.Minute,
			HTTP: new(config.HTTP),
		},
	}
}

// generationOf returns the active generation of a new manager, with the credentials of these
// endpoints.
func generationOf(tb testing.TB, endpoints ...*config.Endpoint) *Generation {
	tb.Helper()
	settings := &config.Config{Credentials: make(map[string]*config.Credential)}
	for _, e := range endpoints {
		settings.Credentials[e.Credential.Name] = e.Credential
	}
	g, err := NewManager().Prepare(settings)
	if err != nil {
		tb.Fatal(err)
	}
	g.Commit()
	return g
}

func newProber(tb testing.TB, e *config.Endpoint) *Prober {
	tb.Helper()
	return proberOf(tb, generationOf(tb, e), e)
}

func proberOf(tb testing.TB, g *Generation, e *config.Endpoint) *Prober {
	tb.Helper()
	p, err := g.NewProber(e)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.client.Transport.CloseIdleConnections)
	return p
}

// sibling returns another prober of the same endpoint, with its own connection and
// back-off.
func sibling(p *Prober) *Prober {
	connection := *p.connection
	s := &sender{target: p.target, connection: &connection, backoff: new(endpointBackoff)}
	other := &Prober{sender: s, sessions: &sessionFlow{sender: s}}
	other.flow = other.newFlow()
	return other
}

// A pipeServer serves a handler over pipes, whatever address is dialed, and records when it
// was dialed.
type pipeServer struct {
	listener *pipenet.Listener

	mu    sync.Mutex // guards dials
	dials []time.Time
}

func newPipeServer(tb testing.TB, handler http.Handler) *pipeServer {
	tb.Helper()
	return &pipeServer{listener: pipenet.Serve(tb, handler)}
}

func (s *pipeServer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(transport.ConnCounter).Track(s.listener.Dial)(ctx, network, address)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dials = append(s.dials, time.Now())
	return conn, nil
}

func (s *pipeServer) dialed() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.dials)
}

// directly returns the transport of a prober that uses no proxy and no HTTP/2.
func directly(p *Prober) *http1.Transport {
	return p.client.Transport.(*http1.Transport) // it is net/http's only for a proxy or HTTP/2
}

// piped returns a prober whose connections all lead to a handler, over pipes.
func piped(tb testing.TB, e *config.Endpoint, handler http.Handler) *Prober {
	tb.Helper()
	p := newProber(tb, e)
	directly(p).DialContext = newPipeServer(tb, handler).dial
	return p
}

// mustProbe probes once, and checks what applies to every Result.
func mustProbe(tb testing.TB, p *Prober) Result {
	tb.Helper()
	r, err := p.Probe(tb.Context(), Options{})
	if err != nil {
		tb.Fatal(err)
	}
	checkResult(tb, *r)
	return *r
}

// A reply is a response of a handwritten appliance.
type reply struct {
	status int
	header map[string]string
	body   string
}

func (a reply) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

// A handwritten appliance has a list of responses for each method, whose last entry
// repeats. It records the requests.
type handwritten struct {
	get, post, del []http.Handler

	mu   sync.Mutex // guards the fields of this type
	got  []*http.Request
	body []string
}

func (h *handwritten) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	h.got, h.body = append(h.got, r), append(h.body, string(body))
	list := &h.get
	switch r.Method {
	case http.MethodPost:
		list = &h.post
	case http.MethodDelete:
		list = &h.del
	}
	var next http.Handler = reply{status: http.StatusNotImplemented}
	if len(*list) > 0 {
		next = (*list)[0]
	}
	if len(*list) > 1 {
		*list = (*list)[1:]
	}
	h.mu.Unlock()
	next.ServeHTTP(w, r)
}

// methods returns the methods of the requests, as in "POST GET DELETE".
func (h *handwritten) methods() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var methods []string
	for _, r := range h.got {
		methods = append(methods, r.Method)
	}
	return strings.Join(methods, " ")
}

// oauthCredential returns the credential of an OAuth 2.0 client, with the grant
// client_credentials.
func oauthCredential(tokenURL string) *config.Credential {
	c := credentialFor(sessionapi.AuthBearer)
	c.Auth = sessionapi.AuthBearer
	c.Secret.Inline = secret.New(canaryClient)
	c.OAuth2 = &config.OAuth2{GrantType: config.GrantClientCredentials, ClientID: "exporter", TokenURL: tokenURL, AuthStyle: config.AuthStyleHeader}
	return c
}

// The names that the built-in APIs use on the wire.
const (
	hcxTokenHeader     = "X-Hm-Authorization"
	drTokenHeader      = "X-Dr-Session"
	vcenterTokenHeader = "Vmware-Api-Session-Id"
	vcenterPath        = "/api/session"
	vcenterOldPath     = "/rest/com/vmware/cis/session"
)
