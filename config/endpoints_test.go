package config_test

import (
	"net/url"
	"slices"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"

	"session_exporter/config"
	"session_exporter/sessionapi"
)

// fullHTTP returns the connection settings of module hcx in full.yml.
func fullHTTP() *config.HTTP {
	return &config.HTTP{
		TLS: promconfig.TLSConfig{
			CAFile: tlsFile("ca.pem"), CertFile: tlsFile("client.pem"), KeyFile: tlsFile("client.key"),
			ServerName: "hcx.internal", InsecureSkipVerify: true,
			MinVersion: promconfig.TLSVersions["TLS12"], MaxVersion: promconfig.TLSVersions["TLS13"],
		},
		TLSFiles: new(config.Loader).Fingerprint(tlsFile("ca.pem"), tlsFile("client.pem"), tlsFile("client.key")),
		Proxy: promconfig.ProxyConfig{
			ProxyURL: proxyURL("http://user:pass@proxy.example.com:3128"), NoProxy: "10.0.0.0/8",
			ProxyConnectHeader: promconfig.ProxyHeader{"X-Proxy": {"p-1", "p-2"}},
		},
		Headers: &promconfig.Headers{Headers: map[string]promconfig.Header{
			"X-Site": {Values: []string{"a"}, Secrets: []promconfig.Secret{"s-1"}, Files: []string{file("header").File}},
		}},
	}
}

func TestEndpoints(t *testing.T) {
	loaded := load(t, "full.yml")
	hcx := config.Settings{
		Module: "hcx", API: "hcx", SessionAPI: sessionapi.BuiltIn()["hcx"], Credential: loaded.Credentials["file"], Auth: sessionapi.AuthLogin,
		Login:    map[string]string{"auth_type": "vsphere"},
		Interval: 90 * second, Timeout: 15 * second, SessionMaxAge: 45 * minute, NegativeControl: 24 * hour, HTTP: fullHTTP(),
		Expect: config.Expect{
			Username: "monitor@vsphere.local", Roles: []string{"System Administrator"}, RolesExact: true,
			ForbidRoles: []string{"Owner"}, Organizations: []string{"DEFAULT"},
		},
	}
	overridden := hcx
	overridden.Credential, overridden.Auth, overridden.Login = loaded.Credentials["token-file"], sessionapi.AuthToken, map[string]string{}
	overridden.Interval, overridden.Timeout = 10*second, 10*second // the module's 15s, capped
	overridden.SessionMaxAge, overridden.ConnectionMaxAge = hour, 5*minute
	overridden.NegativeControl = 0
	overridden.HTTP = &config.HTTP{Headers: &promconfig.Headers{}, Proxy: promconfig.ProxyConfig{ProxyURL: promconfig.URL{URL: &url.URL{}}}}
	overridden.Expect = config.Expect{Username: "other"}

	bearer := config.Settings{
		Module: "bearer", API: "hcx", SessionAPI: sessionapi.BuiltIn()["hcx"], Credential: loaded.Credentials["sso"], Auth: sessionapi.AuthBearer,
		Interval: 2 * minute, Timeout: 5 * second, SessionMaxAge: 30 * minute, ConnectionMaxAge: 10 * minute, HTTP: &config.HTTP{},
	}
	tokenAsBearer := bearer
	tokenAsBearer.Credential, tokenAsBearer.Timeout = loaded.Credentials["token"], 20*second
	otherAPI := bearer
	otherAPI.SessionAPI = sessionapi.BuiltIn()["dr"]
	otherAPI.API, otherAPI.Credential, otherAPI.Auth, otherAPI.Timeout = "dr", loaded.Credentials["environment"], sessionapi.AuthLogin, 20*second

	environment := promconfig.ProxyConfig{ProxyFromEnvironment: true}
	plain := config.Settings{
		Module: "plain", API: "dr", SessionAPI: sessionapi.BuiltIn()["dr"], Credential: loaded.Credentials["token"], Auth: sessionapi.AuthToken,
		Interval: 2 * minute, Timeout: 20 * second, SessionMaxAge: 30 * minute, ConnectionMaxAge: 10 * minute,
		HTTP: &config.HTTP{Proxy: environment},
	}
	dr := plain
	dr.Credential, dr.Auth = loaded.Credentials["inline"], sessionapi.AuthLogin
	dr.HTTP = &config.HTTP{TLS: promconfig.TLSConfig{InsecureSkipVerify: true}, Proxy: environment}

	for i, want := range []config.Endpoint{
		{Name: "all from the module", URL: address("https", "hcx-a.example.com:9443", ""), Labels: map[string]string{"site": "a", "rack": ""}, Settings: hcx},
		{Name: "the same again", URL: address("http", "[2001:db8::1]:9443", ""), Labels: map[string]string{"room": "1.10"}, Settings: hcx},
		{Name: "日本語 👩‍💻", URL: address("https", "hcx-b.example.com", ""), Settings: overridden},
		{Name: "default bearer", URL: address("https", "hcx-c.example.com", ""), Settings: bearer},
		{Name: "a token as bearer", URL: address("https", "hcx-d.example.com", ""), Settings: tokenAsBearer},
		{Name: "dr", URL: address("https", "srm.example.com", "/api/rest/srm/v2"), Settings: dr},
		{Name: "default token", URL: address("https", "srm.example.com", "/api/rest/srm/v2"), Settings: plain},
		{Name: "another API", URL: &url.URL{Scheme: "https", Host: "vr.example.com", Path: "/a/b", RawPath: "/a%2Fb"}, Settings: otherAPI},
	} {
		if i >= len(loaded.Endpoints) {
			t.Fatalf("%d endpoints", len(loaded.Endpoints))
		}
		compare(t, want.Name, *loaded.Endpoints[i], want)
	}
}

