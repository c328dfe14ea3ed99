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
	"session_exporter/secret"
	"session_exporter/sessionapi"
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
	loaded, err := config.Load(filepath.Join("testdata", "valid", name))
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// compare reports each differing field of two structs, including inner structs and
// pointers.
func compare(t *testing.T, path string, got, want any) {
	t.Helper()
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	if g.Kind() == reflect.Pointer && g.Type() == w.Type() && !g.IsNil() && !w.IsNil() {
		g, w = g.Elem(), w.Elem()
	}
	if _, opaque := got.(secret.Secret); opaque || g.Kind() != reflect.Struct || g.Type() != w.Type() || g.NumField() == 0 || !g.Type().Field(0).IsExported() {
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
	if secret, ok := value.(secret.Secret); ok {
		return fmt.Sprintf("%q", secret.Reveal())
	}
	return fmt.Sprintf("%#v", value)
}

func file(name string) secret.Source {
	return secret.Source{File: filepath.Join("testdata", "secrets", name)}
}

func inline(text string) secret.Source {
	return secret.Source{Inline: secret.New(text)}
}

func TestCredentials(t *testing.T) {
	loaded := load(t, "full.yml")
	want := []*config.Credential{
		{
			Name: "file", Username: "monitor@vsphere.local", Secret: file("password"), Auth: sessionapi.AuthLogin, MaxAge: 90 * day,
			Origins: []config.Origin{{Scheme: "https", Host: "*.example.com", Port: "9443"}, {Scheme: "http", Host: "10.0.0.1", Port: "80"}},
			Guard:   config.LockoutGuard{Account: "site-a", MaxRefusals: 3, RetryAfter: 5 * hour, MaxRetryAfter: 5 * hour},
		},
		{
			Name: "inline", Username: "007", Secret: inline("0123"), Auth: sessionapi.AuthLogin,
			Expires: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC),
			Guard:   config.LockoutGuard{MaxRefusals: 1, RetryAfter: 10 * minute, MaxRetryAfter: hour},
		},
		{
			Name: "environment", Username: "m", Secret: secret.Source{Env: "CONFIG_TEST_PASSWORD"}, Auth: sessionapi.AuthLogin,
			Expires: time.Date(2027, 1, 31, 10, 0, 0, 0, time.UTC), Guard: standardGuard,
		},
		{Name: "token", Secret: inline("tok: {1}"), Auth: sessionapi.AuthToken, Guard: standardGuard},
		{Name: "token-file", Secret: file("token"), Auth: sessionapi.AuthToken, Guard: standardGuard},
		{Name: "token-environment", Secret: secret.Source{Env: "CONFIG_TEST_TOKEN"}, Auth: sessionapi.AuthToken, Guard: standardGuard},
		{
			Name: "sso", Secret: file("client"), Auth: sessionapi.AuthBearer, Guard: standardGuard,
			OAuth2: &config.OAuth2{
				ClientID: "exporter", TokenURL: "https://sso.example.com/token", AuthStyle: config.AuthStyleParams,
				Scopes: []string{"read"}, EndpointParams: map[string]secret.Secret{"resource": secret.New("hcx"), "tenant": secret.New("1")},
				HTTP: config.HTTP{
					TLS:      promconfig.TLSConfig{CAFile: tlsFile("ca.pem")},
					TLSFiles: new(config.Loader).Fingerprint(tlsFile("ca.pem")),
					Proxy:    promconfig.ProxyConfig{ProxyURL: proxyURL("http://proxy.example.com:3128")},
				},
			},
		},
		{
			Name: "sso-inline", Secret: inline("client-2"), Auth: sessionapi.AuthBearer, Guard: standardGuard,
			OAuth2: &config.OAuth2{ClientID: "exporter", TokenURL: "http://sso.example.com/token", AuthStyle: config.AuthStyleHeader},
		},
	}
	if len(loaded.Credentials) != len(want) {
		t.Errorf("%d credentials, want %d", len(loaded.Credentials), len(want))
	}
	for _, credential := range want {
		got := loaded.Credentials[credential.Name]
		if got == nil {
			t.Errorf("no credential %q", credential.Name)
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
