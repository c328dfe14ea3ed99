package config_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
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
	loaded, err := config.NewLoader(filepath.Join("testdata", "valid", name)).Load()
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

// systemd copies the credentials of a service to a directory that an environment variable names.
func TestCredentialsDirectory(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	if err := os.WriteFile(filepath.Join(dir, "hcx"), []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, problems := config.CheckText([]byte(`
credentials: {a: {username: u, password_file: "${CREDENTIALS_DIRECTORY}/hcx"}}
modules: {m: {api: hcx, credential: a, http_headers: {X-Key: {files: ["${CREDENTIALS_DIRECTORY}/hcx"]}}}}
endpoints: [{name: e, url: "https://h.example.com:9443", module: m}]
`), "f.yml")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	source := loaded.Credentials["a"].Secret
	if got, err := source.Read(); err != nil || got.Reveal() != "s3cret" || source.File != filepath.Join(dir, "hcx") {
		t.Errorf("read %q from %s: %v", got.Reveal(), source, err)
	}
	if got, want := loaded.Modules["m"].HTTP.Headers.Headers["X-Key"].Files, []string{filepath.Join(dir, "hcx")}; !slices.Equal(got, want) {
		t.Errorf("files of the header %q, want %q", got, want)
	}
}

// A missing credential of systemd is not taken for a relative path.
func TestMissingInCredentialsDirectory(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", t.TempDir())
	_, problems := config.CheckText([]byte(`
credentials: {a: {username: u, password_file: "${CREDENTIALS_DIRECTORY}/hcx"}}
modules: {m: {api: hcx, credential: a}}
endpoints: [{name: e, url: "https://h.example.com:9443", module: m}]
`), "f.yml")
	if want := "f.yml:2: credentials.a.password_file: cannot read this file: no such file or directory"; problems.Error() != want {
		t.Errorf("problems %q, want %q", problems.Error(), want)
	}
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
				GrantType: config.GrantClientCredentials, ClientID: "exporter", TokenURL: "https://sso.example.com/token", AuthStyle: config.AuthStyleParams,
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
			OAuth2: &config.OAuth2{GrantType: config.GrantClientCredentials, ClientID: "exporter", TokenURL: "http://sso.example.com/token", AuthStyle: config.AuthStyleHeader},
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

// pemKey returns an RSA private key in PEM format.
func pemKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}

// The grants differ in what they exchange, and in how their client authenticates.
func TestGrants(t *testing.T) {
	key := pemKey(t)
	t.Setenv("CONFIG_TEST_CLIENT", "c")
	const (
		block  = "oauth2: {token_url: 'https://sso.example.com', client_id: id, "
		client = "client_secret_env: CONFIG_TEST_CLIENT, "
		jwt    = "oauth2: {token_url: 'https://sso.example.com', client_id: id, grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', client_certificate_key: key, "
	)
	fromEnv := secret.Source{Env: "CONFIG_TEST_CLIENT"}
	for text, want := range map[string]struct {
		exchanged secret.Source
		oauth2    config.OAuth2
	}{
		block + client + "}": {fromEnv, config.OAuth2{GrantType: config.GrantClientCredentials, AuthStyle: config.AuthStyleHeader}},
		"username: m, password: p, " + block + client + "grant_type: password}":               {inline("p"), config.OAuth2{GrantType: config.GrantPassword, ClientSecret: fromEnv, AuthStyle: config.AuthStyleHeader}},
		"username: m, password: p, " + block + "grant_type: password}":                        {inline("p"), config.OAuth2{GrantType: config.GrantPassword, AuthStyle: config.AuthStyleParams}},
		"username: m, password: p, " + block + "grant_type: password, auth_style: header}":    {inline("p"), config.OAuth2{GrantType: config.GrantPassword, AuthStyle: config.AuthStyleHeader}},
		"token: t, " + block + client + "grant_type: refresh_token, auth_style: params}":      {inline("t"), config.OAuth2{GrantType: config.GrantRefreshToken, ClientSecret: fromEnv, AuthStyle: config.AuthStyleParams}},
		"token: t, oauth2: {token_url: 'https://sso.example.com', grant_type: vcf_api_token}": {inline("t"), config.OAuth2{GrantType: config.GrantVCFAPIToken}},
		jwt + "}": {inline(key), config.OAuth2{GrantType: config.GrantJWTBearer, Assertion: &config.Assertion{Algorithm: "RS256", Issuer: "id", Audience: "https://sso.example.com"}}},
		jwt + "client_certificate_key_id: k, signature_algorithm: RS384, iss: i, audience: a, claims: {day: 2027-01-31, n: 7, deep: {list: [true, x]}}}": {
			inline(key), config.OAuth2{GrantType: config.GrantJWTBearer, Assertion: &config.Assertion{
				Algorithm: "RS384", KeyID: "k", Issuer: "i", Audience: "a",
				Claims: map[string]any{"day": "2027-01-31", "n": 7, "deep": map[string]any{"list": []any{true, "x"}}},
			}},
		},
	} {
		quoted, _ := json.Marshal(key)
		file := strings.Replace("modules: {m: {api: hcx, credential: c}}\nendpoints: [{name: e, url: 'https://a.example.com:9443', module: m}]\ncredentials: {c: {"+text+"}}", "client_certificate_key: key", "client_certificate_key: "+string(quoted), 1)
		settings, err := config.Parse([]byte(file), "c.yml")
		if err != nil || len(settings.Problems) > 0 {
			t.Errorf("%s: %v", text, err)
			continue
		}
		c := settings.Credentials["c"]
		want.oauth2.TokenURL = "https://sso.example.com"
		if want.oauth2.GrantType != config.GrantVCFAPIToken {
			want.oauth2.ClientID = "id"
		}
		want.oauth2.HTTP = c.OAuth2.HTTP
		if !c.Secret.Same(want.exchanged) || c.Auth != sessionapi.AuthBearer || !reflect.DeepEqual(*c.OAuth2, want.oauth2) {
			t.Errorf("%s:\n%s %+v\nwant\n%s %+v", text, c.Secret, c.OAuth2, want.exchanged, want.oauth2)
		}
		for _, hidden := range []string{"2027", "list", "BEGIN"} {
			if strings.Contains(settings.YAML, hidden) {
				t.Errorf("%s is shown:\n%s", hidden, settings.YAML)
			}
		}
	}
}

// A key in PEM format has several lines, and is the only secret that may.
func TestPrivateKeyFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "key.pem")
	if err := os.WriteFile(name, []byte(pemKey(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	const file = "modules: {m: {api: hcx}}\ncredentials: {c: {oauth2: {client_id: i, token_url: 'https://sso.example.com', %s: key.pem, %s}}}"
	jwt := fmt.Sprintf(file, "client_certificate_key_file", "grant_type: '"+string(config.GrantJWTBearer)+"'")
	settings, err := config.Parse([]byte(jwt), filepath.Join(dir, "c.yml"))
	if err != nil || !slices.Contains(settings.SecretFiles(), name) {
		t.Error(err)
	}
	settings, err = config.Parse(fmt.Appendf(nil, file, "client_secret_file", "grant_type: client_credentials"), filepath.Join(dir, "c.yml"))
	if err != nil || !strings.Contains(settings.Problems.Error(), "client_secret_file: cannot read this file: it has more than one line") {
		t.Errorf("a client secret of several lines: %v %v", settings.Problems, err)
	}
}