func address(scheme, host, path string) *url.URL {
	return &url.URL{Scheme: scheme, Host: host, Path: path}
}

func TestSharedHTTP(t *testing.T) {
	endpoints := load(t, "full.yml").Endpoints
	if endpoints[0].HTTP != endpoints[1].HTTP {
		t.Error("two endpoints that override nothing do not share their module's HTTP block")
	}
	if endpoints[0].HTTP == endpoints[2].HTTP || endpoints[5].HTTP == endpoints[6].HTTP {
		t.Error("an endpoint that overrides shares its module's HTTP block")
	}
}

// An endpoint's proxy setting overrides its module's, even if it is `false` or empty. A
// key without a value sets nothing.
func TestProxyOfEndpoint(t *testing.T) {
	for own, proxied := range map[string]bool{
		"interval: 1m":                  true,
		"proxy_from_environment: ":      true,
		"no_proxy: ":                    true,
		"proxy_from_environment: false": false,
		"proxy_url: ''":                 false,
	} {
		settings := parsed(t, `
credentials: {c: {token: t}}
modules: {m: {api: dr, credential: c, proxy_from_environment: true}}
endpoints: [{name: e, url: "https://a.example.com", module: m, `+own+`}]
`)
		if got := settings.Endpoints[0].HTTP.Proxy.ProxyFromEnvironment; got != proxied {
			t.Errorf("%s: from the environment is %t", own, got)
		}
	}
}

func TestWholeFile(t *testing.T) {
	loaded := load(t, "full.yml")
	if want := []string{"rack", "room", "site"}; !slices.Equal(loaded.LabelNames, want) {
		t.Errorf("label names are %q, want %q", loaded.LabelNames, want)
	}
	var denied []string
	for _, re := range loaded.MetricsDeny {
		denied = append(denied, re.String())
	}
	if want := []string{"^(?:session_probe_.*)$", "^(?:go_(gc|mem)_.*)$"}; !slices.Equal(denied, want) {
		t.Errorf("denied metrics are %q, want %q", denied, want)
	}
	if want := "testdata/valid/full.yml"; loaded.Name != want {
		t.Errorf("name is %q, want %q", loaded.Name, want)
	}
}

func TestMergeKeys(t *testing.T) {
	loaded := load(t, "merged.yml")
	for name, want := range map[string]config.Credential{
		"base":   {Username: "m", Guard: config.LockoutGuard{MaxRefusals: 5, RetryAfter: 20 * minute, MaxRetryAfter: 4 * hour}},
		"over":   {Username: "n", Guard: config.LockoutGuard{MaxRefusals: 5, RetryAfter: 20 * minute, MaxRetryAfter: 4 * hour}},
		"nested": {Username: "o", Guard: config.LockoutGuard{MaxRefusals: 5, RetryAfter: minute, MaxRetryAfter: 4 * hour}},
	} {
		want.Name, want.Secret, want.Auth, want.Origins = name, file("password"), sessionapi.AuthLogin, []config.Origin{}
		compare(t, name, loaded.Credentials[name], &want)
	}
	for i, want := range []struct {
		name, credential string
		labels           map[string]string
		expect           config.Expect
	}{
		{"one", "base", map[string]string{"site": "a"}, config.Expect{Roles: []string{"a", "b"}}},
		{"two", "base", map[string]string{"site": "a"}, config.Expect{Roles: []string{"a", "b"}, ForbidRoles: []string{"c"}}},
		{"three", "over", map[string]string{"site": "a", "room": "1"}, config.Expect{Roles: []string{"a", "b"}}},
	} {
		got := loaded.Endpoints[i]
		compare(t, "name", got.Name, want.name)
		compare(t, want.name+" URL", got.URL.String(), "https://one.example.com")
		compare(t, want.name+" credential", got.Credential.Name, want.credential)
		compare(t, want.name+" labels", got.Labels, want.labels)
		compare(t, want.name+" expect", got.Expect, want.expect)
	}
}

