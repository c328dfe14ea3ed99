package probe

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"

	"session_exporter/config"
	"session_exporter/probe/direct"
)

// The secrets of all tests. None may show in a Result.
const (
	canaryPassword = "canary-passw0rd"
	canaryToken    = "canary-t0ken"
	canaryClient   = "canary-client-s3cret"
)

// credentialFor returns an account for a way in.
func credentialFor(auth config.Auth) *config.Credential {
	c := &config.Credential{
		Name:  "monitor",
		Auth:  config.AuthToken,
		Guard: config.LockoutGuard{MaxRefusals: 2, RetryAfter: 20 * time.Minute, MaxRetryAfter: 4 * time.Hour},
	}
	c.Secret.Inline = config.NewSecret(canaryToken)
	if auth == config.AuthLogin || auth == config.AuthBasic {
		c.Auth, c.Username = config.AuthLogin, "alice"
		c.Secret.Inline = config.NewSecret(canaryPassword)
	}
	return c
}

// endpointFor returns an endpoint with the default settings.
func endpointFor(api string, auth config.Auth) *config.Endpoint {
	var custom *config.Definition
	if _, builtIn := apis[api]; described && builtIn {
		custom = definition(api)
	}
	return &config.Endpoint{
		Name: "site-a",
		URL:  &url.URL{Scheme: "http", Host: "appliance.test"},
		Settings: config.Settings{
			API: api, Custom: custom, Auth: auth, Credential: credentialFor(auth),
			Interval: time.Minute, Timeout: 10 * time.Second,
			SessionMaxAge: 30 * time.Minute, ConnectionMaxAge: 10 * time.Minute,
			HTTP: new(config.HTTP),
		},
	}
}

// batchOf returns what makes the probers of endpoints.
func batchOf(tb testing.TB, endpoints ...*config.Endpoint) *Batch {
	tb.Helper()
	settings := &config.Config{Credentials: make(map[string]*config.Credential)}
	for _, e := range endpoints {
		settings.Credentials[e.Credential.Name] = e.Credential
	}
	b, err := NewFactory().Prepare(settings)
	if err != nil {
		tb.Fatal(err)
	}
	b.Commit()
	return b
}

func newProber(tb testing.TB, e *config.Endpoint) *Prober {
	tb.Helper()
	return proberOf(tb, batchOf(tb, e), e)
}

func proberOf(tb testing.TB, b *Batch, e *config.Endpoint) *Prober {
	tb.Helper()
	p, err := b.New(e)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.client.transport.CloseIdleConnections)
	if p.credential.oauth != nil {
		tb.Cleanup(p.credential.oauth.client.CloseIdleConnections)
	}
	return p
}

// A pipeServer serves a handler over pipes, so that it can live in a synctest
// bubble. It answers whatever address is dialled.
type pipeServer struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once

	mu    sync.Mutex // guards dials
	dials []time.Time
}

func newPipeServer(tb testing.TB, handler http.Handler) *pipeServer {
	tb.Helper()
	s := &pipeServer{conns: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{Handler: handler, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(s) })
	tb.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
	})
	return s
}

func (s *pipeServer) Accept() (net.Conn, error) {
	select {
	case conn := <-s.conns:
		return conn, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}

func (s *pipeServer) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}

func (s *pipeServer) Addr() net.Addr { return new(net.UnixAddr) }

func (s *pipeServer) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case s.conns <- theirs:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.dials = append(s.dials, time.Now())
		return &agedConn{Conn: ours, certified: time.Now()}, nil
	case <-s.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *pipeServer) dialled() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.dials)
}

// directly returns a prober's transport, whose connections lead straight to the
// appliance.
func directly(p *Prober) *direct.Transport {
	return p.client.transport.(*direct.Transport) // it is net/http's only where there is a proxy
}

// piped returns a prober whose connections all lead to a handler.
func piped(tb testing.TB, e *config.Endpoint, handler http.Handler) *Prober {
	tb.Helper()
	p := newProber(tb, e)
	directly(p).DialContext = newPipeServer(tb, handler).dial
	return p
}

// mustProbe probes once, and checks what holds for every Result.
func mustProbe(tb testing.TB, p *Prober) Result {
	tb.Helper()
	r, err := p.Probe(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	checkResult(tb, *r)
	return *r
}

// A reply is what a hand-written appliance answers.
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

// A handwritten appliance answers each method from a list, the last of which
// stands for all that follow, and keeps what it was sent.
type handwritten struct {
	get, post, del []http.Handler

	mu   sync.Mutex // guards the lists and got
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

// methods returns what was asked, as "POST GET DELETE".
func (h *handwritten) methods() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var methods []string
	for _, r := range h.got {
		methods = append(methods, r.Method)
	}
	return strings.Join(methods, " ")
}

// oauthCredential returns an account of an OAuth 2.0 client.
func oauthCredential(tokenURL string) *config.Credential {
	c := credentialFor(config.AuthBearer)
	c.Auth = config.AuthBearer
	c.Secret.Inline = config.NewSecret(canaryClient)
	c.OAuth2 = &promconfig.OAuth2{ClientID: "exporter", TokenURL: tokenURL}
	return c
}
