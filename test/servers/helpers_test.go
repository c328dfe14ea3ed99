package servers

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"session_exporter/config"
	"session_exporter/probe"
	"session_exporter/sessionapi"
	"session_exporter/sessionapi/catalogue"
	"session_exporter/simulator/pipenet"
)

// catalogued returns a file of the catalogue, which has a definition and an example credential,
// module and endpoint, with parts of its text replaced: replacements are old, new pairs.
func catalogued(t *testing.T, name string, replacements ...string) string {
	t.Helper()
	text, known := catalogue.File(name)
	if !known {
		t.Fatalf("the catalogue has no %s", name)
	}
	for i := 0; i < len(replacements); i += 2 {
		if !strings.Contains(string(text), replacements[i]) {
			t.Fatalf("%s.yml has no %q", name, replacements[i])
		}
	}
	return strings.NewReplacer(replacements...).Replace(string(text))
}

// proberOf returns the prober of the only endpoint of a configuration.
func proberOf(t *testing.T, text string, manager *probe.Manager) *probe.Prober {
	t.Helper()
	settings, err := config.Parse([]byte(text), filepath.Join(t.TempDir(), "session_exporter.yml"))
	if err != nil {
		t.Fatal(err)
	}
	generation, err := manager.Prepare(settings)
	if err != nil {
		t.Fatal(err)
	}
	generation.Commit()
	prober, err := generation.NewProber(settings.Endpoints[0])
	if err != nil {
		t.Fatal(err)
	}
	return prober
}

// wants probes once, expects a state, and returns the result.
func wants(t *testing.T, p *probe.Prober, state sessionapi.State) probe.Result {
	t.Helper()
	r, err := p.Probe(t.Context(), probe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.State != state {
		t.Fatalf("%s: %s\nwant %s", r.State, r.Diagnosis, state)
	}
	return *r
}

// closeProber closes a prober, which logs out.
func closeProber(t *testing.T, p *probe.Prober) {
	t.Helper()
	if _, err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// serve returns a manager whose connections all lead to the handler.
func serve(t *testing.T, handler http.Handler) *probe.Manager {
	t.Helper()
	return probe.NewManagerWithDial(pipenet.Serve(t, handler).Dial)
}