// TestOnlyModules loads a configuration for /probe?target= only.
func TestOnlyModules(t *testing.T) {
	if endpoints := load(t, "only-modules.yml").Endpoints; len(endpoints) != 0 {
		t.Errorf("%d endpoints", len(endpoints))
	}
}

// A token goes into the configured header, and an endpoint can return to the API's own.
func TestTokenHeaderOfEndpoint(t *testing.T) {
	loaded, err := config.Parse([]byte(`
credentials: {c: {token: t, origins: ["https://b.example.com"]}}
modules:
  m: {api: hcx, credential: c, token_header: authorization}
  default: {api: hcx, credential: c}
endpoints:
  - {name: the module's, url: "https://a.example.com:9443", module: m}
  - {name: its own, url: "https://a.example.com:9443", module: m, token_header: x-api-token}
  - {name: the API's, url: "https://a.example.com:9443", module: m, token_header: ''}
  - {name: none, url: "https://a.example.com:9443", module: default}
`), "f.yml")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"Authorization", "X-Api-Token", "", ""} {
		if got := loaded.Endpoints[i].TokenHeader; got != want {
			t.Errorf("%s: %q, want %q", loaded.Endpoints[i].Name, got, want)
		}
	}
	other := *loaded.Endpoints[0]
	if other.TokenHeader = "X-Api-Token"; loaded.Endpoints[0].SameProbe(&other) {
		t.Error("endpoints with different headers share a session")
	}
	target, err := loaded.Target("m", "https://b.example.com")
	if err != nil || target.TokenHeader != "Authorization" {
		t.Errorf("/probe?target= uses %+v, error %v", target, err)
	}
}

// Sessions of an API without logouts are replaced rarely, unless the file says otherwise.
func TestSessionMaxAgeOfTheAPI(t *testing.T) {
	loaded, err := config.Parse([]byte(`
credentials: {c: {username: u, password: p, origins: ["https://b.example.com"]}}
modules:
  hcx: {api: hcx, credential: c}
  hybridity: {api: hcx-hybridity, credential: c}
  never: {api: hcx-hybridity, credential: c, session_max_age: 0}
endpoints:
  - {name: hcx, url: "https://a.example.com:9443", module: hcx}
  - {name: hybridity, url: "https://a.example.com", module: hybridity}
  - {name: other API, url: "https://a2.example.com", module: hcx, api: hcx-hybridity}
  - {name: own, url: "https://a3.example.com", module: hybridity, session_max_age: 1h}
  - {name: never, url: "https://a4.example.com", module: never}
`), "f.yml")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []time.Duration{30 * minute, 4 * hour, 4 * hour, hour, 0} {
		if got := loaded.Endpoints[i].SessionMaxAge; got != want {
			t.Errorf("%s: %s, want %s", loaded.Endpoints[i].Name, got, want)
		}
	}
	if target, err := loaded.Target("hybridity", "https://b.example.com"); err != nil || target.SessionMaxAge != 4*hour {
		t.Errorf("/probe?target= uses %+v, error %v", target, err)
	}
}

// An endpoint overrides its module's enable_http2, in both directions. An endpoint that sets
// nothing shares the module's connection settings.
func TestEnableHTTP2(t *testing.T) {
	settings := parsed(t, `
credentials: {c: {username: u, password: p}}
modules:
  off: {api: hcx, credential: c}
  on: {api: hcx, credential: c, enable_http2: true}
endpoints:
  - {name: a, url: "https://a.example.com:9443", module: off}
  - {name: b, url: "https://b.example.com:9443", module: off, enable_http2: true}
  - {name: c, url: "https://c.example.com:9443", module: on}
  - {name: d, url: "https://d.example.com:9443", module: on, enable_http2: false}
`)
	for i, want := range []bool{false, true, true, false} {
		if e := settings.Endpoints[i]; e.HTTP.EnableHTTP2 != want {
			t.Errorf("%s: %t", e.Name, e.HTTP.EnableHTTP2)
		}
	}
	if settings.Endpoints[2].HTTP != settings.Modules["on"].HTTP {
		t.Error("an endpoint without its own settings does not share its module's")
	}
}
