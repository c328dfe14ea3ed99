package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"session_exporter/config"
)

// settingsWith loads a configuration with one endpoint after replacing words in it.
func settingsWith(t *testing.T, loader *config.Loader, file string, replace ...string) *config.Config {
	t.Helper()
	text := strings.NewReplacer(replace...).Replace(`
credentials:
  a: {username: u, password_file: secret}
modules:
  hcx: {api: hcx, credential: a, tls_config: {ca_file: ca.pem}}
endpoints:
  - {name: x, url: "https://x.example.com", module: hcx, labels: {site: a}}
`)
	write(t, file, text)
	settings, err := loader.Load()
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

func write(tb testing.TB, file, content string) {
	tb.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
}

func TestFilesAndSameProbe(t *testing.T) {
	dir := t.TempDir()
	ca, err := os.ReadFile("testdata/tls/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "ca.pem"), string(ca))
	write(t, filepath.Join(dir, "secret"), "one")
	file := filepath.Join(dir, "f.yml")
	loader := config.NewLoader(file)
	first := settingsWith(t, loader, file)
	if got, want := first.Files, []string{file}; !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
	if got, want := first.TLSFiles(), []string{filepath.Join(dir, "ca.pem")}; !slices.Equal(got, want) {
		t.Errorf("TLS files %q, want %q", got, want)
	}
	if got, want := first.SecretFiles(), []string{filepath.Join(dir, "secret")}; !slices.Equal(got, want) {
		t.Errorf("secret files %q, want %q", got, want)
	}
	for _, tc := range []struct {
		name    string
		replace []string
		want    bool
	}{
		{"same", nil, true},
		{"label", []string{"site: a", "site: b"}, true},
		{"credential's name", []string{"a: {user", "b: {user", "credential: a", "credential: b"}, false},
		{"username", []string{"username: u", "username: v"}, false},
		{"url", []string{"x.example", "y.example"}, false},
		{"module", []string{"labels:", "interval: 30s, labels:"}, false},
	} {
		if got := first.Endpoints[0].SameProbe(settingsWith(t, loader, file, tc.replace...).Endpoints[0]); got != tc.want {
			t.Errorf("%s: same probe is %t, want %t", tc.name, got, tc.want)
		}
	}
	// A rotated password does not change the settings; a renewed certificate does.
	write(t, filepath.Join(dir, "secret"), "two")
	if !first.Endpoints[0].SameProbe(settingsWith(t, loader, file).Endpoints[0]) {
		t.Error("another password counts as a change of the settings")
	}
	write(t, filepath.Join(dir, "ca.pem"), string(ca)+"\n")
	if first.Endpoints[0].SameProbe(settingsWith(t, loader, file).Endpoints[0]) {
		t.Error("a renewed certificate is not noticed")
	}
}
