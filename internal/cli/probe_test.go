package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"session_exporter/config"
	"session_exporter/simulator"
)

// TestSelectEndpoints selects known, unknown and no endpoints.
func TestSelectEndpoints(t *testing.T) {
	fleet := func(names ...string) *config.Config {
		settings := &config.Config{Name: "f.yml"}
		for _, name := range names {
			settings.Endpoints = append(settings.Endpoints, &config.Endpoint{Name: name, Settings: config.Settings{Credential: new(config.Credential)}})
		}
		return settings
	}
	var many []string
	for i := range 10_000 {
		many = append(many, fmt.Sprintf("e%d", i))
	}
	twenty := strings.Join(many[:20], ", ")
	for _, tc := range []struct {
		name     string
		settings *config.Config
		names    []string
		all      bool
		want     string // names, or the error
	}{
		{"all", fleet("a", "b"), nil, true, "a b"},
		{"in the requested order, each once", fleet("a", "b", "c"), []string{"c", "a", "c"}, false, "c a"},
		{"all and a name", fleet("a"), []string{"a"}, true, "endpoint names and --all are mutually exclusive"},
		{"none named", fleet("a", "b"), nil, false, "no endpoint given; name endpoints of f.yml or use --all; available: a, b"},
		{"unknown", fleet("a", "b"), []string{"a", "c\x1b"}, false, `f.yml has no endpoint "c\x1b"; available: a, b`},
		{"hidden characters", fleet("a\u202eb"), nil, false, "no endpoint given; name endpoints of f.yml or use --all; available: a\ufffdb"},
		{"20", fleet(many[:20]...), []string{"x"}, false, `f.yml has no endpoint "x"; available: ` + twenty},
		{"many", fleet(many...), []string{"x"}, false, `f.yml has no endpoint "x"; available: ` + twenty + ", and 9980 more"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			selected, err := selectEndpoints(tc.settings, tc.names, tc.all)
			got := fmt.Sprint(err)
			if err == nil {
				var names []string
				for _, endpoint := range selected.Endpoints {
					names = append(names, endpoint.Name)
				}
				got = strings.Join(names, " ")
			}
			if got != tc.want {
				t.Errorf("%s\nwant %s", got, tc.want)
			}
		})
	}
}

// TestInterruptedProbe checks that an interrupted probe reports the sessions that may be left.
func TestInterruptedProbe(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	appliance := simulator.Settings{
		Accounts: map[string]simulator.Account{"monitor": {Password: "right"}},
		Faults:   []simulator.Fault{{On: simulator.Logout, Status: http.StatusInternalServerError}},
	}
	hcx := simulator.NewHCX(appliance)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			interrupt()
			<-r.Context().Done()
		}
		hcx.ServeHTTP(w, r)
	}))
	defer server.Close()
	text := "credentials: {c: {username: monitor, password: right}}\nmodules: {m: {api: hcx, credential: c}}\nendpoints: [{name: e, url: \"" + server.URL + "\", module: m}]\n"
	settings, err := config.Parse([]byte(text), "f.yml")
	must(t, err)
	var stderr bytes.Buffer
	err = probeOnce(ctx, settings, format{output: "text", color: "never"}, streams{out: io.Discard, err: &stderr})
	if !errors.Is(err, context.Canceled) || !strings.Contains(stderr.String(), "some sessions may have been left on their appliances: ") {
		t.Errorf("error %v, stderr:\n%s", err, &stderr)
	}
}

// The warnings about the selected endpoints are printed before the probes, and no others.
func TestProbeWarnings(t *testing.T) {
	const text = `credentials:
  a: {username: "a ", password: x}
  b: {username: "b ", password: x}
modules:
  m: {api: dr, credential: a, tls_config: {insecure_skip_verify: true}}
  other: {api: dr, credential: a, tls_config: {insecure_skip_verify: true}}
endpoints:
  - {name: one, url: "http://127.0.0.1:1", module: m, credential: b}
  - {name: two, url: "http://127.0.0.1:1", module: other}
`
	file := writeConfig(t, text)
	_, _, stderr := runWith(t, t.Context(), "probe", "--config.file="+file, "one")
	var keys []string
	for line := range strings.Lines(stderr) {
		keys = append(keys, strings.Split(strings.TrimPrefix(line, file), ": ")[2])
	}
	if got, want := strings.Join(keys, " "), "credentials.b.username modules.m.tls_config.insecure_skip_verify endpoints[0].url endpoints[0].url"; got != want {
		t.Errorf("warnings about %s\nwant %s", got, want)
	}
	var b strings.Builder
	b.WriteString(text)
	for i := range 10 {
		fmt.Fprintf(&b, "  - {name: e%d, url: \"http://127.0.0.1:1\", module: m}\n", i)
	}
	file = writeConfig(t, b.String())
	if _, _, stderr := runWith(t, t.Context(), "probe", "--config.file="+file, "--all"); strings.Count(stderr, "\n") != maxWarnings+1 || !strings.HasSuffix(stderr, " more warnings; `check-config` shows all\n") {
		t.Error(stderr)
	}
}

// If the server replaces refresh tokens, a probe invalidates the refresh token of a running
// exporter.
func TestProbeWarnsOfRefreshTokens(t *testing.T) {
	file := writeConfig(t, `credentials:
  a: {token: t, oauth2: {grant_type: refresh_token, client_id: i, token_url: "https://127.0.0.1:1"}}
  b: {token: t, oauth2: {grant_type: vcf_api_token, token_url: "https://127.0.0.1:1"}}
modules:
  m: {api: hcx}
endpoints:
  - {name: one, url: "https://127.0.0.1:1", module: m, credential: a}
  - {name: two, url: "https://127.0.0.1:2", module: m, credential: a}
  - {name: three, url: "https://127.0.0.1:3", module: m, credential: b}
`)
	_, _, stderr := runWith(t, t.Context(), "probe", "--config.file="+file, "--all")
	if strings.Count(stderr, "refresh tokens") != 1 || !strings.Contains(stderr, `credential "a": if the server replaces refresh tokens`) {
		t.Error(stderr)
	}
	if _, _, stderr = runWith(t, t.Context(), "probe", "--config.file="+file, "three"); strings.Contains(stderr, "refresh tokens") {
		t.Error(stderr)
	}
}
