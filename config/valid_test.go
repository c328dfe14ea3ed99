package config_test

import (
	"fmt"
	"net/url"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"

	"session_exporter/config"
	"session_exporter/probe"
)

const (
	second = time.Second
	minute = time.Minute
	hour   = time.Hour
	day    = 24 * time.Hour
)

var standardGuard = config.LockoutGuard{MaxRefusals: 2, RetryAfter: 20 * minute, MaxRetryAfter: 4 * hour}

func load(t *testing.T, name string) *config.Config {
	t.Helper()
	t.Setenv("CONFIG_TEST_PASSWORD", "env-1")
	t.Setenv("CONFIG_TEST_TOKEN", "env-2")
	loaded, err := config.Load(filepath.Join("testdata", "valid", name), probe.APIs())
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// compare names each field of two structs that differs, inside of inner structs
// and behind pointers too.
func compare(t *testing.T, path string, got, want any) {
	t.Helper()
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	if g.Kind() == reflect.Pointer && g.Type() == w.Type() && !g.IsNil() && !w.IsNil() {
		g, w = g.Elem(), w.Elem()
	}
	if _, opaque := got.(config.Secret); opaque || g.Kind() != reflect.Struct || g.Type() != w.Type() || g.NumField() == 0 || !g.Type().Field(0).IsExported() {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %s, want %s", path, show(got), show(want))
		}
		return
	}
	for i := range g.NumField() {
		if field := g.Type().Field(i); field.IsExported() {
			compare(t, path+"."+field.Name, g.Field(i).Interface(), w.Field(i).Interface())
		}
	}
}

func show(value any) string {
	if secret, ok := value.(config.Secret); ok {
		return fmt.Sprintf("%q", secret.Reveal())
	}
	return fmt.Sprintf("%#v", value)
}

func file(name string) config.SecretSource {
	return config.SecretSource{File: filepath.Join("testdata", "secrets", name)}
}

func inline(text string) config.SecretSource {
	return config.SecretSource{Inline: config.NewSecret(text)}
}

func TestCredentials(t *testing.T) {
	loaded := load(t, "full.yml")
	want := []*config.Credential{
		{
			Name: "file", Username: "monitor@vsphere.local", Secret: file("password"), Auth: config.AuthLogin, MaxAge: 90 * day,
			Origins: []config.Origin{{Scheme: "https", Host: "*.example.com", Port: "9443"}, {Scheme: "http", Host: "10.0.0.1", Port: "80"}},
			Guard:   config.LockoutGuard{MaxRefusals: 3, RetryAfter: 5 * hour, MaxRetryAfter: 5 * hour},
		},
		{
			Name: "inline", Username: "007", Secret: inline("0123"), Auth: config.AuthLogin,
			Expires: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC),
			Guard:   config.LockoutGuard{MaxRefusals: 1, RetryAfter: 10 * minute, MaxRetryAfter: hour},
		},
		{
			Name: "environment", Username: "m", Secret: config.SecretSource{Env: "CONFIG_TEST_PASSWORD"}, Auth: config.AuthLogin,
			Expires: time.Date(2027, 1, 31, 10, 0, 0, 0, time.UTC), Guard: standardGuard,
		},
		{Name: "token", Secret: inline("tok: {1}"), Auth: config.AuthToken, Guard: standardGuard},
		{Name: "token-file", Secret: file("token"), Auth: config.AuthToken, Guard: standardGuard},
		{Name: "token-environment", Secret: config.SecretSource{Env: "CONFIG_TEST_TOKEN"}, Auth: config.AuthToken, Guard: standardGuard},
		{
			Name: "sso", Secret: file("client"), Auth: config.AuthBearer, Guard: standardGuard,
			TLSFiles: config.Fingerprint(tlsFile("ca.pem")),
			OAuth2: &promconfig.OAuth2{
				ClientID: "exporter", ClientSecretFile: file("client").File, TokenURL: "https://sso.example.com/token?tenant=1",
				GrantType: "client_credentials", Scopes: []string{"read"}, EndpointParams: map[string]string{"resource": "hcx"},
				TLSConfig:   promconfig.TLSConfig{CAFile: tlsFile("ca.pem")},
				ProxyConfig: promconfig.ProxyConfig{ProxyURL: proxyURL("http://proxy.example.com:3128")},
			},
		},
		{
			// The client secret is in Secret alone, which does not print it.
			Name: "sso-inline", Secret: inline("client-2"), Auth: config.AuthBearer, Guard: standardGuard,
			OAuth2: &promconfig.OAuth2{ClientID: "exporter", TokenURL: "http://sso.example.com/token"},
		},
	}
	if len(loaded.Credentials) != len(want) {
		t.Errorf("there are %d credentials, want %d", len(loaded.Credentials), len(want))
	}
	for _, credential := range want {
		got := loaded.Credentials[credential.Name]
		if got == nil {
			t.Errorf("there is no credential %q", credential.Name)
			continue
		}
		got.Expires = got.Expires.UTC()
		if credential.Origins == nil {
			credential.Origins = []config.Origin{}
		}
		compare(t, credential.Name, got, credential)
	}
}

func tlsFile(name string) string { return filepath.Join("testdata", "tls", name) }

func proxyURL(text string) promconfig.URL {
	u, err := url.Parse(text)
	if err != nil {
		panic(err)
	}
	return promconfig.URL{URL: u}
}
