package servers

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"session_exporter/config"
	"session_exporter/probe"
)

// catalogued returns a definition of the catalogue, complete with its example of a
// credential, a module and an endpoint, after some replacements in its text.
func catalogued(t *testing.T, name string, replacements ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "apis", name+".yml"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(replacements); i += 2 {
		if !strings.Contains(string(text), replacements[i]) {
			t.Fatalf("%s.yml has no %q", name, replacements[i])
		}
	}
	return strings.NewReplacer(replacements...).Replace(string(text))
}

// proberOf returns the prober of a configuration's only endpoint.
func proberOf(t *testing.T, text string, factory *probe.Factory) *probe.Prober {
	t.Helper()
	settings, err := config.Parse([]byte(text), filepath.Join(t.TempDir(), "session_exporter.yml"), probe.APIs())
	if err != nil {
		t.Fatal(err)
	}
	batch, err := factory.Prepare(settings)
	if err != nil {
		t.Fatal(err)
	}
	batch.Commit()
	prober, err := batch.New(settings.Endpoints[0])
	if err != nil {
		t.Fatal(err)
	}
	return prober
}

// wants probes once.
func wants(t *testing.T, p *probe.Prober, state probe.State) probe.Result {
	t.Helper()
	r, err := p.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.State != state {
		t.Fatalf("%s: %s\nwant %s", r.State, r.Diagnosis, state)
	}
	return *r
}

func closeProber(t *testing.T, p *probe.Prober) {
	t.Helper()
	if _, err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// pipes serve a handler in a synctest bubble, where there is no network.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// serve returns a factory all of whose connections lead to the handler.
func serve(t *testing.T, handler http.Handler) *probe.Factory {
	t.Helper()
	p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{Handler: handler, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(p) })
	t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
	})
	return probe.NewFactoryOver(p.dial)
}

// Accept implements net.Listener.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

// Addr implements net.Listener.
func (*pipes) Addr() net.Addr { return new(net.UnixAddr) }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
